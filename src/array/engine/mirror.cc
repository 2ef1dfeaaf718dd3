#include "array/engine/mirror.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "array/engine/intents.h"
#include "array/engine/lun_device.h"
#include "base/log.h"

namespace vds::array::engine {
namespace {
constexpr std::uint64_t copy_bytes = 1_MiB;
constexpr std::size_t resync_batch = 16;  // regions between flushes; repeated at most by a crash

// The device answered, and some blocks are bad: no reason to give up all the others.
bool of_blocks(const failure& why) {
  return why == errc::io_error || why == errc::medium_error || why == errc::bad_checksum;
}
std::vector<io::buffer> whole(const memory& m, std::uint64_t bytes) { return {m->span().first(bytes)}; }
}  // namespace

std::uint32_t mirror::first_region(std::uint64_t offset) const {
  return static_cast<std::uint32_t>(offset / extent_bytes());
}
std::uint32_t mirror::last_region(std::uint64_t offset, std::uint64_t bytes) const {
  return static_cast<std::uint32_t>((offset + bytes - 1) / extent_bytes());
}

bool mirror::readable_at(std::size_t member, std::uint64_t offset, std::uint64_t bytes) const {
  for (auto r = first_region(offset); r <= last_region(offset, bytes); ++r)
    if (!readable(member, r)) return false;
  return true;
}

std::vector<std::size_t> mirror::readers(std::uint64_t offset, std::uint64_t bytes) const {
  std::vector<std::size_t> out;
  for (std::size_t m = 0; m < shape_.members.size(); ++m)
    if (readable_at(m, offset, bytes)) out.push_back(m);
  return out;
}

rt::task<status> mirror::enter(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t r = first; r <= last; ++r) marks_[r].writers += 1;
  if (!std::exchange(swept_, true)) lun_.owner().marks_appeared(lun_.shared_from_this());
  std::vector<bad_drive> bad;
  for (std::size_t m = 0; m < shape_.members.size(); ++m) {
    for (std::uint32_t r = first; r <= last; ++r) {
      const auto at = place(m, r);
      const auto d = lun_.owner().find_drive(at.slot);
      if (!d || !d->usable()) continue;
      if (d->intent->test(at.extent) && d->intent->durable(at.extent)) continue;
      auto s = co_await d->intent->mark(at.extent);
      if (!s) bad.push_back({at.slot, std::move(s).error().in("marking a region as being written")});
    }
  }
  for (auto& b : bad) {
    auto s = co_await lun_.owner().fail_drive(b.slot, std::move(b.why));
    if (!s) co_return s;
  }
  co_return status();
}

void mirror::leave(std::uint32_t first, std::uint32_t last) {
  const auto now = lun_.executor().now();
  for (std::uint32_t r = first; r <= last; ++r) {
    auto& m = marks_.at(r);
    m.writers -= 1;
    m.last = now;
  }
}

rt::task<status> mirror::modify(action what, std::uint64_t offset, std::uint64_t bytes, memory m,
                                std::vector<io::buffer> list, io::durability how, bool may_unmap) {
  if (bytes == 0) co_return status();
  const auto held = co_await lock_.take(offset, bytes);
  if (shape_.members.size() == 1) {
    auto done = co_await on_member(0, what, offset, bytes, m, std::move(list), how, may_unmap);
    if (done.whole) co_return status();
    if (done.bad.empty()) co_return failure(errc::unavailable, fmt::format("LUN {} has failed", lun_.name()));
    // The only copy: a block that cannot be written is the initiator's to know, and no reason to give up the others.
    const failure why = done.bad[0].why;
    std::erase_if(done.bad, [](const bad_drive& b) { return of_blocks(b.why); });
    (void)co_await lun_.record_losses(std::move(done.bad));
    co_return failure(why).in("writing LUN", lun_.name());
  }
  // Where members are lost in one place and not in another, each place is looked at by itself.
  const std::uint64_t step = all_writable(offset, bytes) ? bytes : extent_bytes();
  for (std::uint64_t at = 0; at < bytes;) {
    const std::uint64_t n = std::min(bytes - at, step == bytes ? bytes : step - (offset + at) % step);
    auto s = co_await modify_range(what, offset + at, n, m, part_of(list, at, n), how, may_unmap);
    if (!s) co_return s;
    at += n;
  }
  co_return status();
}

rt::task<status> mirror::modify_range(action what, std::uint64_t offset, std::uint64_t bytes, memory m,
                                      std::vector<io::buffer> list, io::durability how, bool may_unmap) {
  const auto first = first_region(offset), last = last_region(offset, bytes);
  auto entered = co_await enter(first, last);
  if (!entered) {
    leave(first, last);
    co_return entered;
  }
  std::vector<rt::task<outcome>> writes;
  for (std::size_t p = 0; p < shape_.members.size(); ++p)
    writes.push_back(on_member(p, what, offset, bytes, m, list, how, may_unmap));
  auto outcomes = co_await rt::when_all(std::move(writes));
  std::vector<bad_drive> bad;
  std::size_t good = 0, lost = 0;
  for (auto& o : outcomes) {
    if (o.whole) ++good;
    if (!o.whole && o.bad.empty()) ++lost;
    bad.insert(bad.end(), o.bad.begin(), o.bad.end());
  }
  if (good > 0) {
    status s;
    if (lost > 0 || !bad.empty()) s = co_await lun_.record_losses(std::move(bad));
    leave(first, last);
    co_return s;
  }
  if (bad.empty()) {
    leave(first, last);
    co_return failure(errc::unavailable, fmt::format("LUN {} has failed", lun_.name()));
  }
  // No member took it. Drives that still answer keep their place; but now the members may differ here.
  const failure why = bad[0].why;
  std::erase_if(bad, [](const bad_drive& b) { return of_blocks(b.why); });
  for (auto& b : bad)
    if (b.slot != no_slot) (void)co_await lun_.owner().fail_drive(b.slot, std::move(b.why));
  for (std::uint32_t r = first; r <= last; ++r) pending_.add(r, 1);
  resync_total_ = std::max(resync_total_, pending_.size());
  leave(first, last);
  lun_.refresh_health();
  lun_.owner().needs_resync(lun_.shared_from_this());
  co_return failure(why).in("writing LUN", lun_.name());
}

std::vector<std::size_t> mirror::read_order(std::uint64_t offset, std::uint64_t bytes) const {
  auto members = readers(offset, bytes);
  const auto first = first_region(offset), last = last_region(offset, bytes);
  if (members.size() < 2 || pending_.overlaps(first, last - first + 1)) return members;
  std::vector<std::size_t> load(shape_.members.size());
  for (const auto m : members)
    for (const auto& r : shape_.members[m]) load[m] += lun_.owner().find_drive(r.slot)->busy();
  // The least busy; among equals by region, so that sequential reads stay on one drive.
  const std::size_t turn = first % members.size();
  std::rotate(members.begin(), members.begin() + static_cast<std::ptrdiff_t>(turn), members.end());
  std::stable_sort(members.begin(), members.end(), [&load](auto a, auto b) { return load[a] < load[b]; });
  return members;
}

rt::task<status> mirror::read(std::uint64_t offset, memory m, std::vector<io::buffer> list) {
  const std::uint64_t bytes = io::total_size(list);
  const std::uint64_t unit = std::max<std::uint64_t>(lun_.record().block, 4096);
  std::vector<std::size_t> unreadable;
  failure why(errc::unavailable, fmt::format("LUN {} has failed", lun_.name()));
  const auto order = read_order(offset, bytes);
  for (const auto p : order) {
    if (p >= shape_.members.size() || !readable_at(p, offset, bytes)) continue;
    auto done = co_await on_member(p, action::read, offset, bytes, m, list, io::durability::cached);
    if (done.whole) {
      if (!unreadable.empty()) co_await repair(std::move(unreadable), p, offset, bytes);
      co_return status();
    }
    why = done.bad[0].why;
    bool lost = false;
    for (auto& b : done.bad) {
      if (of_blocks(b.why) || b.slot == no_slot) continue;
      if (shape_.members.size() == 1 && b.why != errc::timed_out) continue;
      lost = true;
      auto s = co_await lun_.owner().fail_drive(b.slot, std::move(b.why));
      if (!s && shape_.members.size() > 1) co_return s;
    }
    if (!lost) unreadable.push_back(p);
  }
  // Each member may have a bad block, and yet each block a good member: look at smaller pieces.
  if (shape_.members.size() > 1 && bytes > unit && (unreadable.size() > 1 || order.empty())) {
    const std::uint64_t half = round_up(bytes / 2, unit);
    auto s = co_await read(offset, m, part_of(list, 0, half));
    if (s && half < bytes) s = co_await read(offset + half, m, part_of(list, half, bytes - half));
    co_return s;
  }
  if (!unreadable.empty() && shape_.members.size() > 1)
    co_return failure(errc::medium_error).in("reading LUN", lun_.name());
  co_return std::move(why).in("reading LUN", lun_.name());
}

// A drive that cannot read a block usually can write it anew.
rt::task<void> mirror::repair(std::vector<std::size_t> members, std::size_t good, std::uint64_t offset,
                              std::uint64_t bytes) {
  const auto held = co_await lock_.take(offset, bytes);
  auto m = make_memory(bytes);
  const auto source = co_await on_member(good, action::read, offset, bytes, m, whole(m, bytes), io::durability::cached);
  if (!source.whole) co_return;
  for (const auto p : members) {
    if (p >= shape_.members.size() || !readable_at(p, offset, bytes)) continue;
    log::warn("LUN {}: rewriting {} unreadable bytes at {} of plex {}", lun_.name(), bytes, offset, p);
    auto done = co_await on_member(p, action::write, offset, bytes, m, whole(m, bytes), io::durability::cached);
    for (auto& b : done.bad)
      if (b.slot != no_slot) (void)co_await lun_.owner().fail_drive(b.slot, std::move(b.why));
  }
}

rt::task<status> mirror::restore(std::size_t member, std::uint64_t offset, memory m, std::uint64_t bytes,
                                 bool from_redundancy) {
  std::vector<std::size_t> sources;
  const auto members = readers(offset, bytes);
  const bool own = std::find(members.begin(), members.end(), member) != members.end();
  // While they may differ, everybody believes the first.
  const bool differ = pending_.overlaps(first_region(offset), last_region(offset, bytes) - first_region(offset) + 1);
  if (own && !from_redundancy && !differ) sources.push_back(member);
  for (const auto other : members)
    if (other != member || (differ && !from_redundancy)) sources.push_back(other);
  if (own && from_redundancy) sources.push_back(member);
  failure why(errc::unavailable, "no other copy is left");
  for (const auto from : sources) {
    auto done = co_await on_member(from, action::read, offset, bytes, m, whole(m, bytes), io::durability::cached);
    if (done.whole) co_return status();
    why = done.bad[0].why;
  }
  const std::uint64_t unit = std::max<std::uint64_t>(lun_.record().block, 4096);
  if (!sources.empty() && bytes > unit) {  // block by block: each may be readable somewhere
    for (std::uint64_t at = 0; at < bytes; at += unit) {
      auto one = make_memory(unit);
      auto s = co_await restore(member, offset + at, one, unit, from_redundancy);
      if (!s) co_return s;
      std::memcpy(m->data() + at, one->data(), unit);
    }
    co_return status();
  }
  co_return why;
}

rt::task<result<check_report>> mirror::verify_extent(std::uint32_t ordinal, bool repair) {
  check_report report;
  const std::uint64_t extent = extent_bytes(), start = ordinal * extent;
  for (std::uint64_t at = start; at < start + extent; at += copy_bytes) {
    if (lun_.closing()) co_return errc::closing;
    const std::uint64_t n = std::min(copy_bytes, start + extent - at);
    const auto held = co_await lock_.take(at, n);
    auto s = co_await verify_copies(at, n, repair, report);
    if (!s) co_return std::move(s).error();
  }
  check_report once;  // each suspect once
  once.add(report);
  co_return once;
}

rt::task<status> mirror::verify_copies(std::uint64_t at, std::uint64_t n, bool repair, check_report& report) {
  const auto ordinal = first_region(at);
  const auto members = readers(at, n);
  if (members.empty()) co_return failure(errc::unavailable, fmt::format("LUN {} has failed", lun_.name()));
  check_report here;
  std::vector<memory> content;
  std::vector<std::size_t> good, bad;
  for (const auto p : members) {
    auto m = make_memory(n);
    auto done = co_await on_member(p, action::read, at, n, m, whole(m, n), io::durability::cached);
    here.bytes += n;
    if (done.whole) {
      good.push_back(p);
      content.push_back(std::move(m));
      continue;
    }
    bad.push_back(p);
    here.unreadable += n;
    here.suspects.push_back(done.bad[0].slot);
  }
  if (!bad.empty() && n > 4096) {  // which blocks: each may be readable somewhere, and only what is bad is rewritten
    report.suspects.insert(report.suspects.end(), here.suspects.begin(), here.suspects.end());
    for (std::uint64_t block = at; block < at + n; block += 4096) {
      auto s = co_await verify_copies(block, 4096, repair, report);
      if (!s) co_return s;
    }
    co_return status();
  }
  report.add(here);
  if (good.empty()) co_return status();
  // The copy that most agree with, the first one among equals, is right.
  std::size_t right = 0, most = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::size_t agree = 0;
    for (const auto& other : content) agree += std::memcmp(other->data(), content[i]->data(), n) == 0 ? 1 : 0;
    if (agree > most) most = agree, right = i;
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    bool differs = false;
    for (std::uint64_t b = 0; b < n; b += 4096) {
      if (std::memcmp(content[i]->data() + b, content[right]->data() + b, 4096) == 0) continue;
      report.mismatched += 4096;
      differs = true;
    }
    if (!differs) continue;
    bad.push_back(good[i]);
    if (most > 1) report.suspects.push_back(place(good[i], ordinal).slot);
  }
  if (!repair) co_return status();
  for (const auto p : bad) {
    auto done =
        co_await on_member(p, action::write, at, n, content[right], whole(content[right], n), io::durability::cached);
    if (done.whole) report.repaired += n;
    auto s = co_await lun_.record_losses(std::move(done.bad));
    if (!s) co_return s;
  }
  co_return status();
}

void mirror::find_differences() {
  if (shape_.members.size() < 2) return;
  const auto now = lun_.executor().now();
  for (std::uint32_t r = 0, end = static_cast<std::uint32_t>(shape_.extents()); r < end; ++r) {
    bool set = false;
    std::size_t working = 0;
    for (std::size_t p = 0; p < shape_.members.size(); ++p) {
      if (!readable(p, r)) continue;
      ++working;
      const auto at = place(p, r);
      set = set || lun_.owner().find_drive(at.slot)->intent->test(at.extent);
    }
    if (!set) continue;
    marks_[r].last = now;
    if (working > 1) pending_.add(r, 1);
  }
  resync_total_ = pending_.size();
  if (!pending_.empty()) lun_.owner().needs_resync(lun_.shared_from_this());
  if (!marks_.empty()) lun_.owner().marks_appeared(lun_.shared_from_this());
}

// One region, from the first member that can be read there to all others. True: they are equal now.
rt::task<bool> mirror::equalise(std::uint32_t region) {
  const std::uint64_t extent = extent_bytes();
  const std::uint64_t start = region * extent, end = start + extent;
  for (std::uint64_t at = start; at < end; at += copy_bytes) {
    const std::uint64_t n = std::min(copy_bytes, end - at);
    const auto held = co_await lock_.take(at, n);
    const auto members = readers(at, n);
    if (members.size() < 2) co_return !members.empty();  // nothing left to differ from
    std::size_t source = members.size();
    auto good = make_memory(n);
    for (std::size_t i = 0; i < members.size() && source == members.size(); ++i) {
      auto done = co_await on_member(members[i], action::read, at, n, good, whole(good, n), io::durability::cached);
      if (done.whole) source = i;
    }
    if (source == members.size()) co_return false;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i == source) continue;
      auto other = make_memory(n);
      auto done = co_await on_member(members[i], action::read, at, n, other, whole(other, n), io::durability::cached);
      if (done.whole && std::memcmp(other->data(), good->data(), n) == 0) continue;
      done = co_await on_member(members[i], action::write, at, n, good, whole(good, n), io::durability::cached);
      for (auto& b : done.bad)
        if (b.slot != no_slot) (void)co_await lun_.owner().fail_drive(b.slot, std::move(b.why));
      if (!done.bad.empty()) co_return false;
    }
  }
  co_return true;
}

rt::task<bool> mirror::flush_working() {
  bool good = true;
  for (const auto slot : slots()) {
    const auto d = lun_.owner().find_drive(slot);
    if (!d || !d->usable()) continue;
    auto s = co_await d->flush();
    if (s) continue;
    good = false;
    (void)co_await lun_.owner().fail_drive(slot, std::move(s).error());
  }
  co_return good;
}

rt::task<bool> mirror::resync_some() {
  std::vector<std::uint32_t> todo;
  for (const auto& [start, count] : pending_) {
    for (std::uint32_t r = start; r < start + count && todo.size() < resync_batch; ++r)
      if (!unequal_.overlaps(r, 1)) todo.push_back(r);
    if (todo.size() == resync_batch) break;
  }
  std::vector<std::uint32_t> equal;
  for (const auto r : todo) {
    if (lun_.closing()) co_return false;
    if (r < shape_.extents() && co_await equalise(r))
      equal.push_back(r);
    else
      unequal_.add(r, 1);
  }
  if (!equal.empty()) {
    if (!co_await flush_working()) co_return false;
    for (const auto r : equal) pending_.remove(r, 1);
    if (pending_.empty()) resync_total_ = 0;
    lun_.refresh_health();
  }
  bool more = false;
  for (const auto& [start, count] : pending_) more = more || !unequal_.contains(start, count);
  if (!more) unequal_.clear();
  co_return more;
}

void mirror::unset(std::uint32_t region) {
  if (region >= shape_.extents()) return;
  for (std::size_t p = 0; p < shape_.members.size(); ++p) {
    const auto at = place(p, region);
    const auto d = lun_.owner().find_drive(at.slot);
    if (d && d->usable()) d->intent->unset(at.extent);
  }
}

rt::task<bool> mirror::clear_idle(monotonic::time_point before) {
  // While a member is lost its marks stay: they are what it will have to copy when it comes back.
  const auto clearable = [&](std::uint32_t r, const mark& m) {
    return m.writers == 0 && m.last <= before && !pending_.overlaps(r, 1);
  };
  swept_ = false;
  if (worst_loss() > 0) co_return false;
  swept_ = true;  // whoever writes meanwhile
  std::vector<std::pair<std::uint32_t, monotonic::time_point>> idle;
  for (const auto& [r, m] : marks_)
    if (clearable(r, m)) idle.emplace_back(r, m.last);
  if (!idle.empty() && co_await flush_working() && worst_loss() == 0) {
    for (const auto& [r, last] : idle) {
      const auto it = marks_.find(r);
      if (it == marks_.end() || it->second.last != last || !clearable(r, it->second)) continue;
      marks_.erase(it);
      unset(r);
    }
  }
  // What could not be made equal is tried once more when it was written since, and not for ever: a block that no member
  // can read becomes readable by being written.
  bool left = false, again = false;
  for (auto& [r, m] : marks_) {
    if (!pending_.overlaps(r, 1)) {
      left = true;
    } else if (m.tried != m.last) {
      left = true;
      if (m.writers != 0 || m.last > before) continue;
      m.tried = m.last;
      again = true;
    }
  }
  if (again) lun_.owner().needs_resync(lun_.shared_from_this());
  swept_ = left;
  co_return left;
}

void mirror::for_each_marked(const std::function<void(layout::extent_place)>& visit) const {
  for (const auto& [r, m] : marks_)
    for (std::size_t p = 0; p < shape_.members.size() && r < shape_.extents(); ++p) visit(place(p, r));
}

void mirror::drop_marks() {
  for (const auto& [r, m] : marks_) unset(r);
  marks_.clear();
  pending_.clear();
}

void mirror::cut_off(std::uint32_t ordinal) {
  for (auto it = marks_.lower_bound(ordinal); it != marks_.end();) {
    if (it->second.writers == 0) unset(it->first);
    it = it->second.writers == 0 ? marks_.erase(it) : std::next(it);
  }
  pending_.remove(ordinal, UINT32_MAX - ordinal);
}

}  // namespace vds::array::engine
