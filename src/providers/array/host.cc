#include "providers/array/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "io/uring/file_device.h"
#include "io/uring/tcp.h"

namespace vds::array_provider {

namespace {

// Where a LUN's reservations and saved mode pages are (docs/format/lun_settings.md): with the array, so that they
// travel with its drives.
constexpr std::string_view scsi_settings_prefix = "iscsi/lun/";
// An atomic write that is under way, in pieces that fit a setting.
constexpr std::string_view redo_suffix = "/redo/";
constexpr std::size_t redo_piece_bytes = 48u << 10;
std::string scsi_settings_of(const guid& lun) { return std::string(scsi_settings_prefix) + to_string(lun); }

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

bool known_type(array::lun_type type) {
  using enum array::lun_type;
  return type == automatic || type == automatic_fault_tolerant || type == automatic_plain || type == simple ||
         type == span || type == stripe || type == mirror || type == parity || type == raid6 || type == raid10 ||
         type == raid50 || type == raid60;
}

// Drives without which a LUN of that type cannot be.
std::size_t fewest_drives(const array::lun_spec& spec) {
  using enum array::lun_type;
  if (spec.type == mirror) return std::max(2u, spec.plexes);
  if (spec.type == raid10) return 2 * std::max(2u, spec.plexes);
  if (spec.type == parity) return 3;
  if (spec.type == raid6) return 4;
  if (spec.type == raid50) return 6;
  if (spec.type == raid60) return 8;
  return spec.type == stripe || spec.type == automatic_fault_tolerant ? 2 : 1;
}

}  // namespace

host::host(host_options options, drive_list& drives) : options_(std::move(options)), drives_(drives) {}

result<std::unique_ptr<host>> host::start(host_options options, drive_list& drives) {
  std::unique_ptr<host> h(new host(std::move(options), drives));
  h->open_ = true;
  VDS_RETURN_IF_FAILED(h->open_reactors());
  VDS_RETURN_IF_FAILED(h->assemble());
  VDS_RETURN_IF_FAILED(h->open_portal());
  h->publish_all();
  h->targets_->start();
  return h;
}

host::~host() { close(); }

status host::open_reactors() {
  for (unsigned i = 0; i < std::max(1u, options_.reactors); ++i) {
    auto r = io::reactor_thread::start(fmt::format("reactor-{}", i));
    if (!r) return std::move(r).error();
    reactors_.push_back(std::move(*r));
  }
  jobs_ = std::make_unique<rt::gate>(reactor());
  return {};
}

status host::assemble() {
  const auto entries = drives_.entries();
  std::vector<std::unique_ptr<io::block_device>> devices;
  const deadline until = monotonic::now() + options_.patience;  // for all of them together
  for (const auto& e : entries) {
    const auto left = std::max(monotonic::duration::zero(), monotonic::duration(until - monotonic::now()));
    auto d = io::open_file_device(reactor(), e.path, {.patience = left});
    if (d)
      devices.push_back(std::move(*d));
    else  // the array says what it means that this one is missing
      log::warn("a drive is left out: {}", d.error());
  }
  array::array_options options;
  options.id = options_.id;
  options.on_event = [this](const array::array_event& e) { on_event(e); };
  options.checksums = options_.checksums;
  auto assembled = rt::block_on(reactor(), [&]() -> rt::task<result<std::unique_ptr<array::array>>> {
    return array::array::assemble(reactor(), std::move(devices), std::move(options));
  });
  if (!assembled) return std::move(assembled).error().in("assembling the array");
  array_ = std::move(*assembled);
  (void)read([this](array::array&) {
    lights_ = std::make_unique<lights>(reactor(), [this](const guid& d) {
      on_event({array::array_event::kind::drive_modified, d});
    });
    return watch_health();
  });
  for (const auto& l : array_->left_out_devices()) log::warn("{} is left out: {}", l.path, l.why);
  settle_pending(entries);
  return {};
}

// What was being added when the process ended: a member by now, or blank still, or never made, or made and empty still
// (such a file holds nothing, and as long as it is there none can be made under its name), or made and half written.
void host::settle_pending(const std::vector<drive_list::entry>& entries) {
  const auto members = read([](array::array& a) { return a.drives(); });
  for (const auto& e : entries) {
    if (!e.pending) continue;
    status settled;
    const bool member =
        members && std::any_of(members->begin(), members->end(), [&](const auto& d) { return d.path == e.path; });
    if (member) {
      settled = drives_.settle(e.path);
    } else if (std::error_code error; !std::filesystem::exists(e.path, error)) {
      settled = drives_.remove(e.path);
    } else if (std::filesystem::is_regular_file(e.path, error) && std::filesystem::is_empty(e.path, error)) {
      std::filesystem::remove(e.path, error);
      settled = drives_.remove(e.path);
    } else if (auto added = add_drive(e.path, {}, e.made); !added) {
      settled = std::move(added).error();
    }
    if (!settled) log::warn("{} was being added when the array stopped: {}", e.path, settled.error());
  }
}

// An address on every reactor.
result<targets::listeners> host::bind(const std::string& address, monotonic::duration patience) {
  // Several reactors share the port; that nobody else has it is asked first, without sharing.
  auto first = io::listen_tcp(reactor(), address, {.patience = patience});
  if (!first) return std::move(first).error();
  targets::listeners bound;
  if (reactors_.size() == 1) {
    bound.push_back(std::move(*first));
    return bound;
  }
  const std::string same = (*first)->local_name();
  first->reset();
  for (auto& r : reactors_) {
    auto l = io::listen_tcp(r->reactor(), same, {.share_port = true});
    if (!l) return std::move(l).error();
    bound.push_back(std::move(*l));
  }
  return bound;
}

status host::open_portal() {
  result<targets::listeners> bound(errc::unavailable);
  if (options_.portal.ends_with(":0") && !options_.preferred_portal.empty()) {
    bound = bind(options_.preferred_portal, options_.patience);
    if (!bound) log::warn("initiators have to look for a new port: {}", bound.error());
  }
  if (!bound) bound = bind(options_.portal, options_.patience);
  if (!bound)
    return std::move(bound).error().in("opening the iSCSI portal (choose another with --iscsi-portal ADDR:PORT)");
  portal_ = bound->front()->local_name();
  std::vector<rt::executor*> executors;
  for (auto& r : reactors_) executors.push_back(&r->reactor());
  auto done = call([&](array::array& a) -> rt::task<status> {
    targets_ = std::make_unique<targets>(
        a, std::move(executors), options_.name, [this](const std::string& address) { return bind(address, {}); },
        [this](const targets::events& told) { tell(told); });
    targets_->first_portal(std::move(*bound));
    targets_->load();
    co_return status();
  });
  return done;
}

void host::publish_all() {
  const auto done = call([this](array::array& a) -> rt::task<status> {
    for (const auto& l : a.luns()) publish(l);
    // What a crash between deleting a LUN and forgetting it left behind.
    std::vector<array::array::setting_change> stale;
    for (const std::string_view prefix : {scsi_settings_prefix, associations_prefix})
      for (const auto& [key, value] : a.settings(prefix))
        if (const auto id = parse_guid(std::string_view(key).substr(prefix.size(), 36)); id && !a.lun(*id))
          stale.push_back({key, std::nullopt});
    watch_work();  // what was going on when the process before this one ended goes on
    if (!stale.empty())
      if (const auto gone = co_await a.change_settings(std::move(stale)); !gone)
        log::warn("what deleted LUNs left behind: {}", gone.error());
    co_return status();
  });
  always(done.has_value());
}

void host::close() {
  {
    const std::unique_lock lock(open_mutex_);
    if (!open_) return;
    open_ = false;
  }
  if (lights_) {
    rt::block_on(reactor(), [this]() -> rt::task<int> {
      lights_->close();
      co_return 0;
    });
  }
  if (targets_) {
    rt::block_on(reactor(), [this] { return targets_->stop(); });
    // What LUNs do without initiators (a sanitize, a flush) ends before the array does.
    rt::block_on(reactor(), [this]() -> rt::task<void> {
      for (const auto& [id, lun] : published_) co_await targets_->unpublish(id);
    });
  }
  if (jobs_)
    rt::block_on(reactor(), [this]() -> rt::task<void> {
      for (auto& [lun, s] : scrubs_) s.cancel.request();
      closing_.request();
      if (array_) array_->look_again();
      co_await jobs_->close();
    });
  if (array_) {
    const auto closed = rt::block_on(reactor(), [this] { return array_->close(); });
    if (!closed) log::error("closing the array: {}", closed.error());
  }
  listen({});
  if (!reactors_.empty()) {
    rt::block_on(reactor(), [this]() -> rt::task<int> {
      targets_.reset();
      array_.reset();
      co_return 0;
    });
  }
  reactors_.clear();
}

std::string host::iqn() {
  return read_iscsi([](const targets& t) { return t.automatic_iqn(); }).value_or(std::string());
}

std::string host::iscsi_url(const guid& lun) {
  return read_iscsi([&](const targets& t) { return t.url(lun); }).value_or(std::string());
}

void host::listen(std::function<void(const events&)> listener,
                  std::function<void(const targets::events&)> iscsi_listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
  iscsi_listener_ = std::move(iscsi_listener);
}

order_check host::check_drives(const std::vector<guid>& drives) const {
  std::unordered_set<guid> seen;
  for (const guid& id : drives) {
    if (!seen.insert(id).second) return order_check::invalid;
    const auto d = array_->drive(id);
    if (!d) return order_check::no_such_drive;
    if (d->state != array::drive_state::online) return order_check::drive_unusable;
  }
  return order_check::fine;
}

order_check host::check(const array::lun_spec& spec) const {
  if (!known_type(spec.type)) return order_check::not_supported;
  if (const auto drives = check_drives(spec.drives); drives != order_check::fine) return drives;
  std::size_t usable = spec.drives.size();
  if (spec.drives.empty()) {
    const auto all = array_->drives();
    usable = static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [](const auto& d) { return d.state == array::drive_state::online; }));
  }
  return usable < fewest_drives(spec) ? order_check::not_enough_drives : order_check::fine;
}

result<order_check> host::check_order(const array::lun_spec& spec) {
  return read([this, &spec](array::array&) { return check(spec); });
}

result<order_check> host::begin_lun(lun_order order) {
  return call([this, &order](array::array&) -> rt::task<result<order_check>> {
    const auto ended_before = std::exchange(order.ended_before, {});
    if (ended_before && ended_before(*array_, *targets_)) co_return order_check::fine;
    const order_check answer = check(order.spec);
    if (answer == order_check::fine) {
      auto held = jobs_->hold();
      if (!held) co_return errc::closing;
      rt::start(carry_out(*this, std::move(order), std::move(held)));
    }
    co_return answer;
  });
}

// Runs on after begin_lun() has returned; `held` keeps the host open until it ends.
rt::task<void> host::carry_out(host& h, lun_order order, [[maybe_unused]] rt::gate::held held) {
  auto made = co_await h.array_->create_lun(std::move(order.spec), std::move(order.report), std::move(order.cancel),
                                            std::move(order.commit));
  if (made) h.publish(*made);
  order.done(std::move(made));
}

status host::delete_lun(guid lun) {
  return call([&](array::array&) { return remove_lun(lun); });
}

rt::task<status> host::remove_lun(guid lun) {
  auto info = array_->lun(lun);
  if (!info) co_return std::move(info).error();
  if (!changing_.insert(lun).second) co_return failure(errc::busy, "the LUN is being changed");
  if (published_.contains(lun)) {
    // From here on no initiator's command touches the device.
    co_await targets_->unpublish(lun);
    forget(lun);
  }
  leaving_[lun] = info->drives;
  auto deleted = co_await array_->delete_lun(lun);
  if (deleted) co_await forget_settings(lun);
  changing_.erase(lun);
  if (!deleted) {
    leaving_.erase(lun);
    publish(*info);
  }
  co_return deleted;
}

rt::task<void> host::forget_settings(guid lun) {
  co_await targets_->forget_lun(lun);
  if (const auto erased = co_await array_->erase_setting(scsi_settings_of(lun)); !erased)
    log::warn("what LUN {} kept for its initiators: {}", lun, erased.error());  // goes when the array is opened next
}

status host::set_mask(guid lun, std::vector<std::string> unmask) {
  return call([&](array::array&) { return change_mask(lun, std::move(unmask)); });
}

rt::task<status> host::change_mask(guid lun, std::vector<std::string> unmask) {
  auto info = array_->lun(lun);
  if (!info) co_return std::move(info).error();
  if (info->unmask == unmask) co_return status();
  if (!changing_.insert(lun).second) co_return failure(errc::busy, "the LUN is being changed");
  auto changed = co_await array_->set_mask(lun, unmask);
  // Granted only when it is on the drives; taken away before the caller is told.
  if (changed) changed = co_await targets_->set_access(lun, iscsi::access_from(unmask));
  changing_.erase(lun);
  co_return changed;
}

status host::associate(guid lun, std::vector<guid> named) {
  return call([&](array::array&) { return change_targets(lun, std::move(named)); });
}

rt::task<status> host::change_targets(guid lun, std::vector<guid> named) {
  if (!changing_.insert(lun).second) co_return failure(errc::busy, "the LUN is being changed");
  auto changed = co_await targets_->associate(lun, std::move(named));
  changing_.erase(lun);
  co_return changed;
}

result<guid> host::add_drive(const std::string& path, byte_count create, bool force) {
  const std::lock_guard one(drive_mutex_);
  auto known = read([&](array::array& a) -> bool {
    const auto all = a.drives();
    return std::any_of(all.begin(), all.end(), [&](const auto& d) { return d.path == path; });
  });
  if (!known) return std::move(known).error();
  if (*known) return failure(errc::already_exists, path + " is a drive of this array already");

  // Listed before it is touched: a crash from here on finds it again.
  if (auto listed = drives_.add_pending(path); !listed) return std::move(listed).error().in("adding", path);
  auto opened = io::open_file_device(reactor(), path, {.create = create});
  if (!opened) {
    (void)drives_.remove(path);
    return std::move(opened).error();
  }
  if (create.n != 0)
    if (auto noted = drives_.made(path); !noted) log::error("remembering {}: {}", path, noted.error());
  array::add_options options{.force = force, .zeroed = create.n != 0, .sparse = is_file(path)};
  auto added = call([&](array::array& a) -> rt::task<result<array::drive_info>> {
    auto info = co_await a.add_drive(std::move(*opened), options);
    if (info) follow_array_id();
    co_return info;
  });
  if (!added) {
    if (create.n != 0) std::filesystem::remove(path);
    (void)drives_.remove(path);
    return std::move(added).error().in("adding", path);
  }
  if (auto settled = drives_.settle(path); !settled) log::error("remembering {}: {}", path, settled.error());
  return added->id;
}

status host::remove_drive(guid drive) {
  const std::lock_guard one(drive_mutex_);
  auto info = call([&](array::array& a) -> rt::task<result<array::drive_info>> { co_return a.drive(drive); });
  if (!info) return std::move(info).error();
  VDS_RETURN_IF_FAILED(call([&](array::array& a) { return a.remove_drive(drive); }));
  return info->path.empty() ? status() : drives_.remove(info->path);
}

result<guid> host::lun_of_plex(const guid& plex) {
  return call([&](array::array&) -> rt::task<result<guid>> {
    const auto at = lun_of_plex_.find(plex);
    if (at == lun_of_plex_.end()) co_return errc::not_found;
    co_return at->second;
  });
}

result<guid> host::lun_of_naa(const naa_id& naa) {
  return call([&](array::array&) -> rt::task<result<guid>> {
    const auto at = lun_of_naa_.find(naa);
    if (at == lun_of_naa_.end()) co_return errc::not_found;
    co_return at->second;
  });
}

void host::publish(const array::lun_info& lun) {
  io::block_device* device = array_->device(lun.id);
  if (device == nullptr || published_.contains(lun.id) || changing_.contains(lun.id)) return;
  targets_->publish(lun, *device, persistence_of(lun.id));
  if (!targets_->published(lun.id)) return;
  auto& p = published_[lun.id] = {lun.number, lun.naa, {}};
  lun_of_naa_[lun.naa] = lun.id;
  for (const auto& plex : lun.plexes) {
    p.plexes.push_back(plex.id);
    lun_of_plex_[plex.id] = lun.id;
  }
}

iscsi::lun_persistence host::persistence_of(const guid& lun) {
  const std::string key = scsi_settings_of(lun);
  iscsi::lun_persistence p;
  p.saved = array_->setting(key).value_or(array::array::bytes{});
  p.save = [this, key](array::array::bytes value) { return array_->put_setting(key, std::move(value)); };
  for (const auto& [name, piece] : array_->settings(key + std::string(redo_suffix)))
    p.redo.insert(p.redo.end(), piece.begin(), piece.end());
  p.keep_redo = [this, key](array::array::bytes value) {
    std::vector<array::array::setting_change> changes;
    for (std::size_t n = 0; n * redo_piece_bytes <= iscsi::max_redo_bytes; ++n) {
      array::array::setting_change change{fmt::format("{}{}{}", key, redo_suffix, n), std::nullopt};
      const std::size_t at = std::min(n * redo_piece_bytes, value.size());
      const std::size_t end = std::min(at + redo_piece_bytes, value.size());
      if (at != end)
        change.value.emplace(value.begin() + static_cast<std::ptrdiff_t>(at),
                             value.begin() + static_cast<std::ptrdiff_t>(end));
      changes.push_back(std::move(change));
    }
    return array_->change_settings(std::move(changes));
  };
  return p;
}

void host::forget(const guid& lun) {
  const auto at = published_.find(lun);
  if (at == published_.end()) return;
  lun_of_naa_.erase(at->second.naa);
  for (const guid& plex : at->second.plexes) lun_of_plex_.erase(plex);
  published_.erase(at);
}

// An array without drives that imports another takes that one's identity, and its targets with it.
void host::follow_array_id() {
  if (targets_ && published_.empty()) targets_->follow_array();
}

// What the iSCSI side has to say.
void host::tell(const targets::events& told) {
  for (const auto& e : told)
    if (e.of == iscsi_event::kind::lun) on_event({array::array_event::kind::lun_modified, e.object});
  const std::lock_guard lock(listener_mutex_);
  if (iscsi_listener_) iscsi_listener_(told);
}

}  // namespace vds::array_provider
