// What a parity group does besides requests: restoring members, scrubbing, replaying the journal, marks while degraded.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "array/engine/intents.h"
#include "array/engine/lun_device.h"
#include "array/engine/parity.h"
#include "array/parity/codec.h"
#include "base/log.h"

namespace vds::array::engine {

namespace math = vds::array::parity;

namespace {
constexpr std::uint64_t check_bytes = 256_KiB;  // of each member at a time
}

rt::task<status> parity::restore(std::size_t member, std::uint64_t offset, memory m, std::uint64_t bytes,
                                 bool from_redundancy) {
  const auto ordinal = ordinal_of(offset);
  if (readable(member, ordinal) && !from_redundancy) {
    auto own = co_await on_member(member, action::read, offset, bytes, m, list_of(m->span().first(bytes)),
                                  io::durability::cached);
    if (own.whole) co_return status();
  }
  auto bad = unreadable(ordinal);
  bad[member] = true;
  contents all(map_.members);
  // The same range of enough other members holds what it takes, row by row.
  for (;;) {
    member_set which(map_.members);
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < map_.members && chosen < map_.data(); ++i)
      if (!bad[i]) which[i] = true, ++chosen;
    if (chosen < map_.data()) break;
    const auto before = bad;
    auto s = co_await read_members(which, offset, bytes, all, bad);
    if (!s) co_return s;
    if (bad != before) continue;
    auto spare = make_memory(unit());
    for (std::uint64_t at = 0; at < bytes;) {
      const std::uint64_t row = (offset + at) / unit(), n = std::min(unit() - (offset + at) % unit(), bytes - at);
      math::columns columns;
      std::vector<std::size_t> lost;
      for (std::size_t c = 0; c < map_.members; ++c) {
        const auto i = map_.member_of(row, c);
        if (which[i]) {
          columns.push_back(all[i]->data() + at);
          continue;
        }
        lost.push_back(c);
        columns.push_back(i == member ? m->data() + at : spare->data());
      }
      math::reconstruct(columns, map_.data(), lost, n);
      at += n;
    }
    co_return status();
  }
  const std::uint64_t block = std::max<std::uint64_t>(lun_.record().block, 4096);
  if (worst_loss() > shape_.redundancy()) co_return too_many_lost();
  if (bytes <= block) {
    // A latent error where nothing is left to help: this block alone is lost, not the rebuild.
    co_return failure(errc::medium_error, fmt::format("too many members of LUN {} cannot be read", lun_.name()));
  }
  for (std::uint64_t at = 0; at < bytes; at += block) {
    const std::uint64_t n = std::min(block, bytes - at);
    auto one = make_memory(n);
    auto s = co_await restore(member, offset + at, one, n, from_redundancy);
    if (!s) co_return s;
    std::memcpy(m->data() + at, one->data(), n);
  }
  co_return status();
}

rt::task<status> parity::before_switch() {
  // Entries logged before name the old place's drive, or were put in place without the new one.
  co_await journal().retire_all();
  co_return status();
}

rt::task<status> parity::prepare_target(std::uint32_t slot) {
  co_return co_await lun_.owner().need_stripe_journal(slot);
}

rt::task<void> parity::settle() {
  co_await group::settle();
  co_await journal().retire_all();
}

void parity::shape_changed() {
  if (!marks_.empty()) lun_.owner().marks_appeared(lun_.shared_from_this());
}

// Scrubbing ----------------------------------------------------------------------------------------------------------

rt::task<result<check_report>> parity::verify_extent(std::uint32_t ordinal, bool repair) {
  check_report report;
  const std::uint64_t extent = extent_bytes(), start = ordinal * extent;
  const std::uint64_t step = std::min(extent, std::max(unit(), check_bytes));
  for (std::uint64_t at = start; at < start + extent; at += step) {
    if (lun_.closing()) co_return errc::closing;
    const auto held = co_await lock_.take(at, step);
    auto s = co_await check_rows(at, step, repair, report);
    if (!s) co_return std::move(s).error();
  }
  check_report once;
  once.add(report);
  co_return once;
}

rt::task<status> parity::check_rows(std::uint64_t offset, std::uint64_t bytes, bool repair, check_report& report) {
  const auto ordinal = ordinal_of(offset);
  const auto lost = unreadable(ordinal);
  auto bad = lost;
  contents all(map_.members);
  auto s = co_await read_members(member_set(map_.members, true), offset, bytes, all, bad);
  if (!s) co_return s;
  if (bad != lost && bytes > 4096) {
    // Which blocks: each may have enough members, and only what is bad is rewritten.
    for (std::size_t m = 0; m < map_.members; ++m)
      if (bad[m] && !lost[m]) report.suspects.push_back(place(m, ordinal).slot);
    for (std::uint64_t at = 0; at < bytes; at += 4096) {
      auto small = co_await check_rows(offset + at, 4096, repair, report);
      if (!small) co_return small;
    }
    co_return status();
  }
  std::vector<bool> rewrite(map_.members);
  for (std::size_t m = 0; m < map_.members; ++m) {
    if (lost[m]) continue;
    report.bytes += bytes;
    if (!bad[m]) continue;
    report.unreadable += bytes;
    report.suspects.push_back(place(m, ordinal).slot);
    rewrite[m] = true;
  }
  const auto missing = static_cast<std::size_t>(std::count(bad.begin(), bad.end(), true));
  if (missing > shape_.parity) {
    if (worst_loss() > shape_.redundancy()) co_return too_many_lost();
    co_return status();  // unreadable, and said so
  }
  for (std::size_t m = 0; m < map_.members; ++m)
    if (!all[m]) all[m] = make_memory(bytes);
  const std::size_t data = map_.data();
  const std::uint64_t block = 4096;
  auto expected = make_memory(shape_.parity * block);
  for (std::uint64_t at = 0; at < bytes; at += block) {
    const std::uint64_t row = (offset + at) / unit();
    math::columns columns, check;
    std::vector<std::size_t> unknown;
    for (std::size_t c = 0; c < map_.members; ++c) {
      const auto m = map_.member_of(row, c);
      if (bad[m]) unknown.push_back(c);
      columns.push_back(all[m]->data() + at);
    }
    if (!unknown.empty()) math::reconstruct(columns, data, unknown, block);
    if (unknown.size() == shape_.parity) continue;  // nothing left to compare with
    check.assign(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(data));
    for (unsigned p = 0; p < shape_.parity; ++p) check.push_back(expected->data() + p * block);
    math::encode(check, data, block);
    bool same = true;
    for (unsigned p = 0; p < shape_.parity; ++p) {
      math::add(check[data + p], columns[data + p], block);  // now the difference
      same = same && std::all_of(check[data + p], check[data + p] + block, [](auto b) { return b == std::byte{0}; });
    }
    if (same) continue;
    report.mismatched += block;
    // With two parities the one column that lies can be named; otherwise the data is believed.
    std::size_t liar = SIZE_MAX;
    if (shape_.parity == 2 && unknown.empty())
      liar = math::locate({check[data], block}, {check[data + 1], block}, data);
    if (liar != SIZE_MAX) {
      const auto m = map_.member_of(row, liar);
      report.suspects.push_back(place(m, ordinal).slot);
      const std::size_t list[] = {liar};
      math::reconstruct(columns, data, list, block);
      rewrite[m] = true;
      continue;
    }
    std::vector<std::size_t> parities;
    for (unsigned p = 0; p < shape_.parity; ++p) {
      parities.push_back(data + p);
      rewrite[map_.member_of(row, data + p)] = true;
    }
    math::reconstruct(columns, data, parities, block);
  }
  if (!repair) co_return status();
  // Through the journal, as any update: a crash in the middle must not leave a row between two contents.
  update u;
  for (std::size_t m = 0; m < map_.members; ++m) {
    if (!rewrite[m]) continue;
    u.keep->push_back(all[m]);
    u.add(m, offset, list_of(all[m]->span().first(bytes)));
    report.repaired += bytes;
  }
  if (u.pieces.empty()) co_return status();
  const std::uint64_t most = journal().max_piece_bytes();
  if (bytes <= most) co_return co_await commit(std::move(u));
  for (std::uint64_t at = 0; at < bytes; at += most) {
    update part;
    part.keep = u.keep;
    for (auto& p : u.pieces) part.add(p.member, p.offset + at, part_of(p.list, at, std::min(most, bytes - at)));
    auto committed = co_await commit(std::move(part));
    if (!committed) co_return committed;
  }
  co_return status();
}

// After a crash ------------------------------------------------------------------------------------------------------

// docs/design/array-parity.md has the proof of what is decided here.
rt::task<status> parity::replay(const std::vector<stripe_journal::found_piece>& entry) {
  const auto& first = entry[0].piece;
  const std::uint64_t members = first.members, limit = shape_.extents() * extent_bytes();
  std::uint64_t lo = UINT64_MAX, hi = 0;
  for (const auto& [slot, p] : entry) {
    // Of a LUN that was smaller since, or damaged with a right checksum.
    if (p.members != members || p.member >= map_.members || p.bytes == 0 || p.offset > limit ||
        p.bytes > limit - p.offset || ordinal_of(p.offset) != ordinal_of(p.offset + p.bytes - 1))
      co_return status();
    lo = std::min(lo, p.offset);
    hi = std::max(hi, p.offset + p.bytes);
  }
  const auto ordinal = ordinal_of(lo);
  if (ordinal_of(hi - 1) != ordinal) co_return status();
  bool complete = true, lost = false;
  std::vector<const stripe_journal::found_piece*> to_write;
  for (std::size_t m = 0; m < map_.members; ++m) {
    if (!readable(m, ordinal)) {
      lost = true;
      continue;
    }
    if ((members >> m & 1) == 0) continue;
    bool here = false;
    for (const auto& f : entry) {
      if (f.piece.member != m || f.slot != place(m, ordinal).slot) continue;
      to_write.push_back(&f);
      here = true;
    }
    complete = complete && here;
  }
  if (!complete) {
    if (lost) co_return status();
    // It never began in place, unless the journal rotted. With all members there nothing needs to be believed: the
    // data is what it is, and parity follows.
    check_report report;
    co_return co_await check_rows_after_crash(round_down(lo, 4096), round_up(hi, 4096), report);
  }
  std::vector<rt::task<outcome>> writes;
  for (const auto* f : to_write) {
    const auto& p = f->piece;
    if (p.zeros) {
      writes.push_back(on_member(p.member, action::zero, p.offset, p.bytes, nullptr, {}, io::durability::cached));
      continue;
    }
    auto m = make_memory(p.bytes);
    std::memcpy(m->data(), p.found.data(), p.bytes);
    writes.push_back(
        on_member(p.member, action::write, p.offset, p.bytes, m, list_of(m->span()), io::durability::cached));
  }
  auto outcomes = co_await rt::when_all(std::move(writes));
  std::vector<bad_drive> bad;
  for (auto& o : outcomes) bad.insert(bad.end(), o.bad.begin(), o.bad.end());
  co_return co_await lun_.record_losses(std::move(bad));
}

rt::task<status> parity::check_rows_after_crash(std::uint64_t lo, std::uint64_t hi, check_report& report) {
  auto bad = unreadable(ordinal_of(lo));
  contents all(map_.members);
  auto s = co_await read_members(member_set(map_.members, true), lo, hi - lo, all, bad);
  if (!s) co_return s;
  if (std::find(bad.begin(), bad.end(), true) != bad.end()) co_return status();
  std::vector<bad_drive> lost;
  for (std::uint64_t at = lo; at < hi; at += 4096) {
    const std::uint64_t row = at / unit();
    math::columns columns;
    for (std::size_t c = 0; c < map_.data(); ++c) columns.push_back(all[map_.member_of(row, c)]->data() + (at - lo));
    auto fresh = make_memory(shape_.parity * 4096);
    for (unsigned p = 0; p < shape_.parity; ++p) columns.push_back(fresh->data() + p * 4096);
    math::encode(columns, map_.data(), 4096);
    for (unsigned p = 0; p < shape_.parity; ++p) {
      const auto m = map_.member_of(row, map_.data() + p);
      if (std::memcmp(all[m]->data() + (at - lo), columns[map_.data() + p], 4096) == 0) continue;
      report.mismatched += 4096;
      auto done = co_await on_member(m, action::write, at, 4096, fresh, list_of({columns[map_.data() + p], 4096}),
                                     io::durability::cached);
      lost.insert(lost.end(), done.bad.begin(), done.bad.end());
    }
  }
  if (report.mismatched > 0)
    log::warn("LUN {}: {} bytes of rows did not fit their parity after a crash", lun_.name(), report.mismatched);
  co_return co_await lun_.record_losses(std::move(lost));
}

// Marks --------------------------------------------------------------------------------------------------------------

rt::task<status> parity::mark(std::uint32_t ordinal) {
  if (marks_.insert(ordinal).second && marks_.size() == 1) lun_.owner().marks_appeared(lun_.shared_from_this());
  std::vector<bad_drive> bad;
  for (std::size_t m = 0; m < map_.members; ++m) {
    const auto at = place(m, ordinal);
    const auto d = lun_.owner().find_drive(at.slot);
    if (!d || !d->usable() || (d->intent->test(at.extent) && d->intent->durable(at.extent))) continue;
    auto s = co_await d->intent->mark(at.extent);
    if (!s) bad.push_back({at.slot, std::move(s).error().in("marking what a lost member misses")});
  }
  if (bad.empty()) co_return status();
  co_return co_await lun_.record_losses(std::move(bad));
}

void parity::find_differences() {
  if (worst_loss() == 0) return;
  for (std::uint32_t o = 0, end = static_cast<std::uint32_t>(shape_.extents()); o < end; ++o) {
    bool set = false, lost = false;
    for (std::size_t m = 0; m < map_.members; ++m) {
      const auto at = place(m, o);
      const auto d = lun_.owner().find_drive(at.slot);
      lost = lost || !readable(m, o);
      set = set || (d && d->usable() && d->intent->test(at.extent));
    }
    if (set && lost) marks_.insert(o);
  }
}

rt::task<bool> parity::clear_idle(monotonic::time_point) {
  if (worst_loss() > 0) co_return false;
  drop_marks();
  co_return false;
}

void parity::drop_marks() { cut_off(0); }

void parity::cut_off(std::uint32_t ordinal) {
  const auto first = marks_.lower_bound(ordinal);
  for (auto it = first; it != marks_.end(); ++it) {
    for (std::size_t m = 0; m < map_.members; ++m) {
      const auto at = place(m, *it);
      const auto d = lun_.owner().find_drive(at.slot);
      if (d && d->usable()) d->intent->unset(at.extent);
    }
  }
  marks_.erase(first, marks_.end());
}

void parity::for_each_marked(const std::function<void(layout::extent_place)>& visit) const {
  for (const auto o : marks_)
    for (std::size_t m = 0; m < map_.members; ++m) visit(place(m, o));
}

}  // namespace vds::array::engine
