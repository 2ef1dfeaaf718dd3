#include "array/engine/parity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "array/engine/lun_device.h"
#include "array/parity/codec.h"

namespace vds::array::engine {

namespace math = vds::array::parity;

namespace {

// One piece of memory, copied together if it is in several.
std::byte* flat(const std::vector<io::buffer>& list, std::uint64_t bytes, memory& copy) {
  if (list.size() == 1) return list[0].data();
  copy = make_memory(bytes);
  std::uint64_t at = 0;
  for (const auto& b : list) std::memcpy(copy->data() + at, b.data(), b.size()), at += b.size();
  return copy->data();
}
struct next_turn {
  rt::executor& executor;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) const {
    executor.post([h] { h.resume(); });
  }
  void await_resume() const noexcept {}
};

}  // namespace

parity::parity(lun_device& lun, std::size_t index, layout::group_shape shape)
    : group(lun, index, std::move(shape)), map_{shape_.members.size(), shape_.parity} {}

stripe_journal& parity::journal() const { return lun_.owner().stripes(); }

parity::member_set parity::unreadable(std::uint32_t ordinal) const {
  member_set out(map_.members);
  for (std::size_t m = 0; m < map_.members; ++m) out[m] = !readable(m, ordinal);
  return out;
}

bool parity::takes_writes(std::size_t member, std::uint32_t ordinal) const {
  if (writable(member, ordinal)) return true;
  const auto to = moving_to(member, ordinal);
  if (!to) return false;
  const auto d = lun_.owner().find_drive(to->slot);
  return d && d->usable();
}

failure parity::too_many_lost() const {
  return failure(errc::unavailable, fmt::format("LUN {} has failed", lun_.name()));
}

void parity::update::add(std::size_t member, std::uint64_t offset, std::vector<io::buffer> list) {
  const std::uint64_t bytes = io::total_size(list);
  for (auto& p : pieces) {
    if (p.member != member || p.offset + p.bytes != offset) continue;
    p.bytes += bytes;
    p.list.insert(p.list.end(), list.begin(), list.end());
    return;
  }
  pieces.push_back({member, offset, bytes, std::move(list)});
}

memory parity::update::allocate(std::uint64_t bytes) {
  auto m = make_memory(bytes);
  keep->push_back(m);
  return m;
}

rt::task<status> parity::modify(action what, std::uint64_t offset, std::uint64_t bytes, memory m,
                                std::vector<io::buffer> list, io::durability, bool) {
  // Any write is durable once the journal has it, so FUA needs nothing more. Zeros are written, not unmapped.
  std::vector<rt::task<status>> writes;
  const std::uint64_t most_rows = std::max<std::uint64_t>(1, journal().max_piece_bytes() / unit());
  const std::uint64_t rows_per_extent = extent_bytes() / unit();
  for (std::uint64_t at = 0; at < bytes;) {
    const std::uint64_t row = (offset + at) / row_bytes(), within = (offset + at) % row_bytes();
    std::uint64_t n = 0;
    if (within == 0 && bytes - at >= row_bytes()) {
      const std::uint64_t count =
          std::min({(bytes - at) / row_bytes(), most_rows, rows_per_extent - row % rows_per_extent});
      n = count * row_bytes();
      writes.push_back(write_rows(row, count, 0, unit(), m, part_of(list, at, n), what == action::zero));
    } else {
      n = std::min(row_bytes() - within, bytes - at);
      if (what == action::zero) {
        auto zeros = make_memory(io::aligned_buffer::zeroed(n));
        writes.push_back(write_part(row, within, n, zeros, list_of(zeros->span())));
      } else {
        writes.push_back(write_part(row, within, n, m, part_of(list, at, n)));
      }
    }
    at += n;
  }
  if (writes.size() == 1) co_return co_await std::move(writes[0]);
  for (auto& s : co_await rt::when_all(std::move(writes)))
    if (!s) co_return std::move(s);
  co_return status();
}

// Whole rows: nothing is read. Rows too large for the journal go piece by piece: each range of a row has its parity.
rt::task<status> parity::write_rows(std::uint64_t row, std::uint64_t count, std::uint64_t lo, std::uint64_t hi,
                                    memory m, std::vector<io::buffer> list, bool zeros) {
  if (const std::uint64_t most = journal().max_piece_bytes(); hi - lo > most) {
    for (std::uint64_t at = lo; at < hi; at += most) {
      auto s = co_await write_rows(row, 1, at, std::min(hi, at + most), m, list, zeros);
      if (!s) co_return s;
    }
    co_return status();
  }
  const auto held = co_await lock_.take(row * unit() + lo, (count - 1) * unit() + (hi - lo));
  update u;
  u.keep->push_back(m);
  const std::uint64_t length = hi - lo;
  if (zeros) {
    for (std::size_t member = 0; member < map_.members; ++member)
      u.pieces.push_back({member, row * unit() + lo, (count - 1) * unit() + length, {}});
    co_return co_await commit(std::move(u));
  }
  const std::size_t data = map_.data();
  auto room = u.allocate(count * shape_.parity * length);
  for (std::uint64_t r = 0; r < count; ++r) {
    math::columns columns;
    const std::uint64_t place = (row + r) * unit() + lo;
    for (std::size_t c = 0; c < data; ++c) {
      auto fresh = part_of(list, r * row_bytes() + c * unit() + lo, length);
      memory copy;
      columns.push_back(flat(fresh, length, copy));
      if (copy) u.keep->push_back(copy);
      u.add(map_.member_of(row + r, c), place, list_of({columns.back(), length}));
    }
    for (unsigned p = 0; p < shape_.parity; ++p) {
      columns.push_back(room->data() + (r * shape_.parity + p) * length);
      u.add(map_.member_of(row + r, data + p), place, list_of({columns.back(), length}));
    }
    math::encode(columns, data, length);
    ++count_.full_rows;
  }
  co_return co_await commit(std::move(u));
}

rt::task<status> parity::write_part(std::uint64_t row, std::uint64_t from, std::uint64_t bytes, memory m,
                                    std::vector<io::buffer> list) {
  auto w = std::make_shared<waiting_write>();
  w->from = from;
  w->bytes = bytes;
  w->m = std::move(m);
  w->list = std::move(list);
  const auto [it, first] = rows_.try_emplace(row);
  it->second.push_back(w);
  if (first) rt::start(run_row(lun_.shared_from_this(), this, row));
  struct awaiter {
    waiting_write& w;
    bool await_ready() const noexcept { return w.answer.has_value(); }
    void await_suspend(std::coroutine_handle<> h) const noexcept { w.waiter = h; }
    void await_resume() const noexcept {}
  };
  co_await awaiter{*w};
  co_return std::move(*w->answer);
}

rt::task<void> parity::run_row(std::shared_ptr<lun_device> keep, parity* self, std::uint64_t row) {
  // What else arrives in this turn may fill the row.
  co_await next_turn{keep->executor()};
  while (!self->rows_.at(row).empty()) {
    const auto held = co_await self->lock_.take(row * self->unit(), self->unit());
    auto& queue = self->rows_.at(row);
    // In order of arrival, up to the first that overlaps another.
    std::vector<std::shared_ptr<waiting_write>> batch;
    while (!queue.empty()) {
      const auto& next = queue.front();
      const bool overlaps = std::any_of(batch.begin(), batch.end(), [&next](const auto& w) {
        return w->from < next->from + next->bytes && next->from < w->from + w->bytes;
      });
      if (overlaps) break;
      batch.push_back(next);
      queue.pop_front();
    }
    const status s = co_await self->update_row(row, batch);
    for (const auto& w : batch) {
      w->answer = s;
      if (auto h = std::exchange(w->waiter, {})) keep->executor().post([h] { h.resume(); });
    }
  }
  self->rows_.erase(row);
}

std::vector<parity::segment> parity::segments_of(const std::vector<std::shared_ptr<waiting_write>>& batch) const {
  struct change {
    std::size_t column = 0;
    std::uint64_t lo = 0, hi = 0;
    std::vector<io::buffer> list;
  };
  std::vector<change> changes;
  std::set<std::uint64_t> borders;
  for (const auto& w : batch) {
    for (std::uint64_t at = 0; at < w->bytes;) {
      const std::uint64_t pos = w->from + at, lo = pos % unit(), n = std::min(unit() - lo, w->bytes - at);
      changes.push_back({static_cast<std::size_t>(pos / unit()), lo, lo + n, part_of(w->list, at, n)});
      borders.insert({lo, lo + n});
      at += n;
    }
  }
  const std::uint64_t most = journal().max_piece_bytes();
  for (std::uint64_t at = most; at < unit(); at += most) borders.insert(at);
  std::vector<segment> out;
  for (auto it = borders.begin(); it != borders.end() && std::next(it) != borders.end(); ++it) {
    segment s{*it, *std::next(it), {}};
    for (const auto& c : changes) {
      if (c.lo > s.lo || c.hi < s.hi) continue;
      auto& fresh = s.fresh[c.column];
      const auto part = part_of(c.list, s.lo - c.lo, s.hi - s.lo);
      fresh.insert(fresh.end(), part.begin(), part.end());
    }
    if (!s.fresh.empty()) out.push_back(std::move(s));
  }
  return out;
}

rt::task<status> parity::update_row(std::uint64_t row, std::vector<std::shared_ptr<waiting_write>> batch) {
  auto segments = segments_of(batch);
  const std::uint64_t most = journal().max_piece_bytes();
  for (std::size_t i = 0; i < segments.size();) {
    update u;
    for (const auto& w : batch) u.keep->push_back(w->m);
    // As many as fit into one entry: as a rule all.
    const std::uint64_t window = segments[i].lo / most;
    std::size_t end = i;
    while (end < segments.size() && segments[end].lo / most == window) ++end;
    std::vector<rt::task<status>> work;
    for (; i < end; ++i) work.push_back(compute(row, segments[i], u));
    for (auto& s : co_await rt::when_all(std::move(work)))
      if (!s) co_return std::move(s).error().in("writing LUN", lun_.name());
    auto s = co_await commit(std::move(u));
    if (!s) co_return s;
  }
  co_return status();
}

// New parity for one segment, by whichever way reads less.
rt::task<status> parity::compute(std::uint64_t row, segment& s, update& u) {
  const std::size_t data = map_.data();
  const std::uint64_t length = s.hi - s.lo, offset = row * unit() + s.lo;
  const auto ordinal = ordinal_of(offset);
  std::vector<std::byte*> fresh(data);
  for (auto& [c, list] : s.fresh) {
    memory copy;
    fresh[c] = flat(list, length, copy);
    if (copy) u.keep->push_back(copy);
  }
  std::vector<std::size_t> wanted;  // parity columns that somebody keeps
  for (std::size_t c = data; c < map_.members; ++c)
    if (takes_writes(map_.member_of(row, c), ordinal)) wanted.push_back(c);
  auto bad = unreadable(ordinal);
  const auto before = bad;
  math::columns columns(map_.members);
  contents old(map_.members);
  for (;;) {
    member_set changed(map_.members), others(map_.members);
    bool can_modify = true, can_reconstruct = true;
    for (std::size_t c = 0; c < data; ++c) {
      const auto m = map_.member_of(row, c);
      (fresh[c] != nullptr ? changed : others)[m] = true;
      if (bad[m]) (fresh[c] != nullptr ? can_modify : can_reconstruct) = false;
    }
    for (const auto c : wanted) {
      changed[map_.member_of(row, c)] = true;
      if (bad[map_.member_of(row, c)]) can_modify = false;
    }
    if (wanted.empty()) break;  // only data is left
    const std::size_t to_modify = s.fresh.size() + wanted.size(), to_reconstruct = data - s.fresh.size();
    const auto known = bad;
    if (can_reconstruct && (to_reconstruct <= to_modify || !can_modify)) {
      auto r = co_await read_members(others, offset, length, old, bad);
      if (!r) co_return r;
      if (bad != known) continue;
      for (std::size_t c = 0; c < data; ++c)
        columns[c] = fresh[c] != nullptr ? fresh[c] : old[map_.member_of(row, c)]->data();
      for (const auto c : wanted) columns[c] = u.allocate(length)->data();
      math::encode(columns, data, length);
      ++(to_reconstruct == 0 ? count_.full_rows : count_.reconstruct_writes);
      break;
    }
    if (can_modify) {
      auto r = co_await read_members(changed, offset, length, old, bad);
      if (!r) co_return r;
      if (bad != known) continue;
      for (const auto c : wanted) {
        auto& m = old[map_.member_of(row, c)];
        u.keep->push_back(m);
        columns[c] = m->data();
      }
      for (const auto& [c, list] : s.fresh) {
        std::byte* difference = old[map_.member_of(row, c)]->data();
        math::add(difference, fresh[c], length);
        math::update(columns[data], map_.parity > 1 ? columns[data + 1] : nullptr, c, difference, length);
      }
      ++count_.modify_writes;
      break;
    }
    // Something that neither way can read: all that is there, and the rest from it.
    auto all = co_await load_row(row, s.lo, length, bad, false);
    if (!all) co_return std::move(all).error();
    for (std::size_t c = 0; c < data; ++c) {
      const auto m = map_.member_of(row, c);
      columns[c] = fresh[c] != nullptr ? fresh[c] : (*all)[m]->data();
      if (fresh[c] != nullptr) continue;
      u.keep->push_back((*all)[m]);
      // Unreadable blocks of a drive that works are rewritten on the occasion.
      if (bad[m] && !before[m]) u.add(m, offset, list_of({columns[c], length})), count_.repaired_bytes += length;
    }
    for (const auto c : wanted) columns[c] = u.allocate(length)->data();
    math::encode(columns, data, length);
    ++count_.degraded_writes;
    break;
  }
  for (const auto& [c, list] : s.fresh) u.add(map_.member_of(row, c), offset, list_of({fresh[c], length}));
  for (const auto c : wanted) u.add(map_.member_of(row, c), offset, list_of({columns[c], length}));
  co_return status();
}

// Logged, then in place. The range is locked.
rt::task<status> parity::commit(update u) {
  const auto ordinal = ordinal_of(u.pieces[0].offset);
  std::uint64_t bits = 0;
  std::vector<stripe_journal::piece> to_log;
  const auto lost = [&] {
    std::size_t n = 0;
    for (std::size_t m = 0; m < map_.members; ++m) n += readable(m, ordinal) ? 0 : 1;
    return n;
  };
  if (lost() > 0) {
    // Whoever does not take its part must not be believed after a crash.
    auto s = co_await lun_.record_losses({});
    if (s) s = co_await mark(ordinal);
    if (!s) co_return s;
  }
  if (lost() > shape_.redundancy()) co_return too_many_lost();
  for (const auto& p : u.pieces) {
    const auto log_at = [&](std::uint32_t slot) {
      const auto d = lun_.owner().find_drive(slot);
      if (!d || !d->usable()) return;
      bits |= std::uint64_t{1} << p.member;
      to_log.push_back({slot, static_cast<std::uint8_t>(p.member), p.offset, p.bytes, p.list});
    };
    log_at(place(p.member, ordinal).slot);
    if (const auto to = moving_to(p.member, ordinal); to && to->slot != place(p.member, ordinal).slot) log_at(to->slot);
  }
  auto logged = co_await journal().log(lun_.record().id, index_, bits, std::move(to_log), u.keep);
  if (!logged.bad.empty()) {
    auto s = co_await lun_.record_losses(std::move(logged.bad));
    if (s && lost() > shape_.redundancy()) s = too_many_lost();
    if (!s) {
      journal().done(logged.entry);  // never began
      co_return s;
    }
  }
  std::vector<rt::task<outcome>> writes;
  for (const auto& p : u.pieces)
    writes.push_back(on_member(p.member, p.list.empty() ? action::zero : action::write, p.offset, p.bytes, u.keep,
                               p.list, io::durability::cached));
  auto outcomes = co_await rt::when_all(std::move(writes));
  std::vector<bad_drive> bad;
  bool whole = true;
  for (auto& o : outcomes) {
    whole = whole && o.whole;
    bad.insert(bad.end(), o.bad.begin(), o.bad.end());
  }
  if (!whole) {
    auto s = co_await lun_.record_losses(std::move(bad));
    if (!s) {
      journal().give_up();
      co_return s;
    }
  }
  journal().done(logged.entry);
  if (!whole && lost() > shape_.redundancy()) co_return too_many_lost();
  co_return status();
}

// Everything that was answered is in the journal, or flushed in place.
rt::task<status> parity::flush() {
  if (worst_loss() > shape_.redundancy()) co_return too_many_lost();
  co_return status();
}

}  // namespace vds::array::engine
