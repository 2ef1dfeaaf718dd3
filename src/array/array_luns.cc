#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "array/layout/planner.h"
#include "array/layout/shape.h"
#include "base/log.h"

namespace vds::array {
namespace {

constexpr std::size_t max_failed_operations = 4096;

std::string serial_of(const guid& id) {
  std::string out;
  for (const auto byte : id.bytes) out += fmt::format("{:02X}", byte);
  return out;
}

// NAA 6: the digit 6, 24 bits of a locally administered company id, 100 bits of the LUN's id (hashed: version bits of a
// guid are the same everywhere).
std::array<std::uint8_t, 16> naa_of(const guid& id) {
  constexpr std::uint32_t company = 0x025644;
  const guid hash = name_guid(id, "naa");
  std::array<std::uint8_t, 16> out = hash.bytes;
  out[0] = static_cast<std::uint8_t>(0x60 | company >> 20);
  out[1] = static_cast<std::uint8_t>(company >> 12);
  out[2] = static_cast<std::uint8_t>(company >> 4);
  out[3] = static_cast<std::uint8_t>((company & 0xf) << 4 | (hash.bytes[3] & 0xf));
  return out;
}

std::vector<layout::run> runs_of(const format::lun_record& r) {
  std::vector<layout::run> out;
  for (const auto& p : r.plexes)
    for (const auto& column : p.columns) out.insert(out.end(), column.begin(), column.end());
  return out;
}

status check(const lun_spec& spec) {
  if (spec.size.n == 0) return failure(errc::invalid_argument, "a LUN of no size");
  if (spec.size.n > 1024_TiB) return failure(errc::too_large, "a LUN has at most 1024 TiB");
  if (spec.name.size() > format::max_name) return failure(errc::too_large, "a name has at most 255 bytes");
  if (spec.unmask.size() > format::max_unmask_entries)
    return failure(errc::too_large, "at most 1024 unmasking entries");
  for (const auto& u : spec.unmask)
    if (u.empty() || u.size() > format::max_unmask_text) return failure(errc::invalid_argument, "an unmasking entry");
  return {};
}

}  // namespace

result<array::impl::rooms> array::impl::room_on(const std::vector<guid>& drives, bool with_dirty) const {
  const auto room = [&](std::uint32_t slot) -> layout::drive_room {
    return {slot, space_.clean(slot) + (with_dirty ? space_.dirty(slot) : 0), journal_extents(slot)};
  };
  rooms out;
  for (const guid& id : drives) {
    const auto* r = journal_->config().drive_by_id(id);
    if (r == nullptr) return failure(errc::not_found, fmt::format("drive {}", to_string(id)));
    const auto d = journal_->find(r->slot);
    if (!d || !d->usable()) return failure(errc::unavailable, fmt::format("drive {} is not online", to_string(id)));
    if (is_spare(id)) return failure(errc::busy, fmt::format("drive {} is a hot spare", to_string(id)));
    if (std::any_of(out.given.begin(), out.given.end(), [r](auto& g) { return g.slot == r->slot; }))
      return failure(errc::invalid_argument, fmt::format("drive {} is named twice", to_string(id)));
    out.given.push_back(room(r->slot));
  }
  for (const auto& [slot, d] : journal_->drives())
    if (d->usable() && space_.find(slot) != nullptr && !is_spare(d->id())) out.all.push_back(room(slot));
  if (out.all.empty()) return failure(errc::no_space, "the array has no working drives");
  return out;
}

result<layout::plan> array::impl::plan(const lun_spec& spec, bool with_dirty) const {
  auto rooms = room_on(spec.drives, with_dirty);
  if (!rooms) return std::move(rooms).error();
  return layout::plan_lun(spec, rooms->given, rooms->all, extent_bytes());
}

result<byte_count> array::impl::max_lun_size(const lun_spec& spec) const {
  lun_spec s = spec;
  std::uint64_t low = 0, high = 0;  // in extents: low fits, above high nothing can
  for (const auto& [slot, r] : journal_->config().drives) high += r.extents;
  s.size = byte_count{extent_bytes()};
  auto one = plan(s, true);
  if (!one) {
    if (one.error() == errc::no_space || one.error() == errc::unavailable) return byte_count{0};
    return std::move(one).error();
  }
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    s.size = byte_count{middle * extent_bytes()};
    if (plan(s, true))
      low = middle;
    else
      high = middle - 1;
  }
  return byte_count{low * extent_bytes()};
}

rt::task<std::optional<result<guid>>> array::impl::join_operation(guid operation, guid lun,
                                                                  std::shared_ptr<running>& mine) {
  const auto self = shared_from_this();
  if (!operation) co_return std::nullopt;
  if (const auto it = running_.find(operation); it != running_.end()) {
    const auto other = it->second;
    co_await other->done;
    if (other->failed) co_return result<guid>(*other->failed);
    co_return result<guid>(other->lun);
  }
  if (const auto it = journal_->config().operations.find(operation); it != journal_->config().operations.end())
    co_return result<guid>(it->second);
  if (const auto it = failed_operations_.find(operation); it != failed_operations_.end())
    co_return result<guid>(it->second.first);
  mine = std::make_shared<running>(executor_);
  mine->lun = lun;
  running_[operation] = mine;
  co_return std::nullopt;
}

void array::impl::end_operation(const guid& operation, const std::shared_ptr<running>& mine,
                                const result<guid>& outcome) {
  if (!mine) return;
  if (outcome) {
    mine->lun = *outcome;
  } else {
    mine->failed = outcome.error();
    failed_operations_.insert_or_assign(operation, std::pair{outcome.error(), mine->lun});
    failed_order_.push_back(operation);
    if (failed_order_.size() > max_failed_operations) {
      failed_operations_.erase(failed_order_.front());
      failed_order_.pop_front();
    }
  }
  running_.erase(operation);
  mine->done.set();
}

operation_outcome array::impl::operation(const guid& id) const {
  using state = operation_outcome::state;
  if (const auto it = running_.find(id); it != running_.end()) return {state::running, std::nullopt, it->second->lun};
  if (const auto it = journal_->config().operations.find(id); it != journal_->config().operations.end())
    return {state::done, std::nullopt, it->second};
  if (const auto it = failed_operations_.find(id); it != failed_operations_.end())
    return {state::done, it->second.first, it->second.second};
  return {};
}

rt::task<result<layout::plan>> array::impl::find_room(const lun_spec& spec, const progress_callback& report,
                                                      rt::cancel_token cancel) {
  const auto self = shared_from_this();
  std::uint64_t to_wipe = 0;
  for (;;) {
    if (closing_) co_return errc::closing;
    if (cancel.requested()) co_return errc::cancelled;
    auto now = plan(spec, false);
    if (now || now.error() != errc::no_space) co_return now;
    auto later = plan(spec, true);
    if (!later) co_return later;
    // Room enough once deleted data is wiped: so that is what this waits for.
    co_await wait_for_room(to_wipe, report);
  }
}

rt::task<void> array::impl::wait_for_room(std::uint64_t& to_wipe, const progress_callback& report) {
  const auto self = shared_from_this();
  std::uint64_t dirty = 0;
  ++space_waiters_;
  for (const auto& [slot, d] : journal_->drives()) {
    if (space_.dirty(slot) == 0) continue;
    dirty += space_.dirty(slot);
    wipe_later(slot);
  }
  to_wipe = std::max(to_wipe, dirty);
  if (report) report({"wiping", byte_count{(to_wipe - dirty) * extent_bytes()}, byte_count{to_wipe * extent_bytes()}});
  const auto changed = space_event_;
  co_await *changed;
  --space_waiters_;
}

rt::task<result<guid>> array::impl::make_lun(lun_spec spec, progress_callback report, rt::cancel_token cancel,
                                             commit_callback commit) {
  const auto self = shared_from_this();
  VDS_CO_RETURN_IF_FAILED(check(spec));
  if (luns_.contains(spec.id) || creating_.contains(spec.id))
    co_return failure(errc::already_exists, fmt::format("LUN {}", to_string(spec.id)));
  if (luns_.size() + creating_.size() >= assembly::max_luns)
    co_return failure(errc::too_large, "an array has at most 131072 LUNs");
  auto record = std::make_shared<format::lun_record>();
  record->block = 512;
  for (const auto& [slot, d] : journal_->config().drives) record->block = std::max(record->block, d.logical_block);
  spec.size.n = round_up(spec.size.n, record->block);
  creating_.insert(spec.id);
  struct ending {
    std::unordered_set<guid>& set;
    guid id;
    ~ending() { set.erase(id); }
  } creating{creating_, spec.id};
  auto plan = co_await find_room(spec, report, cancel);
  if (!plan) co_return std::move(plan).error();
  record->id = spec.id;
  record->size = spec.size.n;
  record->type = plan->type;
  record->groups = plan->groups;
  record->name = std::move(spec.name);
  record->unmask = std::move(spec.unmask);
  record->hints = spec.hints;
  for (const auto& columns : plan->plexes) {
    layout::plex p{plan->stripe_bytes, {}, random_guid(random_)};
    for (const auto& shares : columns) {
      std::vector<layout::run> column;
      for (const auto& share : shares) {
        auto runs = space_.take(share.slot, share.extents);
        column.insert(column.end(), runs.begin(), runs.end());
      }
      p.columns.push_back(std::move(column));
    }
    record->plexes.push_back(std::move(p));
  }
  while (numbers_.test(first_free_number_)) ++first_free_number_;
  const std::size_t number = first_free_number_;
  numbers_.set(number);
  record->number = static_cast<std::uint32_t>(number);
  const auto undo = [&] {
    for (const auto& r : runs_of(*record)) space_.give_back(r);
    numbers_.reset(number);
    first_free_number_ = std::min(first_free_number_, number);
    space_changed();
  };
  format::bytes records;
  format::append(records, *record);
  if (auto room = journal_->room_for(records.size()); !room) {
    undo();
    co_return std::move(room).error();
  }
  if (layout::parity_of(record->type) != 0) {
    for (const auto slot : record->plexes[0].slots()) {
      auto s = co_await need_stripe_journal(slot);
      if (s) continue;
      undo();
      co_return std::move(s).error();
    }
  }
  if (cancel.requested() || (commit && !commit())) {  // the last moment
    undo();
    co_return errc::cancelled;
  }
  if (spec.operation) format::append(records, format::record(format::operation_record{spec.operation, spec.id}));
  auto committed = co_await journal_->commit(std::move(records));
  if (!committed) {
    // Whether some drive took it is unknown when the array went offline; then nothing is given out again anyway.
    if (!journal_->offline()) undo();
    co_return std::move(committed).error();
  }
  if (closing_) co_return errc::closing;
  const auto& durable = journal_->config().luns.at(spec.id);
  luns_[spec.id] = {std::make_shared<engine::lun_device>(self, durable), durable, false};
  raise(array_event::kind::lun_arrived, spec.id);
  co_return spec.id;
}

rt::task<result<lun_info>> array::impl::create_lun(lun_spec spec, progress_callback report, rt::cancel_token cancel,
                                                   commit_callback commit) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  if (!spec.id) spec.id = random_guid(random_);
  const guid operation = spec.operation;
  std::shared_ptr<running> mine;
  auto outcome = co_await join_operation(operation, spec.id, mine);
  if (!outcome) {
    outcome = co_await make_lun(std::move(spec), std::move(report), std::move(cancel), std::move(commit));
    end_operation(operation, mine, *outcome);
  }
  if (!*outcome) co_return std::move(*outcome).error();
  co_return lun(**outcome);
}

rt::task<status> array::impl::delete_lun(guid lun, guid operation) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  std::shared_ptr<running> mine;
  auto outcome = co_await join_operation(operation, lun, mine);
  if (outcome) {
    if (!*outcome) co_return std::move(*outcome).error();
    co_return status();
  }
  const auto it = luns_.find(lun);
  if (it == luns_.end() || it->second.deleting) {
    failure why(errc::not_found, fmt::format("LUN {}", to_string(lun)));
    end_operation(operation, mine, result<guid>(why));
    co_return why;
  }
  it->second.deleting = true;
  const auto device = it->second.device;
  const auto latest = it->second.latest;
  co_await device->close();
  // What is in the journal for this id must never be repeated on another LUN of the same id.
  if (layout::parity_of(latest->type) != 0) co_await stripes_->retire_all();
  const auto freed = runs_of(*latest);
  format::bytes records;
  format::append(records, format::record(format::lun_gone_record{lun, freed}));
  if (operation) format::append(records, format::record(format::operation_record{operation, lun}));
  auto s = co_await journal_->commit(std::move(records));
  if (s) {
    device->drop_marks();
    luns_.erase(lun);
    numbers_.reset(latest->number);
    first_free_number_ = std::min<std::size_t>(first_free_number_, latest->number);
    let_go(freed);
    raise(array_event::kind::lun_departed, lun);
    space_changed();
  }
  end_operation(operation, mine, s ? result<guid>(lun) : result<guid>(s.error()));
  co_return s;
}

rt::task<status> array::impl::change_lun(guid lun, guid operation, std::function<status(format::lun_record&)> change) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  std::shared_ptr<running> mine;
  auto outcome = co_await join_operation(operation, lun, mine);
  if (outcome) {
    if (!*outcome) co_return std::move(*outcome).error();
    co_return status();
  }
  const auto it = luns_.find(lun);
  status s;
  if (it == luns_.end() || it->second.deleting) {
    s = failure(errc::not_found, fmt::format("LUN {}", to_string(lun)));
  } else {
    // On top of what was asked for last: the log keeps that order.
    auto next = std::make_shared<format::lun_record>(*it->second.latest);
    s = change(*next);
    if (s) {
      it->second.latest = next;
      const auto device = it->second.device;
      format::bytes records;
      format::append(records, *next);
      if (operation) format::append(records, format::record(format::operation_record{operation, lun}));
      s = co_await journal_->commit(std::move(records));
      if (s) {
        if (const auto now = journal_->config().luns.find(lun); now != journal_->config().luns.end())
          device->set_record(now->second);
        raise(array_event::kind::lun_modified, lun);
      }
    }
  }
  end_operation(operation, mine, s ? result<guid>(lun) : result<guid>(s.error()));
  co_return s;
}

result<lun_info> array::impl::lun(const guid& id) const {
  const auto it = luns_.find(id);
  if (it == luns_.end()) return failure(errc::not_found, fmt::format("LUN {}", to_string(id)));
  return describe(*it->second.device);
}

lun_info array::impl::describe(const engine::lun_device& device) const {
  const auto& r = device.record();
  lun_info i;
  i.id = r.id;
  i.type = r.type;
  i.size = byte_count{r.size};
  i.block = block_size{r.block};
  i.name = r.name;
  i.number = r.number;
  i.serial = serial_of(r.id);
  i.naa = naa_of(r.id);
  i.unmask = r.unmask;
  i.hints = r.hints;
  i.health = device.health();
  i.offline = r.offline;
  i.checked = true;
  const auto drive_id = [&](std::uint32_t slot) {
    const auto it = journal_->config().drives.find(slot);
    return it == journal_->config().drives.end() ? guid{} : it->second.id;
  };
  for (std::size_t p = 0; p < r.plexes.size(); ++p) {
    const auto& plex = r.plexes[p];
    plex_info info;
    info.id = plex.id;
    info.type = r.type;
    const auto slots = plex.slots();
    if (r.type == lun_type::mirror) info.type = slots.size() == 1 ? lun_type::simple : lun_type::span;
    if (r.type == lun_type::raid10) info.type = lun_type::stripe;
    info.size = byte_count{plex.extents() * plex.columns.size() * extent_bytes()};
    info.stripe_bytes = plex.stripe_bytes;
    const bool works = device.plex_works(p);
    info.health =
        works ? (i.health == lun_health::resyncing ? lun_health::resyncing : lun_health::healthy) : lun_health::failed;
    if (layout::parity_of(r.type) != 0) info.health = i.health;  // the only plex is the LUN
    if (plex.filled) {
      i.change = lun_change::reconfiguring;
      const auto here = [this](std::uint32_t slot) { return find_drive(slot) && find_drive(slot)->usable(); };
      if (std::all_of(slots.begin(), slots.end(), here)) info.health = lun_health::resyncing;
    }
    for (const auto slot : slots) {
      info.drives.push_back(drive_id(slot));
      if (const auto d = journal_->find(slot); d && d->checks() == nullptr) i.checked = false;
      if (std::find(i.drives.begin(), i.drives.end(), info.drives.back()) == i.drives.end())
        i.drives.push_back(info.drives.back());
    }
    for (const auto& column : plex.columns) {
      for (const auto& run : column) {
        const auto d = journal_->find(run.slot);
        info.extents.push_back({drive_id(run.slot), byte_count{d ? d->superblock.extent_offset(run.start) : 0},
                                byte_count{std::uint64_t{run.count} * extent_bytes()}});
      }
    }
    i.plexes.push_back(std::move(info));
  }
  i.survives_drive_losses = device.tolerates();
  i.unreadable = byte_count{unreadable_bytes(r)};
  if (const auto resizing = resizing_.find(r.id); resizing != resizing_.end()) i.change = resizing->second;
  if (const auto moving = rebuilding_.find(r.id); moving != rebuilding_.end())
    i.work = moving->second;
  else if (device.resyncing())
    i.work =
        progress{"resynchronising", byte_count{(device.resync_total() - device.pending_regions()) * extent_bytes()},
                 byte_count{device.resync_total() * extent_bytes()}};
  return i;
}

}  // namespace vds::array
