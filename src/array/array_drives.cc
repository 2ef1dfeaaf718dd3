#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "array/engine/intents.h"
#include "base/log.h"

namespace vds::array {

drive_info array::impl::describe(const format::drive_record& r) const {
  drive_info i;
  i.id = r.id;
  i.slot = r.slot;
  i.size = byte_count{r.bytes};
  i.capacity = byte_count{(r.extents - reserved(r.slot)) * extent_bytes()};
  i.state = drive_state::missing;
  i.why = r.why;
  if (const auto d = journal_->find(r.slot)) {
    i.path = d->name();
    i.state = d->state();
    i.why = d->why() != nullptr ? d->why()->message() : std::string();
    if (d->checks() != nullptr) {
      const auto n = d->checks()->counts();
      i.checked = true;
      i.corrupt_blocks = n.corrupt;
      i.repaired_blocks = n.repaired;
    }
  } else if (const auto it = parked_.find(r.id); it != parked_.end()) {
    i.path = it->second.device->name();
    i.state = it->second.state;
    i.why = it->second.why;
  }
  if (i.state == drive_state::online) {
    i.free = byte_count{space_.clean(r.slot) * extent_bytes()};
    i.wiping = byte_count{space_.dirty(r.slot) * extent_bytes()};
  }
  i.in_use = has_luns(r);
  i.spare = is_spare(r.id);
  return i;
}

std::vector<drive_info> array::impl::drives() const {
  std::vector<drive_info> out;
  for (const auto& [slot, r] : journal_->config().drives) out.push_back(describe(r));
  for (const auto& [id, list] : foreign_) {
    for (const auto& p : list) {
      drive_info i;
      i.id = p.superblock.drive_id;
      i.path = p.device->name();
      i.size = byte_count{p.superblock.drive_bytes};
      i.capacity = byte_count{p.superblock.extents * p.superblock.extent_bytes};
      i.state = drive_state::foreign;
      i.why = fmt::format("belongs to array {}; it is imported when all of its drives are here", to_string(id));
      i.slot = p.superblock.slot;
      i.in_use = true;
      out.push_back(std::move(i));
    }
  }
  return out;
}

result<drive_info> array::impl::drive(const guid& id) const {
  if (const auto* r = journal_->config().drive_by_id(id)) return describe(*r);
  for (auto& d : drives())
    if (d.id == id) return std::move(d);
  return failure(errc::not_found, fmt::format("drive {}", to_string(id)));
}

std::vector<drive_info::use> array::impl::uses(const guid& id) const {
  std::vector<drive_info::use> out;
  const auto* r = journal_->config().drive_by_id(id);
  if (r == nullptr) return out;
  for (const auto& [lun, record] : journal_->config().luns) {
    std::uint64_t n = 0;
    for (const auto& p : record->plexes)
      for (const auto& column : p.columns)
        for (const auto& run : column)
          if (run.slot == r->slot) n += run.count;
    if (n > 0) out.push_back({lun, byte_count{n * extent_bytes()}});
  }
  return out;
}

// What the drive carries decides: ours, somebody else's array, other data, nothing.
rt::task<result<drive_info>> array::impl::add_drive(std::unique_ptr<io::block_device> device, add_options options) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  if (&device->executor() != &executor_) co_return failure(errc::invalid_argument, "a drive of another executor");
  const auto turn = co_await drives_change_.take();
  const std::string name(device->name());
  if (!options.zeroed) {
    auto p = co_await assembly::probe(device);
    if (!p && p.error() == errc::too_new && !options.force) co_return std::move(p).error();
    if (p) {
      const guid drive = p->superblock.drive_id;
      const auto* record = p->superblock.array_id == id_ ? journal_->config().drive_by_id(drive) : nullptr;
      bool present = parked_.contains(drive) || (record != nullptr && journal_->find(record->slot) != nullptr);
      for (const auto& [id, list] : foreign_)
        for (const auto& other : list) present = present || other.superblock.drive_id == drive;
      if (present)
        co_return failure(errc::duplicate, fmt::format("{}: drive {} is here already; one is a copy of the other", name,
                                                       to_string(drive)));
      if (record != nullptr) {
        parked_[drive] = {std::move(p->device), drive_state::stale,
                          "left behind: the array went on without it, its content is old"};
        raise(array_event::kind::drive_modified, drive);
        co_return describe(*record);
      }
      const bool unfinished = p->known.loadable && p->known.members.empty() && p->configuration.drives.empty();
      if (!options.force && !unfinished) {
        if (p->superblock.array_id == id_)
          co_return failure(errc::stale, fmt::format("{} was removed from this array; force to use it again", name));
        co_return co_await import_drive(std::move(*p), options.force);
      }
      device = std::move(p->device);
    } else if (!options.force) {
      if (p.error() != errc::not_ours)
        co_return std::move(p).error().in("a damaged drive of an array; force to overwrite it");
      auto blank = co_await assembly::is_blank(*device);
      if (!blank) co_return std::move(blank).error();
      if (!*blank)
        co_return failure(errc::not_ours,
                          fmt::format("{} holds data of something else (see `blkid -p`); force to overwrite it", name));
    }
  }
  co_return co_await join(std::move(device), options, options.zeroed);
}

rt::task<result<drive_info>> array::impl::join(std::unique_ptr<io::block_device> device, add_options options,
                                               bool clean) {
  const auto self = shared_from_this();
  const auto g = device->geometry();
  const auto& config = journal_->config();
  if (config.drives.size() >= 256) co_return failure(errc::too_large, "an array has at most 256 drives");
  auto plan = format::plan_drive(g.size().n, g.logical.bytes, config.array.extent_bytes, options_.checksums);
  if (!plan) co_return std::move(plan).error().in("adding", device->name());
  plan->array_id = id_;
  plan->drive_id = random_guid(random_);
  plan->slot = config.array.next_slot;
  plan->epoch = config.epoch.epoch;
  plan->generation = 1;
  auto d = std::make_shared<engine::drive>(std::move(device), *plan, options_.request_deadline,
                                           engine::checking{options_.cached_regions});
  d->intent = std::make_unique<engine::intents>(*d);
  const auto slot = plan->slot;
  const auto extents = static_cast<std::uint32_t>(plan->extents);
  format::drive_record record{slot, plan->drive_id, g.size().n, extents, g.logical.bytes, true, options.sparse, {}};
  std::vector<format::record> records = {record, format::array_record{config.array.extent_bytes, slot + 1},
                                         format::dirty_record{slot, false, {}}};
  if (!clean) std::get<format::dirty_record>(records[2]).runs.push_back({slot, 0, extents});
  auto s = co_await journal_->admit(d, std::move(records));
  if (!s) co_return std::move(s).error().in("adding", d->name());
  watch_checks(*d);
  watch_unreadable(d);
  space_.add_drive(slot, extents, clean);
  set_operation_limit();
  log::info("array {}: drive {} ({}) joined as {}", id_, d->id(), d->name(), slot);
  raise(array_event::kind::drive_arrived, record.id);
  space_changed();
  rebuild_later();
  if (!clean) wipe_later(slot);
  co_return describe(record);
}

rt::task<result<drive_info>> array::impl::import_drive(assembly::probed p, bool force) {
  const auto self = shared_from_this();
  const guid foreign = p.superblock.array_id, id = p.superblock.drive_id;
  if (!journal_->config().drives.empty())
    co_return failure(errc::not_ours,
                      fmt::format("{} belongs to array {}; it can be imported only while this one has no drives",
                                  p.known.name, to_string(foreign)));
  auto& list = foreign_[foreign];
  list.push_back(std::move(p));
  std::vector<assembly::candidate> candidates;
  for (const auto& other : list) candidates.push_back(other.known);
  const auto chosen = assembly::choose(candidates, force);
  const bool whole = chosen && chosen->members.size() == candidates[chosen->from].members.size();
  if (!whole) {
    raise(array_event::kind::drive_arrived, id);
    for (auto& d : drives())
      if (d.id == id) co_return std::move(d);
    co_return errc::internal;
  }
  auto found = std::move(list);
  foreign_.erase(foreign);
  auto s = co_await take_over(std::move(found), force);
  if (!s) co_return std::move(s).error().in("importing array", to_string(foreign));
  for (const auto& [slot, r] : journal_->config().drives) raise(array_event::kind::drive_arrived, r.id);
  for (const auto& [lun, entry] : luns_) raise(array_event::kind::lun_arrived, lun);
  co_return drive(id);
}

rt::task<status> array::fail_drive(guid drive) { return impl_->declare_failed(drive); }

rt::task<status> array::impl::declare_failed(guid id) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  const auto now = drive(id);
  if (!now) co_return now.error();
  if (now->state == drive_state::failed) co_return status();
  if (now->state != drive_state::online)
    co_return failure(errc::unavailable, fmt::format("the drive is {} already", to_string(now->state)));
  const auto all = drives();
  if (std::count_if(all.begin(), all.end(), [](const auto& d) { return d.state == drive_state::online; }) == 1)
    co_return failure(errc::busy, "it is the last drive that works");
  co_return co_await fail_drive(now->slot, failure(errc::unavailable, "somebody declared it failed"));
}

rt::task<result<drive_info>> array::rejoin_drive(guid drive) { return impl_->rejoin_drive(drive); }

rt::task<result<drive_info>> array::impl::rejoin_drive(guid id) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  const auto turn = co_await drives_change_.take();
  const auto now = drive(id);
  if (!now) co_return now.error();
  const auto here = parked_.find(id);
  if (here == parked_.end())
    co_return failure(errc::unavailable, fmt::format("the drive is {}: only one that was left behind and is here "
                                                     "again can be used again",
                                                     to_string(now->state)));
  for (const auto& use : uses(id)) {
    const auto lun = luns_.find(use.lun);
    if (lun != luns_.end() && lun->second.device->health() == lun_health::failed)
      co_return failure(errc::busy, fmt::format("LUN {} has failed, and what the drive holds may be all that is left "
                                                "of it: recover or delete it first",
                                                to_string(use.lun)));
  }
  const bool spare = is_spare(id);
  add_options options;
  options.sparse = journal_->config().drives.at(now->slot).sparse;
  auto device = std::move(here->second.device);
  parked_.erase(here);
  auto joined = co_await join(std::move(device), options, false);
  if (!joined) co_return std::move(joined).error().in("using again drive", to_string(id));
  // What is lost moves there; until this is durable, somebody can order the same by hand.
  std::vector<array::setting_change> change;
  change.push_back(replacing_order(id, joined->id));
  VDS_CO_RETURN_IF_FAILED(co_await write_settings(std::move(change), {}));
  if (spare) VDS_CO_RETURN_IF_FAILED(co_await change_spares(id, joined->id));
  raise(array_event::kind::drive_modified, id);
  rebuild_later();
  co_return drive(joined->id);
}

rt::task<status> array::impl::remove_drive(guid id) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  const auto turn = co_await drives_change_.take();
  for (auto it = foreign_.begin(); it != foreign_.end(); ++it) {
    if (std::erase_if(it->second, [&id](const auto& p) { return p.superblock.drive_id == id; }) == 0) continue;
    if (it->second.empty()) foreign_.erase(it);
    raise(array_event::kind::drive_departed, id);
    co_return status();
  }
  const auto* known = journal_->config().drive_by_id(id);
  if (known == nullptr) co_return failure(errc::not_found, fmt::format("drive {}", to_string(id)));
  const auto record = *known;
  if (has_luns(record)) co_return failure(errc::busy, fmt::format("LUNs are on drive {}", to_string(id)));
  if (journal_->config().drives.size() == 1)
    co_return failure(errc::busy, "the last drive carries the array's configuration");
  if (is_spare(id)) {
    VDS_CO_RETURN_IF_FAILED(co_await change_spares(id, guid()));
    // Meanwhile it may have taken over what another one lost.
    if (has_luns(record)) co_return failure(errc::busy, fmt::format("LUNs are on drive {}", to_string(id)));
  }
  space_.remove_drive(record.slot);  // nothing new is put there
  format::bytes records;
  format::append(records, format::record(format::drive_gone_record{record.slot}));
  auto s = co_await journal_->commit(std::move(records), true);
  if (!s) co_return s;
  // No longer a member, whatever happens now; without superblocks it is blank to others.
  if (const auto d = journal_->find(record.slot)) {
    journal_->forget_drive(record.slot);
    stripes_->forget(record.slot);
    if (d->usable()) {
      for (const auto place : format::superblock_places(d->superblock.drive_bytes))
        (void)co_await d->zero(place, format::format_block, false, io::durability::fua);
      (void)co_await d->zero(d->superblock.log_offset, 2 * d->superblock.log_bytes, false, io::durability::fua);
    }
  }
  parked_.erase(id);
  raise(array_event::kind::drive_departed, id);
  co_return status();
}

}  // namespace vds::array
