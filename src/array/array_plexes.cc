// Plexes come and go, under I/O. Joining: one record of the log ends the source as a LUN and makes its extents further
// plexes of the target, of which nothing is believed yet (drive::stale): they are written from then on, and read when
// they are filled. Filling: an extent after the other, from the plexes that hold the data; how far it came is recorded
// a batch at a time, so that a crash repeats at most one. Leaving: the record is cut while nobody writes; then the
// extents are deleted data like any other. docs/design/array-life.md.
#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "array/layout/growth.h"
#include "base/log.h"

namespace vds::array {
namespace {

constexpr std::size_t max_plexes = 64;

failure missing_lun(const guid& lun) { return {errc::not_found, fmt::format("LUN {}", to_string(lun))}; }

std::size_t plex_of(const format::lun_record& r, const guid& id) {
  const auto at = std::find_if(r.plexes.begin(), r.plexes.end(), [&id](const auto& p) { return p.id == id; });
  return static_cast<std::size_t>(at - r.plexes.begin());
}

std::uint64_t member_extents(const format::lun_record& r, std::uint32_t extent_bytes) {
  return layout::member_extents(layout::shape_of(r.type, r.plexes, r.groups), r.size, extent_bytes);
}

// By what it is made of now.
lun_type type_by_plexes(const format::lun_record& r) {
  const auto& first = r.plexes[0];
  if (r.plexes.size() > 1) return first.columns.size() > 1 ? lun_type::raid10 : lun_type::mirror;
  if (first.columns.size() > 1) return lun_type::stripe;
  return first.slots().size() > 1 ? lun_type::span : lun_type::simple;
}

}  // namespace

// Joining ------------------------------------------------------------------------------------------------------------

status array::impl::may_join(const format::lun_record& target, const format::lun_record& source) const {
  if (layout::parity_of(target.type) != 0 || layout::parity_of(source.type) != 0)
    return failure(errc::not_supported, "a LUN with parity has one plex");
  if (source.size < target.size)
    return failure(errc::invalid_argument, "the LUN that is to become a plex is smaller than the other one");
  if (source.block > target.block)
    return failure(errc::invalid_argument, "the drives have larger blocks than the LUN has");
  if (target.plexes.size() + source.plexes.size() > max_plexes)
    return failure(errc::too_large, fmt::format("a LUN has at most {} plexes", max_plexes));
  for (const auto& theirs : source.plexes) {
    if (theirs.columns.size() != target.plexes[0].columns.size() ||
        theirs.stripe_bytes != target.plexes[0].stripe_bytes)
      return failure(errc::invalid_argument, "the two LUNs are not striped alike");
    for (const auto& mine : target.plexes)
      for (const auto slot : theirs.slots())
        if (mine.uses(slot))
          return failure(errc::invalid_argument, "the two LUNs are on one drive: it would be lost with both");
  }
  return {};
}

status array::impl::may_add_plexes(const guid& lun, const guid& source) const {
  if (lun == source) return failure(errc::invalid_argument, "a LUN cannot be a plex of itself");
  for (const auto& id : {lun, source}) {
    const auto it = luns_.find(id);
    if (it == luns_.end() || it->second.deleting) return missing_lun(id);
  }
  const auto& ending = *luns_.at(source).latest;
  VDS_RETURN_IF_FAILED(may_join(*luns_.at(lun).latest, ending));
  if (ending.filling()) return failure(errc::busy, "a plex of the LUN is being filled");
  for (const auto& p : ending.plexes)
    for (const auto slot : p.slots())
      if (const auto d = journal_->find(slot); !d || !d->usable())
        return failure(errc::unavailable, "the LUN that is to become a plex has lost a drive");
  if (luns_.at(lun).device->health() == lun_health::failed)
    return failure(errc::unavailable, fmt::format("LUN {} has failed", to_string(lun)));
  return {};
}

rt::task<status> array::impl::join_plexes(guid lun, guid source, array::change_options how) {
  const auto self = shared_from_this();
  VDS_CO_RETURN_IF_FAILED(may_add_plexes(lun, source));
  for (const auto& id : {lun, source})
    if (resizing_.contains(id)) co_return failure(errc::busy, "the LUN is being changed");
  const turn_at mine(resizing_, lun, lun_change::reconfiguring), theirs(resizing_, source, lun_change::reconfiguring);
  const auto turn = co_await rebuilding_turn_.take();  // nothing moves meanwhile
  if (closing_) co_return errc::closing;
  VDS_CO_RETURN_IF_FAILED(may_add_plexes(lun, source));  // still
  const auto ending = luns_.at(source).latest;
  if (how.cancel.requested() || (how.commit && !how.commit())) co_return errc::cancelled;
  luns_.at(source).deleting = true;
  const auto gone = luns_.at(source).device;
  co_await gone->close();
  const auto go_on = [&] {  // it stays a LUN: the closed device is of no use any more
    luns_[source] = {std::make_shared<engine::lun_device>(self, ending), ending, false};
  };
  const auto it = luns_.find(lun);
  if (it == luns_.end() || it->second.deleting || closing_) {
    go_on();
    co_return missing_lun(lun);
  }
  const auto device = it->second.device;
  auto next = std::make_shared<format::lun_record>(*it->second.latest);
  const auto keep = member_extents(*next, extent_bytes());
  std::vector<layout::run> surplus, taken;
  for (auto p : ending->plexes) {
    for (auto& column : p.columns) {
      layout::shorten(column, keep, surplus);
      taken.insert(taken.end(), column.begin(), column.end());
    }
    p.filled = 0;
    next->plexes.push_back(std::move(p));
  }
  next->type = type_by_plexes(*next);
  format::bytes records;
  format::append(records, format::record(format::lun_gone_record{source, surplus}));
  format::append(records, *next);
  if (how.operation) format::append(records, format::record(format::operation_record{how.operation, lun}));
  if (auto room = journal_->room_for(records.size()); !room) {
    go_on();
    co_return std::move(room).error();
  }
  it->second.latest = next;
  VDS_CO_RETURN_IF_FAILED(co_await journal_->commit(std::move(records)));  // failed: the array is offline
  gone->drop_marks();
  luns_.erase(source);
  numbers_.reset(ending->number);
  first_free_number_ = std::min<std::size_t>(first_free_number_, ending->number);
  let_go(surplus);
  for (const auto& r : taken)
    if (const auto d = journal_->find(r.slot)) d->stale.add(r.start, r.count);
  if (const auto now = journal_->config().luns.find(lun); now != journal_->config().luns.end())
    device->set_record(now->second);
  rebuilding_[lun] = {rebuilding_phase, byte_count{0}, byte_count{bytes_to_fill(*device)}};
  raise(array_event::kind::lun_departed, source);
  raise(array_event::kind::lun_modified, lun);
  space_changed();
  rebuild_later();
  co_return status();
}

// After a start: what is not known to be filled is not read.
void array::impl::doubt_unfilled(const format::lun_record& of) {
  for (const auto& p : of.plexes) {
    if (!p.filled) continue;
    for (auto column : p.columns) {
      std::vector<layout::run> rest;
      layout::shorten(column, *p.filled, rest);
      for (const auto& r : rest)
        if (const auto d = journal_->find(r.slot)) d->stale.add(r.start, r.count);
    }
  }
}

// Filling ------------------------------------------------------------------------------------------------------------

std::uint64_t array::impl::bytes_to_fill(const engine::lun_device& device) const {
  std::uint64_t n = 0;
  for (const auto& p : device.record().plexes)
    if (p.filled) n += (p.extents() - std::min(p.extents(), *p.filled)) * p.columns.size();
  return n * extent_bytes();
}

std::optional<guid> array::impl::first_unfilled(const format::lun_record& of) const {
  const auto it = luns_.find(of.id);
  if (it == luns_.end() || it->second.device->health() == lun_health::failed) return std::nullopt;
  for (const auto& p : of.plexes) {
    const auto slots = p.slots();
    const auto works = [this](auto slot) { return find_drive(slot) && find_drive(slot)->usable(); };
    if (p.filled && std::all_of(slots.begin(), slots.end(), works)) return p.id;
  }
  return std::nullopt;
}

// A batch of it. ok: done, or worth looking again.
rt::task<status> array::impl::fill_some(std::shared_ptr<engine::lun_device> device, guid plex) {
  const auto self = shared_from_this();
  const guid id = device->record().id;
  const auto busy = device->gate().hold();
  if (!busy) co_return errc::closing;
  const auto now = luns_.at(id).latest;
  const auto p = plex_of(*now, plex);
  if (p == now->plexes.size() || !now->plexes[p].filled) co_return status();
  const std::uint64_t end = now->plexes[p].extents(), from = std::min(end, *now->plexes[p].filled);
  const std::uint64_t batch =
      std::max<std::uint64_t>(1, options_.rebuild_batch_bytes / extent_bytes() / now->plexes[p].columns.size());
  const std::uint64_t to = std::min(end, from + batch);
  auto& shown = rebuilding_[id];
  if (shown.total.n == 0) {
    raise(array_event::kind::lun_modified, id);
    shown = {rebuilding_phase, byte_count{0}, byte_count{bytes_to_fill(*device)}};
  }
  for (const auto& group : device->groups()) {
    for (auto ordinal = static_cast<std::uint32_t>(from); ordinal < to; ++ordinal) {
      if (stopped() || device->closing()) co_return errc::closing;
      const auto at = group->place(p, ordinal);
      const auto d = journal_->find(at.slot);
      if (!d || !d->usable()) co_return failure(errc::unavailable, "the drive of the plex was lost");
      if (d->stale.overlaps(at.extent, 1)) {
        VDS_CO_RETURN_IF_FAILED(co_await group->rebuild_extent(p, ordinal, at));
        d->stale.remove(at.extent, 1);
        group->stop_moving(p, ordinal);
        co_await pace(extent_bytes());
      }
      rebuilding_[id].done.n += extent_bytes();
      filled_some();
    }
  }
  const auto it = luns_.find(id);
  if (it == luns_.end() || it->second.deleting) co_return errc::closing;
  auto next = std::make_shared<format::lun_record>(*it->second.latest);
  const auto still = plex_of(*next, plex);
  if (still == next->plexes.size()) co_return status();
  next->plexes[still].filled = to;
  if (to == end) next->plexes[still].filled.reset();
  format::bytes records;
  for (const auto slot : next->plexes[still].slots()) VDS_CO_RETURN_IF_FAILED(append_unreadable(slot, records));
  it->second.latest = next;
  format::append(records, *next);
  VDS_CO_RETURN_IF_FAILED(co_await journal_->commit(std::move(records)));
  if (const auto durable = journal_->config().luns.find(id); durable != journal_->config().luns.end())
    device->set_record(durable->second);
  device->refresh_health();
  if (to == end) raise(array_event::kind::lun_modified, id);
  filled_some();
  co_return status();
}

void array::impl::filled_some() {
  fill_event_->set();
  fill_event_ = std::make_shared<rt::event>(executor_);
}

rt::task<status> array::impl::wait_filled(guid lun, progress_callback report, rt::cancel_token cancel) {
  const auto self = shared_from_this();
  for (;;) {
    const auto it = luns_.find(lun);
    if (it == luns_.end() || it->second.deleting) co_return missing_lun(lun);
    if (!it->second.device->record().filling()) co_return status();  // durably
    if (stopped() || cancel.requested()) co_return failure(errc::closing, "the plex is filled after the next start");
    for (const auto& p : it->second.latest->plexes)
      for (const auto slot : p.slots())
        if (const auto d = journal_->find(slot); p.filled && (!d || !d->usable()))
          co_return failure(errc::unavailable, "the drive of the new plex was lost");
    if (it->second.device->health() == lun_health::failed)
      co_return failure(errc::unavailable, "the LUN has failed before the plex was filled");
    if (const auto failed = unfilled_.find(lun); failed != unfilled_.end()) co_return failed->second;
    if (const auto at = rebuilding_.find(lun); report && at != rebuilding_.end()) report(at->second);
    const auto changed = fill_event_;
    co_await *changed;
  }
}

// Leaving ------------------------------------------------------------------------------------------------------------

rt::task<status> array::impl::drop_plex(guid lun, guid plex, array::change_options how) {
  const auto self = shared_from_this();
  if (resizing_.contains(lun)) co_return failure(errc::busy, "the LUN is being changed");
  const turn_at mine(resizing_, lun, lun_change::reconfiguring);
  const auto turn = co_await rebuilding_turn_.take();  // nothing moves or is filled meanwhile
  const auto it = luns_.find(lun);
  if (it == luns_.end() || it->second.deleting) co_return missing_lun(lun);
  const auto device = it->second.device;
  const auto busy = device->gate().hold();
  if (!busy) co_return missing_lun(lun);
  if (plex_of(*it->second.latest, plex) == it->second.latest->plexes.size())
    co_return failure(errc::not_found, fmt::format("plex {}", to_string(plex)));
  if (it->second.latest->plexes.size() == 1) co_return failure(errc::invalid_argument, "it is the LUN's only plex");
  if (how.cancel.requested()) co_return errc::cancelled;
  std::vector<engine::range_lock::held> still;  // no writes: until the record is durable
  for (const auto& g : device->groups()) still.push_back(co_await g->no_writers());
  if (closing_ || it->second.deleting) co_return errc::closing;
  auto next = std::make_shared<format::lun_record>(*it->second.latest);
  const auto p = plex_of(*next, plex);
  bool left = false;
  for (std::size_t other = 0; other < next->plexes.size(); ++other)
    left = left || (other != p && device->plex_works(other));
  // While regions differ after a crash everybody reads the first one: taking it away would show another past.
  bool first = true;
  for (std::size_t other = 0; other < p; ++other) first = first && !device->plex_works(other);
  if (first && device->resyncing()) co_return failure(errc::busy, "the plexes are being made equal after a crash");
  if (!left) co_return failure(errc::unavailable, "no other plex holds all of the LUN's data");
  if (how.commit && !how.commit()) co_return errc::cancelled;
  std::vector<layout::run> freed;
  for (const auto& column : next->plexes[p].columns) freed.insert(freed.end(), column.begin(), column.end());
  next->plexes.erase(next->plexes.begin() + static_cast<std::ptrdiff_t>(p));
  next->type = type_by_plexes(*next);
  format::bytes records;
  format::append(records, *next);
  for (const auto& r : freed) format::append(records, format::record(format::dirty_record{r.slot, true, {r}}));
  if (how.operation) format::append(records, format::record(format::operation_record{how.operation, lun}));
  VDS_CO_RETURN_IF_FAILED(journal_->room_for(records.size()));
  it->second.latest = next;
  VDS_CO_RETURN_IF_FAILED(co_await journal_->commit(std::move(records)));  // failed: the array is offline
  device->unmark(freed);
  if (const auto now = journal_->config().luns.find(lun); now != journal_->config().luns.end())
    device->set_record(now->second);
  device->refresh_health();
  still.clear();
  co_await device->settle();  // reads of it have ended
  let_go(freed);
  raise(array_event::kind::lun_modified, lun);
  space_changed();
  sweep_later();
  filled_some();
  rebuild_later();
  co_return status();
}

// Asked for ----------------------------------------------------------------------------------------------------------

rt::task<status> array::add_plexes(guid lun, guid source, change_options how) {
  const guid operation = how.operation;
  return impl_->once(operation, lun, impl_->join_plexes(lun, source, std::move(how)));
}
rt::task<status> array::remove_plex(guid lun, guid plex, change_options how) {
  const guid operation = how.operation;
  return impl_->once(operation, lun, impl_->drop_plex(lun, plex, std::move(how)));
}
status array::may_add_plexes(const guid& lun, const guid& source) const { return impl_->may_add_plexes(lun, source); }
rt::task<status> array::wait_filled(guid lun, progress_callback report, rt::cancel_token cancel) {
  return impl_->wait_filled(lun, std::move(report), std::move(cancel));
}
void array::look_again() { impl_->filled_some(); }

}  // namespace vds::array
