// The host's events, and what it keeps of the subsystem as a whole: its name, its health, the drives' lights.
#include <algorithm>

#include "base/log.h"
#include "providers/array/host.h"

namespace vds::array_provider {

namespace {
constexpr std::string_view name_key = "subsystem/name";  // docs/format/subsystem-settings.md
}  // namespace

std::string host::name() {
  const auto kept = read([](array::array& a) { return a.setting(name_key); });
  if (!kept || !*kept) return options_.name;
  return {reinterpret_cast<const char*>((*kept)->data()), (*kept)->size()};
}

status host::set_name(const std::string& name) {
  return call([this, &name](array::array& a) -> rt::task<status> {
    const auto* const from = reinterpret_cast<const std::byte*>(name.data());
    array::array::setting_change change{std::string(name_key), std::nullopt};
    if (!name.empty() && name != options_.name) change.value.emplace(from, from + name.size());
    if (a.setting(name_key) == change.value) co_return status();
    std::vector<array::array::setting_change> changes;
    changes.push_back(std::move(change));
    auto changed = co_await a.change_settings(std::move(changes));
    if (changed) subsystem_changed();
    co_return changed;
  });
}

status host::set_light(guid drive, light to, std::uint32_t times) {
  return call([this, drive, to, times](array::array& a) -> rt::task<status> {
    std::vector<guid> which;
    if (drive) {
      if (const auto d = a.drive(drive); !d) co_return d.error();
      which.push_back(drive);
    } else {
      for (const auto& d : a.drives()) which.push_back(d.id);
    }
    for (const guid& d : which) {
      if (to == light::off) lights_->stop(d);
      if (to == light::on) lights_->start(d);
      if (to == light::blinking) lights_->pulse(d, times);
      log::info("the locate light of drive {} is {}", d,
                to == light::off  ? "off"
                : to == light::on ? "on"
                                  : "blinking");
    }
    co_return status();
  });
}

bool host::lit(const guid& drive) {
  return read([this, &drive](array::array&) { return lights_->lit(drive); }).value_or(false);
}

status host::ping(guid drive) {
  if (!drive) return call([](array::array&) -> rt::task<status> { co_return status(); });
  return call([drive](array::array& a) -> rt::task<status> {
    const auto d = a.drive(drive);
    if (!d) co_return d.error();
    if (d->state != array::drive_state::online)
      co_return failure(errc::unavailable, d->why.empty() ? std::string(to_string(d->state)) : d->why);
    co_return status();
  });
}

// Called by the array in the middle of its change: nothing may be asked of it here.
void host::on_event(const array::array_event& e) {
  pending_.objects.push_back(e);
  flush_later();
}

void host::subsystem_changed() {
  pending_.subsystem = true;
  flush_later();
}

void host::flush_later() {
  if (std::exchange(flush_posted_, true)) return;
  reactor().post([this] { flush_events(); });
}

void host::flush_events() {
  flush_posted_ = false;
  events now = std::exchange(pending_, {});
  if (!array_) return;  // during assembly: whoever starts us enumerates
  follow_array_id();
  for (const auto& e : now.objects) {
    using enum array::array_event::kind;
    if (e.what == drive_departed) lights_->forget(e.object);
    if (e.what != lun_arrived) continue;
    if (const auto lun = array_->lun(e.object); lun && targets_) publish(*lun);
  }
  add_drive_events(now.objects);
  now.subsystem |= watch_health();
  watch_work();
  const std::lock_guard lock(listener_mutex_);
  if (listener_) listener_(now);
}

bool host::watch_health() {
  const auto all = array_->drives();
  const bool whole =
      std::all_of(all.begin(), all.end(), [](const auto& d) { return d.state == array::drive_state::online; });
  return std::exchange(whole_, whole) != whole;
}

// A LUN that comes or goes changes what its drives have free: part of the same change.
void host::add_drive_events(std::vector<array::array_event>& told) {
  using enum array::array_event::kind;
  std::vector<guid> touched;
  for (const auto& e : told) {
    if (e.what == lun_arrived) {
      if (const auto lun = array_->lun(e.object)) touched.insert(touched.end(), lun->drives.begin(), lun->drives.end());
    } else if (e.what == lun_departed) {
      if (auto gone = leaving_.extract(e.object)) {
        touched.insert(touched.end(), gone.mapped().begin(), gone.mapped().end());
      }
    }
  }
  for (const guid& drive : touched) {
    const auto same = [&](const auto& e) { return e.what == drive_modified && e.object == drive; };
    if (std::none_of(told.begin(), told.end(), same)) told.push_back({drive_modified, drive});
  }
}

}  // namespace vds::array_provider
