// Members of redundancy groups get other places: a lost one on a hot spare or on whatever has room, one on a drive that
// is to be replaced on its successor. Extents move a batch at a time: reserved on the target (as dirty, so that a crash
// gives nobody what was copied), copied while writes go to both places, and named by the LUN's record only when the
// copy is durable. A crash repeats at most one batch. docs/design/array-life.md.
#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "array/layout/turns.h"
#include "base/log.h"

namespace vds::array {
namespace {
using format::bytes;

constexpr std::string_view spares_setting = "array/spares", replacing_prefix = "array/replacing/";

std::vector<layout::run> cut(std::vector<layout::run> column, std::uint64_t first, std::uint32_t count,
                             const std::vector<layout::run>& by) {
  std::vector<layout::run> out;
  const auto add = [&out](layout::run r) {
    if (r.count == 0) return;
    if (!out.empty() && out.back().slot == r.slot && out.back().end() == r.start)
      out.back().count += r.count;
    else
      out.push_back(r);
  };
  std::uint64_t at = 0;
  bool put = false;
  for (const auto& r : column) {
    const std::uint64_t end = at + r.count;
    const auto before = static_cast<std::uint32_t>(std::min<std::uint64_t>(r.count, first > at ? first - at : 0));
    const auto after =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(r.count, end > first + count ? end - (first + count) : 0));
    add({r.slot, r.start, before});
    if (!put && end > first) {
      for (const auto& n : by) add(n);
      put = true;
    }
    add({r.slot, r.start + r.count - after, after});
    at = end;
  }
  return out;
}

}  // namespace

// What is asked for --------------------------------------------------------------------------------------------------

bool array::impl::is_spare(const guid& drive) const {
  const auto& all = journal_->config().settings;
  const auto it = all.find(spares_setting);
  if (it == all.end()) return false;
  for (std::size_t at = 0; at + 16 <= it->second.size(); at += 16)
    if (std::equal(drive.bytes.begin(), drive.bytes.end(), reinterpret_cast<const std::uint8_t*>(&it->second[at])))
      return true;
  return false;
}

rt::task<status> array::impl::set_spare(guid drive, bool on) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  const auto turn = co_await drives_change_.take();
  const auto* record = journal_->config().drive_by_id(drive);
  if (record == nullptr) co_return failure(errc::not_found, fmt::format("drive {}", to_string(drive)));
  if (on == is_spare(drive)) co_return status();
  if (on) {
    const auto d = journal_->find(record->slot);
    if (!d || !d->usable())
      co_return failure(errc::unavailable, fmt::format("drive {} is not online", to_string(drive)));
    if (has_luns(*record))
      co_return failure(errc::busy, fmt::format("LUNs are on drive {}: it cannot be a hot spare", to_string(drive)));
  }
  auto change = change_spares(on ? guid() : drive, on ? drive : guid());
  auto s = co_await std::move(change);
  if (!s) co_return s;
  raise(array_event::kind::drive_modified, drive);
  space_changed();
  rebuild_later();
  co_return s;
}

rt::task<status> array::impl::change_spares(const guid& drop, const guid& add) {
  bytes all;
  if (const auto it = journal_->config().settings.find(spares_setting); it != journal_->config().settings.end()) {
    const auto* const raw = reinterpret_cast<const std::byte*>(drop.bytes.data());
    for (std::size_t at = 0; at + 16 <= it->second.size(); at += 16)
      if (!std::equal(raw, raw + 16, it->second.begin() + static_cast<std::ptrdiff_t>(at)))
        all.insert(all.end(), &it->second[at], &it->second[at] + 16);
  }
  const auto* const raw = reinterpret_cast<const std::byte*>(add.bytes.data());
  if (add) all.insert(all.end(), raw, raw + 16);
  std::vector<array::setting_change> change;
  change.push_back({std::string(spares_setting), all.empty() ? std::nullopt : std::optional<bytes>(std::move(all))});
  return write_settings(std::move(change), {});
}

status array::impl::may_replace(const guid& source, const guid& target) const {
  const auto* from = journal_->config().drive_by_id(source);
  const auto* to = journal_->config().drive_by_id(target);
  for (const auto& [id, record] : {std::pair{source, from}, std::pair{target, to}})
    if (record == nullptr) return failure(errc::not_found, fmt::format("drive {}", to_string(id)));
  if (source == target) return failure(errc::invalid_argument, "a drive cannot replace itself");
  const auto d = journal_->find(to->slot);
  if (!d || !d->usable()) return failure(errc::unavailable, fmt::format("drive {} is not online", to_string(target)));
  if (has_luns(*to)) return failure(errc::busy, fmt::format("LUNs are on drive {}", to_string(target)));
  std::uint64_t needs = reserved(from->slot) != 0 && reserved(to->slot) == 0 ? journal_extents(to->slot) : 0;
  for (const auto& use : uses(source)) needs += use.size.n / extent_bytes();
  if (space_.clean(to->slot) + space_.dirty(to->slot) < needs)
    return failure(errc::no_space, fmt::format("drive {} has less room than LUNs have on drive {}", to_string(target),
                                               to_string(source)));
  return {};
}

rt::task<status> array::impl::replace_drive(guid source, guid target) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  const auto turn = co_await drives_change_.take();
  VDS_CO_RETURN_IF_FAILED(may_replace(source, target));
  std::vector<array::setting_change> change;
  change.push_back(replacing_order(source, target));
  auto s = co_await write_settings(std::move(change), {});
  if (s) rebuild_later();
  co_return s;
}

array::setting_change array::impl::replacing_order(const guid& source, const guid& target) {
  const auto* raw = reinterpret_cast<const std::byte*>(target.bytes.data());
  return {std::string(replacing_prefix) + to_string(source), bytes(raw, raw + 16)};
}

rt::task<status> array::impl::recover_lun(guid lun, progress_callback report, rt::cancel_token cancel) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  auto done = co_await restore_all(lun, std::move(report), std::move(cancel));
  forget_progress(lun);
  co_return done;
}

rt::task<status> array::impl::restore_all(guid lun, progress_callback report, rt::cancel_token cancel) {
  const auto self = shared_from_this();
  bool anything = false;
  for (;;) {
    const auto it = luns_.find(lun);
    if (it == luns_.end() || it->second.deleting)
      co_return failure(errc::not_found, fmt::format("LUN {}", to_string(lun)));
    if (cancel.requested()) co_return errc::cancelled;
    const auto device = it->second.device;
    const auto lost = first_lost(*device);
    if (!lost) {
      if (!anything) co_return failure(errc::invalid_argument, "no place of the LUN is lost");
      co_return status();
    }
    if (device->health() == lun_health::failed)
      co_return failure(errc::unavailable, "more is lost than the LUN's redundancy can restore");
    const auto turn = co_await rebuilding_turn_.take();
    auto moved = co_await move_some(device, *lost, std::nullopt, true);
    if (!moved) co_return moved;
    anything = true;
    if (report) report(rebuild_progress(*device));
  }
}

// What there is to do ------------------------------------------------------------------------------------------------

std::optional<array::impl::place> array::impl::first_on(const engine::lun_device& device,
                                                        const std::function<bool(const layout::run&)>& wanted) const {
  for (std::size_t g = 0; g < device.groups().size(); ++g) {
    const auto& members = device.groups()[g]->shape().members;
    for (std::size_t m = 0; m < members.size(); ++m) {
      std::uint64_t at = 0;
      for (const auto& r : members[m]) {
        if (wanted(r)) return place{g, m, at, r};
        at += r.count;
      }
    }
  }
  return std::nullopt;
}

std::optional<array::impl::place> array::impl::first_lost(const engine::lun_device& device) const {
  return first_on(device, [this](const layout::run& r) {
    const auto d = journal_->find(r.slot);
    return !d || !d->usable();
  });
}

progress array::impl::rebuild_progress(const engine::lun_device& device) const {
  const auto it = rebuilding_.find(device.record().id);
  return it == rebuilding_.end() ? progress{} : it->second;
}

// A drive for that member: none of another member's, so that no two are lost with one drive. Spares first.
std::optional<std::uint32_t> array::impl::target_for(const engine::lun_device& device, const place& p,
                                                     bool any_drive) const {
  std::vector<std::uint32_t> taken;
  const auto& group = *device.groups()[p.group];
  const auto type = device.record().type;
  if (layout::parity_of(type) == 0) {  // copies: other plexes, wherever they are
    const auto own = layout::place_of_member(type, group.shape().members.size(), p.group, p.member).plex;
    for (std::size_t x = 0; x < device.record().plexes.size(); ++x)
      if (x != own)
        for (const auto slot : device.record().plexes[x].slots()) taken.push_back(slot);
  } else {
    for (std::size_t m = 0; m < group.shape().members.size(); ++m)
      if (m != p.member)
        for (const auto& r : group.shape().members[m]) taken.push_back(r.slot);
  }
  std::optional<std::uint32_t> best;
  bool best_spare = false;
  std::uint64_t best_room = 0;
  for (const auto& [slot, d] : journal_->drives()) {
    if (!d->usable() || space_.find(slot) == nullptr || slot == p.run.slot) continue;
    if (std::find(taken.begin(), taken.end(), slot) != taken.end()) continue;
    const bool spare = is_spare(d->id());
    if (!spare && !any_drive) continue;
    const std::uint64_t journal = layout::parity_of(type) != 0 ? journal_extents(slot) : 0;
    const std::uint64_t room = space_.clean(slot) + space_.dirty(slot);
    if (room <= journal || avoided_.contains({device.record().id, slot})) continue;
    if (best && (best_spare > spare || (best_spare == spare && best_room >= room))) continue;
    best = slot;
    best_spare = spare;
    best_room = room;
  }
  return best;
}

// How it is done -----------------------------------------------------------------------------------------------------

rt::task<status> array::impl::move_some(std::shared_ptr<engine::lun_device> device, place from,
                                        std::optional<std::uint32_t> given, bool any_drive) {
  const auto self = shared_from_this();
  const guid id = device->record().id;
  const auto busy = device->gate().hold();
  if (!busy) co_return errc::closing;
  const auto target = given ? given : target_for(*device, from, any_drive);
  if (!target)
    co_return failure(errc::no_space, "no drive has room for what is lost, and no other part of the LUN on it");
  auto& group = *device->groups()[from.group];
  const bool parity = layout::parity_of(device->record().type) != 0;
  const std::uint64_t needs = 1 + (parity ? journal_extents(*target) : 0);
  if (space_.clean(*target) < needs) {
    if (space_.clean(*target) + space_.dirty(*target) < needs)
      co_return failure(errc::no_space, "the drive that takes the copy is full");
    ++space_waiters_;
    wipe_later(*target);
    const auto changed = space_event_;
    co_await *changed;
    --space_waiters_;
    co_return status();  // look again
  }
  if (parity) VDS_CO_RETURN_IF_FAILED(co_await need_stripe_journal(*target));
  const std::uint64_t most = std::max<std::uint64_t>(1, options_.rebuild_batch_bytes / extent_bytes());
  const auto count = static_cast<std::uint32_t>(std::min({std::uint64_t{from.run.count}, most, space_.clean(*target)}));
  const auto taken = space_.take(*target, count);
  auto s = co_await mark_dirty(taken);
  if (s) {
    auto& shown = rebuilding_[id];
    if (shown.total.n == 0) {
      raise(array_event::kind::lun_modified, id);
      shown = {rebuilding_phase, byte_count{0}, byte_count{bytes_to_move(*device, from.run.slot)}};
    }
  }
  std::uint32_t copied = 0;
  for (const auto& r : taken) {
    for (std::uint32_t i = 0; s && i < r.count; ++i, ++copied) {
      if (stopped() || device->closing()) {
        s = errc::closing;
        break;
      }
      const auto ordinal = static_cast<std::uint32_t>(from.ordinal + copied);
      s = co_await group.rebuild_extent(from.member, ordinal, {r.slot, r.start + i});
      if (s) {
        rebuilding_[id].done.n += extent_bytes();
        co_await pace(extent_bytes());
      }
    }
  }
  if (s) s = co_await switch_places(device, from, count, taken);
  if (!s) {
    for (std::uint32_t i = 0; i < count; ++i)
      group.stop_moving(from.member, static_cast<std::uint32_t>(from.ordinal + i));
    co_await group.settle();
    rebuilding_[id].done.n -= std::min<std::uint64_t>(rebuilding_[id].done.n, std::uint64_t{copied} * extent_bytes());
    if (!stopped()) {
      let_go(taken);
    }
    co_return std::move(s).error().in("moving a part of LUN", device->name());
  }
  co_return s;
}

// What is free and not known as dirty reads as zeros to whoever gets it: so this comes before the first byte.
rt::task<status> array::impl::mark_dirty(std::vector<layout::run> runs) {
  const auto self = shared_from_this();
  format::bytes records;
  format::append(records, format::record(format::dirty_record{runs[0].slot, true, runs}));
  auto s = co_await journal_->commit(std::move(records));
  if (!s && !journal_->offline())
    for (const auto& r : runs) space_.give_back(r);
  co_return s;
}

rt::task<status> array::impl::switch_places(std::shared_ptr<engine::lun_device> device, place from, std::uint32_t count,
                                            std::vector<layout::run> taken) {
  const auto self = shared_from_this();
  const guid id = device->record().id;
  const auto it = luns_.find(id);
  if (it == luns_.end() || it->second.deleting || it->second.device != device) co_return errc::closing;
  auto next = std::make_shared<format::lun_record>(*it->second.latest);
  auto& group = *device->groups()[from.group];
  const auto at = layout::place_of_member(next->type, group.shape().members.size(), from.group, from.member);
  auto& column = next->plexes[at.plex].columns[at.column];
  const layout::run old{from.run.slot, from.run.start, count};
  if (layout::column_extent(column, from.ordinal) != layout::extent_place{old.slot, old.start})
    co_return failure(errc::stale, "the LUN changed meanwhile");
  column = cut(std::move(column), from.ordinal, count, taken);
  format::bytes records;
  format::append(records, *next);
  format::append(records, format::record(format::wiped_record{taken}));  // no longer free, so no longer to be wiped
  format::append(records, format::record(format::dirty_record{old.slot, true, {old}}));
  VDS_CO_RETURN_IF_FAILED(append_unreadable(taken[0].slot, records));  // behind the others: they forget it
  it->second.latest = next;
  VDS_CO_RETURN_IF_FAILED(co_await journal_->commit(std::move(records)));
  if (const auto now = journal_->config().luns.find(id); now != journal_->config().luns.end())
    device->set_record(now->second);
  co_await group.settle();
  // Requests that began before have ended: nobody writes to the old place any more.
  let_go({old});
  for (const auto slot : {old.slot, taken[0].slot})  // what is free there, and whether a spare is in use
    if (const auto d = journal_->config().drives.find(slot); d != journal_->config().drives.end())
      raise(array_event::kind::drive_modified, d->second.id);
  raise(array_event::kind::lun_modified, id);
  // One of them may be in use since now, the other one not any more.
  for (const auto slot : {old.slot, taken.front().slot})
    if (const auto at = journal_->config().drives.find(slot); at != journal_->config().drives.end())
      raise(array_event::kind::drive_modified, at->second.id);
  space_changed();
  co_return status();
}

std::uint64_t array::impl::bytes_to_move(const engine::lun_device& device, std::uint32_t slot) const {
  std::uint64_t n = 0;
  for (const auto& g : device.groups())
    for (const auto& member : g->shape().members)
      for (const auto& r : member) {
        const auto d = journal_->find(r.slot);
        if (r.slot == slot || !d || !d->usable()) n += r.count;
      }
  return n * extent_bytes();
}

// The absolute limit. Between extents, so that what is copied never takes more of the drives than this, however idle.
rt::task<void> array::impl::pace(std::uint64_t bytes) {
  const auto self = shared_from_this();
  if (options_.rebuild_bytes_per_second == 0) {
    co_await executor_.turn();
    co_return;
  }
  const auto cost = std::chrono::nanoseconds(bytes * 1'000'000'000 / options_.rebuild_bytes_per_second);
  const auto now = executor_.now();
  next_copy_ = std::max(next_copy_, now) + cost;
  if (next_copy_ > now) co_await executor_.sleep_until(next_copy_);
}

void array::impl::rebuild_later() {
  avoided_.clear();  // a drive came, went or changed: what did not work before may work now
  again_ = true;
  if (rebuild_running_ || closing_) return;
  rebuild_running_ = true;
  executor_.post([self = shared_from_this()] { rt::start(rebuild_loop(self)); });
}

rt::task<void> array::impl::rebuild_loop(std::shared_ptr<impl> self) {
  const auto held = self->background_.hold();
  while (held && std::exchange(self->again_, false) && !self->stopped()) {
    auto replacing = self->orders();
    co_await self->rebuild_pass(replacing);
    if (!self->again_ && !self->stopped()) co_await self->end_orders(replacing);
  }
  self->rebuild_running_ = false;
}

unsigned array::impl::weight_of(const guid& lun) const {
  const auto it = luns_.find(lun);
  return it == luns_.end() ? 1 : 1U + it->second.latest->hints.rebuild_priority;
}

bool array::impl::has_work(const guid& lun, const std::vector<order>& replacing) const {
  const auto it = luns_.find(lun);
  if (it == luns_.end() || it->second.deleting) return false;
  const auto& device = *it->second.device;
  if (from_replaced(device, replacing).first || first_unfilled(*it->second.latest)) return true;
  const auto lost = device.health() == lun_health::failed ? std::nullopt : first_lost(device);
  return lost && target_for(device, *lost, false);
}

// What the LUN has on a drive that is replaced, and by which order.
std::pair<std::optional<array::impl::place>, std::size_t> array::impl::from_replaced(
    const engine::lun_device& device, const std::vector<order>& replacing) const {
  const guid id = device.record().id;
  for (std::size_t i = 0; i < replacing.size(); ++i) {
    const auto& o = replacing[i];
    if (o.to == engine::no_slot || o.given_up.contains(id)) continue;
    if (auto from = first_on(device, [&o](const layout::run& r) { return r.slot == o.from; })) return {from, i};
  }
  return {std::nullopt, 0};
}

// All that can be done now, a batch at a time, by the LUNs' priorities; until a drive changes, which may change all.
rt::task<void> array::impl::rebuild_pass(std::vector<order>& replacing) {
  const auto self = shared_from_this();
  layout::turns waiting;
  std::vector<guid> idle;
  for (const auto& [id, entry] : luns_) {
    if (has_work(id, replacing))
      waiting.add(id);
    else
      idle.push_back(id);
  }
  for (const auto& id : idle) forget_progress(id);
  const auto weight = [this](const guid& id) { return weight_of(id); };
  while (!stopped() && !again_) {
    const auto lun = waiting.next(weight);
    if (!lun) break;
    const auto turn = co_await rebuilding_turn_.take();
    const auto before = rebuilding_.find(*lun);
    const std::uint64_t had = before != rebuilding_.end() ? before->second.done.n : 0;
    const auto done = co_await rebuild_some(*lun, replacing);
    if (!done) {
      waiting.remove(*lun);
      if (done.error() == errc::not_found) forget_progress(*lun);
      continue;
    }
    const auto now = rebuilding_.find(*lun);
    const std::uint64_t has = now != rebuilding_.end() ? now->second.done.n : 0;
    waiting.had(*lun, has > had ? has - had : 1, weight_of(*lun));
  }
}

rt::task<status> array::impl::rebuild_some(guid lun, std::vector<order>& replacing) {
  const auto self = shared_from_this();
  for (;;) {
    const auto it = luns_.find(lun);
    if (it == luns_.end() || it->second.deleting) co_return errc::not_found;
    const auto device = it->second.device;
    const auto [replaced, which] = from_replaced(*device, replacing);
    if (replaced) {
      auto moved = co_await move_some(device, *replaced, replacing[which].to, false);
      if (moved || moved.error() == errc::closing) co_return moved;
      replacing[which].given_up.insert(lun);
      if (!replacing[which].failed) replacing[which].failed = std::move(moved).error();
      continue;
    }
    const auto lost = device->health() == lun_health::failed ? std::nullopt : first_lost(*device);
    if (const auto target = lost ? target_for(*device, *lost, false) : std::nullopt) {
      auto moved = co_await move_some(device, *lost, target, false);
      if (moved || moved.error() == errc::closing) co_return moved;
      log::warn("LUN {}: {}", lun, moved.error());
      avoided_.insert({lun, *target});
      continue;
    }
    const auto plex = first_unfilled(*it->second.latest);
    if (!plex) co_return errc::not_found;
    unfilled_.erase(lun);
    auto filled = co_await fill_some(device, *plex);
    if (filled || filled.error() == errc::closing) co_return filled;
    log::warn("LUN {}: filling plex {}: {}", lun, *plex, filled.error());
    unfilled_.emplace(lun, std::move(filled).error());
    filled_some();
    co_return errc::not_found;
  }
}

void array::impl::forget_progress(const guid& lun) {
  if (rebuilding_.erase(lun) == 0) return;
  raise(array_event::kind::lun_modified, lun);
  sweep_later();  // marks of a mirror stay while a member is lost: now they may go
}

std::vector<array::impl::order> array::impl::orders() const {
  std::vector<order> out;
  const auto& config = journal_->config();
  for (auto it = config.settings.lower_bound(replacing_prefix);
       it != config.settings.end() && it->first.starts_with(replacing_prefix); ++it) {
    order o;
    o.key = it->first;
    guid target;
    if (it->second.size() == 16) std::memcpy(target.bytes.data(), it->second.data(), 16);
    if (const auto source = parse_guid(std::string_view(o.key).substr(replacing_prefix.size()))) o.source = *source;
    const auto* from = config.drive_by_id(o.source);
    const auto* to = config.drive_by_id(target);
    if (from != nullptr) o.from = from->slot;
    if (to != nullptr) o.to = to->slot;
    if (from == nullptr || to == nullptr) o.failed = failure(errc::not_found, "one of the drives is gone");
    out.push_back(std::move(o));
  }
  return out;
}

// What could be moved has been.
rt::task<void> array::impl::end_orders(const std::vector<order>& replacing) {
  const auto self = shared_from_this();
  for (const auto& o : replacing) {
    if (o.failed) log::warn("replacing drive {}: {}", o.key.substr(replacing_prefix.size()), *o.failed);
    std::vector<array::setting_change> done;
    done.push_back({o.key, std::nullopt});
    (void)co_await write_settings(std::move(done), {});
    if (stopped()) co_return;
    if (o.source) raise(array_event::kind::drive_modified, o.source);
    // Of a drive that is not here any more nothing is left to be told.
    if (!o.failed && !journal_->find(o.from) && !parked_.contains(o.source)) {
      const auto removed = co_await remove_drive(o.source);
      if (!removed) log::warn("forgetting drive {}: {}", o.source, removed.error());
    }
  }
}

}  // namespace vds::array
