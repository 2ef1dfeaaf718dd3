#include "array/engine/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "array/engine/lun_device.h"
#include "base/log.h"

namespace vds::array::engine {
namespace {
constexpr std::uint64_t copy_bytes = 1_MiB;
}  // namespace

void check_report::add(const check_report& other) {
  bytes += other.bytes;
  mismatched += other.mismatched;
  unreadable += other.unreadable;
  repaired += other.repaired;
  for (const auto slot : other.suspects)
    if (std::find(suspects.begin(), suspects.end(), slot) == suspects.end()) suspects.push_back(slot);
}

std::vector<io::buffer> part_of(const std::vector<io::buffer>& list, std::uint64_t from, std::uint64_t bytes) {
  std::vector<io::buffer> out;
  for (const auto& b : list) {
    if (bytes == 0) break;
    if (from >= b.size()) {
      from -= b.size();
      continue;
    }
    const std::uint64_t n = std::min<std::uint64_t>(b.size() - from, bytes);
    out.push_back(b.subspan(from, n));
    from = 0;
    bytes -= n;
  }
  return out;
}

group::group(lun_device& lun, std::size_t index, layout::group_shape shape)
    : lun_(lun),
      index_(index),
      shape_(std::move(shape)),
      lock_(lun.executor()),
      use_(std::make_shared<use>(lun.executor())) {}
group::~group() = default;

std::uint64_t group::extent_bytes() const { return lun_.owner().extent_bytes(); }

void group::set_shape(layout::group_shape next) {
  if (next.extents() < shape_.extents()) cut_off(static_cast<std::uint32_t>(next.extents()));
  shape_ = std::move(next);
  std::erase_if(moving_, [this](const auto& m) {
    const auto& [member, ordinal] = m.first;
    return member >= shape_.members.size() || ordinal >= shape_.extents() || place(member, ordinal) == m.second;
  });
  shape_changed();
}

bool group::readable(std::size_t member, std::uint32_t ordinal) const {
  if (ordinal >= shape_.extents()) return false;
  const auto at = place(member, ordinal);
  const auto d = lun_.owner().find_drive(at.slot);
  return d && d->usable() && !d->stale.overlaps(at.extent, 1);
}

bool group::writable(std::size_t member, std::uint32_t ordinal) const {
  if (ordinal >= shape_.extents()) return false;
  const auto d = lun_.owner().find_drive(place(member, ordinal).slot);
  return d && d->usable();
}

bool group::works(std::size_t member) const {
  for (const auto& r : shape_.members[member]) {
    const auto d = lun_.owner().find_drive(r.slot);
    if (!d || !d->usable() || d->stale.overlaps(r.start, r.count)) return false;
  }
  return true;
}

bool group::all_writable(std::uint64_t offset, std::uint64_t bytes) const {
  const std::uint64_t extent = extent_bytes();
  for (std::size_t m = 0; m < shape_.members.size(); ++m)
    for (auto o = offset / extent; o <= (offset + bytes - 1) / extent; ++o)
      if (!writable(m, static_cast<std::uint32_t>(o))) return false;
  return true;
}

// Looks at each stretch of ordinals within which no member changes its run or its drive's opinion of it.
std::size_t group::worst_loss() const {
  bool any = false;
  for (std::size_t m = 0; m < shape_.members.size() && !any; ++m) any = !works(m);
  if (!any) return 0;
  std::map<std::uint64_t, std::ptrdiff_t> change;  // ordinal -> how many more members are lost from here on
  for (const auto& column : shape_.members) {
    std::uint64_t at = 0;
    for (const auto& r : column) {
      const auto d = lun_.owner().find_drive(r.slot);
      const auto lost = [&change](std::uint64_t from, std::uint64_t to) { ++change[from], --change[to]; };
      if (!d || !d->usable()) {
        lost(at, at + r.count);
      } else if (d->stale.overlaps(r.start, r.count)) {
        for (const auto& [start, count] : d->stale) {
          const std::uint64_t from = std::max(start, r.start), to = std::min(std::uint64_t{start} + count, r.end());
          if (from < to) lost(at + from - r.start, at + to - r.start);
        }
      }
      at += r.count;
    }
  }
  std::ptrdiff_t now = 0, worst = 0;
  for (const auto& [at, by] : change) worst = std::max(worst, now += by);
  return static_cast<std::size_t>(worst);
}

lun_health group::health() const {
  const std::size_t lost = worst_loss();
  if (lost > shape_.redundancy()) return lun_health::failed;
  if (lost > 0) return lun_health::degraded;
  return resyncing() ? lun_health::resyncing : lun_health::healthy;
}

unsigned group::tolerates() const {
  const std::size_t lost = worst_loss();
  return lost >= shape_.redundancy() ? 0 : static_cast<unsigned>(shape_.redundancy() - lost);
}

std::vector<std::uint32_t> group::slots() const {
  std::vector<std::uint32_t> out;
  const auto add = [&out](std::uint32_t slot) {
    if (std::find(out.begin(), out.end(), slot) == out.end()) out.push_back(slot);
  };
  for (const auto& column : shape_.members)
    for (const auto& r : column) add(r.slot);
  for (const auto& [what, to] : moving_) add(to.slot);
  return out;
}

rt::task<group::outcome> group::on_member(std::size_t member, action what, std::uint64_t offset, std::uint64_t bytes,
                                          std::shared_ptr<void> keep, std::vector<io::buffer> list, io::durability how,
                                          bool may_unmap) {
  const auto used = in_use();
  outcome out;
  // The record may have changed since the caller looked: a member less, or fewer extents.
  if (member >= shape_.members.size() || offset + bytes > shape_.extents() * extent_bytes()) {
    out.whole = false;
    out.bad.push_back({no_slot, failure(errc::out_of_range, "beyond the end of what the LUN has now")});
    co_return out;
  }
  std::vector<rt::task<status>> requests;
  struct target {
    std::uint32_t slot = 0;
    bool moving = false;
  };
  std::vector<target> targets;
  const auto ask = [&](const std::shared_ptr<drive>& d, std::uint64_t at, std::uint64_t n, std::vector<io::buffer> part,
                       bool moving) {
    targets.push_back({d->slot(), moving});
    switch (what) {
      case action::read:
        requests.push_back(d->read(at, keep, std::move(part)));
        break;
      case action::write:
        requests.push_back(d->write(at, keep, {part.begin(), part.end()}, how));
        break;
      case action::zero:
        requests.push_back(d->zero(at, n, may_unmap && lun_.owner().gives_back_space(d->slot()), how));
        break;
    }
  };
  const std::uint64_t extent = extent_bytes();
  for (const auto& piece :
       layout::map_column(shape_.members[member], static_cast<std::uint32_t>(extent), offset, bytes)) {
    const auto d = lun_.owner().find_drive(piece.slot);
    const auto last = static_cast<std::uint32_t>((piece.within + piece.bytes - 1) / extent);
    const bool stale = d && d->stale.overlaps(piece.extent, last + 1);
    if (!d || !d->usable() || stale) out.whole = false;
    if (!d || !d->usable() || (stale && what == action::read)) {
      if (what == action::read)
        out.bad.push_back({piece.slot, failure(errc::unavailable, "a drive is missing, or its content is old")});
      continue;
    }
    ask(d, d->superblock.extent_offset(piece.extent) + piece.within, piece.bytes, part_of(list, piece.at, piece.bytes),
        false);
  }
  if (what != action::read && !moving_.empty()) {
    const auto first = static_cast<std::uint32_t>(offset / extent);
    for (auto it = moving_.lower_bound({member, first}); it != moving_.end() && it->first.first == member; ++it) {
      const std::uint64_t start = it->first.second * extent;
      if (start >= offset + bytes) break;
      const std::uint64_t from = std::max(start, offset), to = std::min(start + extent, offset + bytes);
      const auto d = lun_.owner().find_drive(it->second.slot);
      if (!d || !d->usable() || place(member, it->first.second) == it->second) continue;
      ask(d, d->superblock.extent_offset(it->second.extent) + (from - start), to - from,
          part_of(list, from - offset, to - from), true);
    }
  }
  std::vector<status> results;
  if (requests.size() == 1)
    results.push_back(co_await std::move(requests[0]));
  else
    results = co_await rt::when_all(std::move(requests));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) continue;
    if (!targets[i].moving) out.whole = false;
    failure why = std::move(results[i]).error();
    // A place being moved to may be the record's at any moment: its drive must not be believed any more.
    if (targets[i].moving) why = failure(errc::unavailable, why.message());
    out.bad.push_back({targets[i].slot, std::move(why)});
  }
  if (!out.bad.empty()) out.whole = false;
  co_return out;
}

rt::task<status> group::flush() {
  const auto used = in_use();
  std::vector<rt::task<status>> requests;
  std::vector<std::uint32_t> asked;
  for (const auto slot : slots()) {
    const auto d = lun_.owner().find_drive(slot);
    if (!d || !d->usable()) continue;
    asked.push_back(slot);
    requests.push_back(d->flush());
  }
  auto results = co_await rt::when_all(std::move(requests));
  // A failed flush cannot be repeated: what it covered may be lost, whatever a second one says. So the drive is out.
  std::vector<bad_drive> bad;
  for (std::size_t i = 0; i < results.size(); ++i)
    if (!results[i]) bad.push_back({asked[i], std::move(results[i]).error()});
  const failure first = bad.empty() ? failure(errc::unavailable, "too many drives are lost") : bad[0].why;
  auto s = co_await lun_.record_losses(std::move(bad));
  if (worst_loss() > shape_.redundancy()) co_return failure(first).in("flushing LUN", lun_.name());
  co_return s;
}

rt::task<status> group::write_place(layout::extent_place to, std::uint64_t within, memory m, std::uint64_t bytes) {
  const auto d = lun_.owner().find_drive(to.slot);
  if (!d || !d->usable()) co_return failure(errc::unavailable, "the drive to be written is gone");
  std::vector<io::const_buffer> list = {m->span().first(bytes)};
  co_return co_await d->write(d->superblock.extent_offset(to.extent) + within, m, std::move(list),
                              io::durability::cached);
}

rt::task<status> group::rebuild_extent(std::size_t member, std::uint32_t ordinal, layout::extent_place to,
                                       bool from_redundancy) {
  if (auto s = co_await prepare_target(to.slot); !s) co_return s;
  const std::pair key{member, ordinal};
  moving_.insert_or_assign(key, to);
  const std::uint64_t extent = extent_bytes(), start = ordinal * extent;
  const bool in_place = place(member, ordinal) == to;
  status s;
  for (std::uint64_t at = 0; s && at < extent; at += copy_bytes) {
    if (lun_.closing()) {
      s = errc::closing;
      break;
    }
    const std::uint64_t n = std::min(copy_bytes, extent - at);
    const auto held = co_await lock_.take(start + at, n);
    auto m = make_memory(n);
    std::vector<std::uint64_t> lost;
    s = co_await restore_what_can_be(member, start + at, m, n, from_redundancy || in_place, lost);
    if (!s) break;
    if (!lost.empty() && !in_place && readable(member, ordinal)) {
      // Its drive works, and may be able to read it another day: it stays there.
      s = failure(errc::medium_error, fmt::format("no drive can read {} bytes at {} of a member",
                                                  lost.size() * unit_of_loss(), start + at + lost[0]));
      break;
    }
    s = co_await write_place(to, at, m, n);
    if (const auto d = lun_.owner().find_drive(to.slot); s && d) {
      for (const auto one : lost) {
        d->unreadable.add(std::uint64_t{to.extent} * extent + at + one, unit_of_loss());
        log::warn("LUN {}: no drive can read {} bytes at {} of member {}: they are lost until they are written",
                  lun_.name(), unit_of_loss(), start + at + one, member);
      }
    }
    // Its own place: a member that does not take a write is lost, as by anybody's.
    if (!s && in_place) (void)co_await lun_.owner().fail_drive(to.slot, s.error());
  }
  if (s) s = co_await before_switch();
  if (s) {
    const auto d = lun_.owner().find_drive(to.slot);
    s = failure(errc::unavailable, "the drive to be written is gone");
    if (d) s = co_await d->flush();
  }
  if (!s) stop_moving(member, ordinal);
  co_return s;
}

std::uint64_t group::unit_of_loss() const { return std::max<std::uint64_t>(lun_.record().block, 4096); }

rt::task<status> group::restore_what_can_be(std::size_t member, std::uint64_t offset, memory m, std::uint64_t bytes,
                                            bool from_redundancy, std::vector<std::uint64_t>& lost) {
  // The devices answered, and these blocks are bad: the others can be had.
  const auto of_blocks = [](const status& s) {
    return !s && (s.error() == errc::medium_error || s.error() == errc::io_error || s.error() == errc::bad_checksum);
  };
  auto s = co_await restore(member, offset, m, bytes, from_redundancy);
  if (!of_blocks(s)) co_return s;
  const std::uint64_t unit = unit_of_loss();
  for (std::uint64_t at = 0; at < bytes; at += unit) {
    auto one = make_memory(unit);
    s = co_await restore(member, offset + at, one, unit, from_redundancy);
    if (s) {
      std::memcpy(m->data() + at, one->data(), unit);
    } else if (of_blocks(s)) {
      std::memset(m->data() + at, 0, unit);
      lost.push_back(at);
    } else {
      co_return s;
    }
  }
  co_return status();
}

rt::task<void> group::settle() {
  auto old = std::exchange(use_, std::make_shared<use>(lun_.executor()));
  const auto ended = old->ended;
  old.reset();
  co_await *ended;
}

}  // namespace vds::array::engine
