#include "array/array.h"

#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "array/engine/intents.h"
#include "base/log.h"

namespace vds::array {
namespace {
constexpr auto wipe_delay = 1s;               // neighbours deleted together are wiped together
constexpr std::uint64_t wipe_bytes = 64_MiB;  // between two looks at whether to go on
}  // namespace

array::impl::impl(rt::executor& ex, array_options o)
    : executor_(ex),
      options_(std::move(o)),
      random_(options_.random != nullptr ? *options_.random : system_random()),
      id_(options_.id ? options_.id : random_guid(random_)),
      fill_event_(std::make_shared<rt::event>(ex)),
      rebuilding_turn_(ex),
      space_event_(std::make_shared<rt::event>(ex)),
      drives_change_(ex),
      settings_change_(ex),
      stripes_change_(ex),
      background_(ex) {
  assembly::config empty;
  empty.array_id = id_;
  empty.array = {options_.extent_bytes, 1};
  start_journal(std::move(empty));
}
array::impl::~impl() = default;

void array::impl::start_journal(assembly::config c) {
  journal_ = std::make_shared<engine::journal>(executor_, random_, std::move(c));
  stripes_ = std::make_shared<engine::stripe_journal>(executor_, random_);
  start();
}

void array::impl::start() {
  stripes_->set_pool(weak_from_this());
  journal_->on_failed = [weak = weak_from_this()](engine::drive& d) {
    if (auto self = weak.lock()) self->drive_failed(d);
  };
}

void array::impl::set_operation_limit() {
  std::size_t least = SIZE_MAX;
  for (const auto& [slot, d] : journal_->drives()) least = std::min<std::size_t>(least, d->superblock.log_bytes);
  journal_->limit_operations(std::clamp<std::size_t>(least / 8 / 40, 64, assembly::max_operations));
}

void array::impl::raise(array_event::kind what, const guid& object) {
  if (!options_.on_event || closing_) return;
  executor_.post([weak = weak_from_this(), what, object] {
    if (auto self = weak.lock(); self && !self->closing_) self->options_.on_event({what, object});
  });
}

bool array::impl::gives_back_space(std::uint32_t slot) const {
  const auto it = journal_->config().drives.find(slot);
  return it != journal_->config().drives.end() && it->second.sparse;
}

rt::task<status> array::impl::fail_drive(std::uint32_t slot, failure why) {
  const auto self = shared_from_this();
  co_return co_await journal_->fail_drive(slot, std::move(why));
}

bool array::impl::recorded_as_lost(std::uint32_t slot) const {
  const auto it = journal_->config().drives.find(slot);
  return (it == journal_->config().drives.end() || !it->second.member) && journal_->settled();
}

void array::impl::drive_failed(engine::drive& d) {
  raise(array_event::kind::drive_modified, d.id());
  for (const auto& [id, entry] : luns_) {
    for (const auto& p : entry.device->record().plexes) {
      if (!p.uses(d.slot())) continue;
      entry.device->refresh_health();
      break;
    }
  }
  space_changed();
  filled_some();
  rebuild_later();
}

void array::impl::let_go(const std::vector<layout::run>& runs) {
  for (const auto& r : runs) {
    space_.freed(r);
    if (const auto d = journal_->find(r.slot)) {
      d->stale.remove(r.start, r.count);
      d->unreadable.remove(std::uint64_t{r.start} * extent_bytes(), std::uint64_t{r.count} * extent_bytes());
    }
    wipe_later(r.slot);
  }
}

void array::impl::space_changed() {
  space_event_->set();
  space_event_ = std::make_shared<rt::event>(executor_);
}

// Opening ------------------------------------------------------------------------------------------------------------

rt::task<status> array::impl::take_over(std::vector<assembly::probed> found, bool force) {
  const auto self = shared_from_this();
  std::vector<assembly::candidate> candidates;
  for (const auto& p : found) candidates.push_back(p.known);
  auto chosen = assembly::choose(candidates, force);
  if (!chosen) {
    std::string why;
    for (const auto& p : found)
      if (p.why) why += fmt::format("; {}: {}", p.known.name, p.why->message());
    co_return failure(chosen.error().code(), fmt::format("array {}: {}{}", to_string(found[0].superblock.array_id),
                                                         chosen.error().message(), why));
  }
  const std::size_t from = chosen->from;
  id_ = found[from].superblock.array_id;
  space_ = std::move(found[from].space);
  const bool clean = found[from].configuration.clean;
  start_journal(std::move(found[from].configuration));
  log::info("array {}: {} of {} members, {} LUNs, epoch {}, change {}{}", id_, chosen->members.size(),
            journal_->config().members(), journal_->config().luns.size(), journal_->config().epoch.epoch,
            journal_->config().sequence, clean ? "" : ", not shut down cleanly");
  std::vector<std::shared_ptr<engine::drive>> members;
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto& p = found[i];
    if (std::find(chosen->members.begin(), chosen->members.end(), i) != chosen->members.end()) {
      auto d = std::make_shared<engine::drive>(std::move(p.device), p.superblock, options_.request_deadline,
                                               engine::checking{options_.cached_regions});
      d->log = {p.log_area, p.log_cycle, 0, 0, 0};
      d->intent = std::make_unique<engine::intents>(*d);
      if (auto s = co_await d->open_checks(); !s) {  // it hangs
        log::error("drive {} ({}) is left out: {}", d->id(), d->name(), s.error().in("opening its checksums"));
        continue;
      }
      VDS_CO_RETURN_IF_FAILED(co_await d->intent->load());
      members.push_back(std::move(d));
      continue;
    }
    const auto* record = journal_->config().drive_by_id(p.superblock.drive_id);
    if (record == nullptr) {
      left_out_.push_back({p.known.name, failure(errc::stale, "it was removed from the array")});
      continue;
    }
    parked_[record->id] = {std::move(p.device), drive_state::stale,
                           "left behind: the array went on without it, its content is old"};
  }
  auto opened = co_await journal_->open(std::move(members), force);
  if (!opened) co_return std::move(opened).error().in("opening array", to_string(id_));
  set_operation_limit();
  for (const auto& [slot, d] : journal_->drives()) watch_unreadable(d);
  for (const auto& [id, record] : journal_->config().luns) {
    numbers_.set(record->number);
    doubt_unfilled(*record);
    luns_[id] = {std::make_shared<engine::lun_device>(shared_from_this(), record), record, false};
  }
  VDS_CO_RETURN_IF_FAILED(co_await open_stripes(clean));
  std::unordered_map<std::uint32_t, std::unordered_set<std::uint32_t>> keep;
  for (const auto& [id, entry] : luns_) {
    entry.device->find_differences();
    entry.device->for_each_marked([&keep](layout::extent_place at) { keep[at.slot].insert(at.extent); });
  }
  for (const auto& [slot, d] : journal_->drives()) {
    watch_checks(*d);
    d->intent->keep_only(keep[slot]);
    if (space_.dirty(slot) > 0) wipe_later(slot);
  }
  rebuild_later();
  co_return status();
}

rt::task<result<std::unique_ptr<array>>> array::assemble(rt::executor& ex,
                                                         std::vector<std::unique_ptr<io::block_device>> devices,
                                                         array_options options) {
  const bool force = options.force;
  auto i = std::make_shared<impl>(ex, std::move(options));
  i->start();
  for (const auto& d : devices)
    if (&d->executor() != &ex) co_return failure(errc::invalid_argument, "a drive of another executor");
  std::vector<assembly::probed> found;
  std::vector<rt::task<result<assembly::probed>>> probes;
  for (auto& d : devices) probes.push_back(assembly::probe(d));
  auto results = co_await rt::when_all(std::move(probes));
  for (std::size_t k = 0; k < results.size(); ++k) {
    auto& p = results[k];
    if (p) {
      found.push_back(std::move(*p));
    } else if (p.error() == errc::too_new) {
      co_return std::move(p).error();
    } else {
      log::warn("{} is left out: {}", devices[k]->name(), p.error());
      i->left_out_.push_back({std::string(devices[k]->name()), p.error()});
    }
  }
  for (std::size_t a = 0; a < found.size(); ++a) {
    for (std::size_t b = a + 1; b < found.size(); ++b) {
      if (found[a].superblock.array_id != found[b].superblock.array_id)
        co_return failure(errc::not_ours, fmt::format("{} belongs to array {}, {} to array {}", found[a].known.name,
                                                      to_string(found[a].superblock.array_id), found[b].known.name,
                                                      to_string(found[b].superblock.array_id)));
      if (found[a].superblock.drive_id == found[b].superblock.drive_id)
        co_return failure(errc::duplicate, fmt::format("{} and {} are the same drive, or one is a copy of the other",
                                                       found[a].known.name, found[b].known.name));
    }
  }
  // A drive that nobody knows as a member was being added when the power went, or was removed.
  const auto known = [&found](const guid& drive) {
    for (const auto& p : found) {
      const auto& m = p.known.members;
      if (std::find(m.begin(), m.end(), drive) != m.end()) return true;
      if (p.known.loadable && p.configuration.drive_by_id(drive) != nullptr) return true;
    }
    return false;
  };
  // Before any is moved from: a drive may be known by others only, when the power went while they were told of it.
  std::vector<bool> is_member;
  for (const auto& p : found) is_member.push_back(!p.known.loadable || known(p.known.drive));
  std::vector<assembly::probed> members;
  for (std::size_t k = 0; k < found.size(); ++k) {
    if (is_member[k])
      members.push_back(std::move(found[k]));
    else
      i->left_out_.push_back({found[k].known.name, failure(errc::stale, "not a member: adding it was never finished")});
  }
  if (!members.empty()) {
    auto s = co_await i->take_over(std::move(members), force);
    if (!s) {
      i->abandon();
      co_return std::move(s).error();
    }
  }
  co_return std::unique_ptr<array>(new array(std::move(i)));
}

// Closing ------------------------------------------------------------------------------------------------------------

rt::task<status> array::impl::close() {
  const auto self = shared_from_this();
  if (closed_) co_return status();
  closing_ = true;
  space_changed();
  filled_some();
  std::vector<std::shared_ptr<engine::lun_device>> devices;
  for (const auto& [id, entry] : luns_) devices.push_back(entry.device);
  for (const auto& d : devices) co_await d->close();
  co_await background_.close();
  status first;
  co_await stripes_->retire_all();
  for (const auto& d : devices)
    if (d->marked()) (void)co_await d->clear_idle(monotonic::time_point::max());
  const auto drives = journal_->drives();
  for (const auto& [slot, d] : drives) {
    if (!d->usable()) continue;
    status s;
    while (s && d->wants_settling(monotonic::time_point::max(), false))
      s = co_await d->settle_checks(monotonic::time_point::max(), false);
    if (s) s = co_await d->intent->write_changed();
    if (s) s = co_await d->flush();
    if (!s) (void)co_await journal_->fail_drive(slot, std::move(s).error());
  }
  if (!journal_->config().drives.empty()) {
    format::bytes records;
    format::append(records, format::record(format::shutdown_record{stripes_->all_retired()}));
    first = co_await journal_->commit(std::move(records));
  }
  co_await journal_->close();
  closed_ = true;
  co_return first;
}

void array::impl::abandon() {
  closing_ = true;
  space_changed();
  filled_some();
  luns_.clear();  // they hold us
  journal_->on_failed = nullptr;
}

// Background work ----------------------------------------------------------------------------------------------------

void array::impl::marks_appeared(std::shared_ptr<engine::lun_device> lun) {
  marked_[lun->record().id] = lun;
  sweep_later();
}

void array::impl::watch_checks(engine::drive& d) {
  if (d.checks() == nullptr) return;
  d.checks()->on_unsettled([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->sweep_later();
  });
  d.checks()->on_first_corrupt([weak = weak_from_this(), id = d.id()] {
    if (auto self = weak.lock()) self->raise(array_event::kind::drive_modified, id);
  });
  if (!d.checks()->settled()) sweep_later();
}

void array::impl::sweep_later() {
  if (sweeping_ || closing_) return;
  sweeping_ = true;
  executor_.run_at(executor_.now() + options_.intent_idle, [weak = weak_from_this()] {
    if (auto self = weak.lock(); self && !self->closing_)
      rt::start(sweep(self));
    else if (self)
      self->sweeping_ = false;
  });
}

rt::task<void> array::impl::sweep(std::shared_ptr<impl> self) {
  const auto held = self->background_.hold();
  if (!held) co_return;
  const auto before = self->executor_.now() - self->options_.intent_idle;
  std::vector<std::shared_ptr<engine::lun_device>> luns;
  for (auto it = self->marked_.begin(); it != self->marked_.end();) {
    if (auto lun = it->second.lock())
      luns.push_back(std::move(lun)), ++it;
    else
      it = self->marked_.erase(it);
  }
  bool more = false;
  for (const auto& lun : luns) {
    const auto busy = lun->gate().hold();
    if (!busy || self->stopped()) continue;
    const bool left = co_await lun->clear_idle(before);
    if (!lun->marked()) self->marked_.erase(lun->record().id);
    more = more || left;
  }
  const auto drives = self->journal_->drives();
  for (const auto& [slot, d] : drives) {
    if (!d->usable() || self->stopped()) continue;
    auto s = co_await d->intent->write_changed();
    while (s && !self->stopped() && d->wants_settling(before, true)) s = co_await d->settle_checks(before, true);
    if (!s) (void)co_await self->journal_->fail_drive(slot, std::move(s).error());
  }
  // Of all drives, and now: some may have been written to while another was settled.
  for (const auto& [slot, d] : self->journal_->drives())
    more = more || (d->usable() && d->checks() != nullptr && !d->checks()->settled());
  self->sweeping_ = false;
  if (more && !self->stopped()) self->sweep_later();
}

void array::impl::needs_resync(std::shared_ptr<engine::lun_device> lun) {
  to_resync_.push_back(lun);
  resynchronised_.insert(lun->record().id);
  if (resyncing_ || closing_) return;
  resyncing_ = true;
  executor_.post([self = shared_from_this()] { rt::start(resync_loop(self)); });
}

rt::task<void> array::impl::resync_loop(std::shared_ptr<impl> self) {
  const auto held = self->background_.hold();
  while (held && !self->to_resync_.empty() && !self->stopped()) {
    const auto lun = self->to_resync_.front().lock();
    self->to_resync_.pop_front();
    if (!lun) continue;
    const auto busy = lun->gate().hold();
    if (!busy) continue;
    log::info("LUN {}: resynchronising {} regions", lun->record().id, lun->pending_regions());
    while (!self->stopped() && co_await lun->resync_some()) {
    }
    self->sweep_later();  // unmarks what is equal now
  }
  self->resyncing_ = false;
}

void array::impl::wipe_later(std::uint32_t slot) {
  if (stopped() || wiping_.contains(slot)) return;
  if (space_waiters_ > 0) {
    wiping_.insert(slot);
    executor_.post([self = shared_from_this(), slot] { rt::start(wipe_loop(self, slot)); });
    return;
  }
  if (!wipe_timers_.insert(slot).second) return;
  executor_.run_at(executor_.now() + wipe_delay, [weak = weak_from_this(), slot] {
    const auto self = weak.lock();
    if (!self || self->stopped()) return;
    self->wipe_timers_.erase(slot);
    if (self->wiping_.insert(slot).second) rt::start(wipe_loop(self, slot));
  });
}

rt::task<void> array::impl::wipe_loop(std::shared_ptr<impl> self, std::uint32_t slot) {
  const auto held = self->background_.hold();
  const std::uint32_t extent = self->extent_bytes();
  while (held && !self->stopped()) {
    const auto d = self->journal_->find(slot);
    auto* space = self->space_.find(slot);
    if (!d || !d->usable() || space == nullptr || space->dirty.empty()) break;
    const auto [start, count] = *space->dirty.begin();
    const layout::run run{slot, start,
                          std::min(count, static_cast<std::uint32_t>(std::max<std::uint64_t>(1, wipe_bytes / extent)))};
    auto s = co_await d->zero(d->superblock.extent_offset(run.start), std::uint64_t{run.count} * extent,
                              self->gives_back_space(slot), io::durability::fua);
    if (!s) {
      (void)co_await self->journal_->fail_drive(slot, std::move(s).error().in("wiping deleted data"));
      break;
    }
    // A LUN made from these extents comes in a later batch than this record, or in the same one behind it.
    self->space_.wiped(run);
    format::bytes record;
    format::append(record, format::record(format::wiped_record{{run}}));
    self->journal_->later(std::move(record));
    self->space_changed();
  }
  self->wiping_.erase(slot);
}

// The facade ---------------------------------------------------------------------------------------------------------

array::array(std::shared_ptr<impl> i) : impl_(std::move(i)) {}
array::~array() { impl_->abandon(); }
void array::abandon() { impl_->abandon(); }
guid array::id() const { return impl_->id_; }
rt::executor& array::executor() const { return impl_->executor_; }
rt::task<status> array::close() { return impl_->close(); }

rt::task<result<drive_info>> array::add_drive(std::unique_ptr<io::block_device> device, add_options options) {
  return impl_->add_drive(std::move(device), options);
}
rt::task<status> array::set_spare(guid drive, bool on) { return impl_->set_spare(drive, on); }
rt::task<status> array::replace_drive(guid source, guid target) { return impl_->replace_drive(source, target); }
status array::may_replace(const guid& source, const guid& target) const { return impl_->may_replace(source, target); }
rt::task<status> array::recover_lun(guid lun, progress_callback report, rt::cancel_token cancel) {
  return impl_->recover_lun(lun, std::move(report), std::move(cancel));
}
rt::task<status> array::remove_drive(guid drive) { return impl_->remove_drive(drive); }
std::vector<drive_info> array::drives() const { return impl_->drives(); }
result<drive_info> array::drive(const guid& id) const { return impl_->drive(id); }
std::vector<drive_info::use> array::drive_uses(const guid& id) const { return impl_->uses(id); }
const std::vector<left_out>& array::left_out_devices() const { return impl_->left_out_; }

rt::task<result<lun_info>> array::create_lun(lun_spec spec, progress_callback report, rt::cancel_token cancel,
                                             commit_callback commit) {
  return impl_->create_lun(std::move(spec), std::move(report), std::move(cancel), std::move(commit));
}
rt::task<status> array::delete_lun(guid lun, guid operation) { return impl_->delete_lun(lun, operation); }
rt::task<status> array::set_mask(guid lun, std::vector<std::string> unmask, guid operation) {
  return impl_->change_lun(lun, operation, [unmask = std::move(unmask)](format::lun_record& r) -> status {
    if (unmask.size() > format::max_unmask_entries) return errc::too_large;
    for (const auto& u : unmask)
      if (u.empty() || u.size() > format::max_unmask_text) return errc::invalid_argument;
    r.unmask = unmask;
    return {};
  });
}
rt::task<status> array::set_name(guid lun, std::string name, guid operation) {
  return impl_->change_lun(lun, operation, [name = std::move(name)](format::lun_record& r) -> status {
    if (name.size() > format::max_name) return errc::too_large;
    r.name = name;
    return {};
  });
}
rt::task<status> array::set_hints(guid lun, lun_hints hints, guid operation) {
  return impl_->change_lun(lun, operation, [hints](format::lun_record& r) -> status {
    r.hints = hints;
    return {};
  });
}
rt::task<status> array::set_offline(guid lun, bool offline, guid operation) {
  return impl_->change_lun(lun, operation, [offline](format::lun_record& r) -> status {
    r.offline = offline;
    return {};
  });
}
rt::task<status> array::extend_lun(guid lun, byte_count by, std::vector<guid> drives, change_options how) {
  return impl_->extend_lun(lun, by, std::move(drives), std::move(how));
}
rt::task<status> array::shrink_lun(guid lun, byte_count by, change_options how) {
  return impl_->shrink_lun(lun, by, std::move(how));
}
rt::task<result<scrub_report>> array::scrub_lun(guid lun, bool repair, progress_callback report,
                                                rt::cancel_token cancel) {
  return impl_->scrub_lun(lun, repair, std::move(report), std::move(cancel));
}
result<byte_count> array::max_extension(const guid& lun, const std::vector<guid>& drives) const {
  return impl_->max_extension(lun, drives);
}
result<lun_plan> array::plan_extension(const guid& lun, byte_count by, const std::vector<guid>& drives) const {
  return impl_->plan_extension(lun, by, drives);
}
result<byte_count> array::max_lun_size(const lun_spec& spec) const { return impl_->max_lun_size(spec); }

std::vector<lun_info> array::luns() const {
  std::vector<lun_info> out;
  out.reserve(impl_->luns_.size());
  for (const auto& [id, entry] : impl_->luns_) out.push_back(impl_->describe(*entry.device));
  return out;
}
std::vector<guid> array::lun_ids() const {
  std::vector<guid> out;
  out.reserve(impl_->luns_.size());
  for (const auto& [id, entry] : impl_->luns_) out.push_back(id);
  return out;
}
std::size_t array::lun_count() const { return impl_->luns_.size(); }
result<lun_info> array::lun(const guid& id) const { return impl_->lun(id); }
io::block_device* array::device(const guid& lun) {
  const auto it = impl_->luns_.find(lun);
  return it == impl_->luns_.end() ? nullptr : it->second.device.get();
}
operation_outcome array::operation(const guid& id) const { return impl_->operation(id); }
rt::task<status> array::forget_operation(guid id) {
  const auto i = impl_;
  i->failed_operations_.erase(id);
  if (i->journal_->config().operations.contains(id)) {
    format::bytes record;
    format::append(record, format::record(format::forget_record{id}));
    i->journal_->later(std::move(record));
  }
  co_return status();
}

}  // namespace vds::array
