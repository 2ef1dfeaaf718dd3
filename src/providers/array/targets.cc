// What there is, and how it comes from the settings and goes to the initiators. The changes are in targets_change.cc.
#include "providers/array/targets.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace vds::array_provider {

namespace {

using enum iscsi_event::change;
using kind = iscsi_event::kind;

std::string iqn_of(const guid& id) { return "iqn.2026-11.internal.vds:" + to_string(id); }

}  // namespace

targets::targets(array::array& array, std::vector<rt::executor*> reactors, std::string name, binder bind,
                 std::function<void(const events&)> tell)
    : array_(array),
      reactors_(std::move(reactors)),
      name_(std::move(name)),
      bind_(std::move(bind)),
      tell_(std::move(tell)),
      executor_(array.executor()),
      one_(executor_),
      gate_(executor_),
      array_id_(array.id()),
      server_(std::make_unique<iscsi::portal_server>(std::vector<iscsi::portal>())) {}
targets::~targets() = default;

// --- ids

guid targets::automatic_target() const { return name_guid(array_id_, "iscsi target"); }
guid targets::portal_object(const guid& config_id) const {
  return config_id ? config_id : name_guid(array_id_, "iscsi portal");
}
guid targets::portal_config(const guid& object_id) const { return object_id == portal_object({}) ? guid{} : object_id; }

iscsi_target targets::automatic_config() const {
  iscsi_target t;
  t.id = automatic_target();
  t.iqn = iqn_of(array_id_);
  t.name = name_;
  t.groups.push_back({name_guid(array_id_, "iscsi portal group"), 1, {guid{}}});
  return t;
}

targets::live_target* targets::find(const guid& id) {
  const auto at = targets_.find(id);
  return at == targets_.end() || at->second.config.deleted ? nullptr : &at->second;
}
const targets::live_target* targets::find(const guid& id) const { return const_cast<targets*>(this)->find(id); }

targets::live_target* targets::of_group(const guid& group, iscsi_group** which) {
  for (auto& [id, t] : targets_) {
    for (iscsi_group& g : t.config.groups) {
      if (g.id != group || t.config.deleted) continue;
      if (which != nullptr) *which = &g;
      return &t;
    }
  }
  return nullptr;
}

// --- from the settings

void targets::first_portal(listeners bound) {
  portals_[guid{}].config.address = bound.front()->local_name();
  open({}, std::move(bound));
}

void targets::load() {
  load_portals();
  load_targets();
}

void targets::load_portals() {
  for (const auto& [key, value] : array_.settings(portals_prefix)) {
    auto p = decode_portal(value);
    if (!p || id_of_key(key, portals_prefix) != p->id) {
      log::error("{} is left out: {}", key, p ? failure(errc::corrupt) : p.error());
      continue;
    }
    const guid id = p->id;
    live_portal& here = portals_[id];
    if (!id) p->address = here.config.address;  // that is the machine's
    here.config = std::move(*p);
    if (here.config.offline || !here.bound.empty()) continue;
    if (auto bound = bind_(here.config.address))
      open(id, std::move(*bound));
    else
      log::warn("iSCSI portal {}: {}; it is tried again", here.config.address, bound.error());
  }
  if (portals_[guid{}].config.offline) {
    portals_[guid{}].bound.clear();
    if (auto held = gate_.hold())
      rt::start(
          [](targets& self, rt::gate::held) -> rt::task<void> { co_await self.close({}); }(*this, std::move(held)));
  }
  retry_later();
}

void targets::load_targets() {
  bool automatic = false;
  for (const auto& [key, value] : array_.settings(targets_prefix)) {
    auto t = decode_target(value);
    const auto id = id_of_key(key, targets_prefix);
    automatic = automatic || id == automatic_target();
    if (!t || id != t->id) {
      // Not shown at all: without its secrets it would be open to everybody.
      log::error("{} is left out: {}", key, t ? failure(errc::corrupt) : t.error());
      continue;
    }
    bring_up(std::move(*t));
  }
  if (!automatic) bring_up(automatic_config());
  for (const auto& [key, value] : array_.settings(associations_prefix)) {
    auto list = decode_association(value);
    const auto id = id_of_key(key, associations_prefix);
    if (!list || !id) {
      log::error("{} is not understood; the LUN is shown by no target: {}", key,
                 list ? failure(errc::corrupt) : list.error());
      if (id) associated_[*id] = {};
      continue;
    }
    associated_[*id] = std::move(*list);
  }
  if (const auto record = array_.setting(operations_key)) {
    if (auto past = decode_operations(*record)) operations_ = std::move(*past);
  }
}

void targets::bring_up(iscsi_target config) {
  const guid id = config.id;
  live_target& t = targets_[id];
  t.config = std::move(config);
  if (t.config.deleted) return;
  t.object = std::make_unique<iscsi::target>(iscsi::target_options{.iqn = t.config.iqn, .alias = t.config.name});
  apply(t);
  if (auto s = server_->add(*t.object); !s) log::error("iSCSI target {}: {}", t.config.iqn, s.error());
}

// What may change of a target, to where the sessions look.
void targets::apply(live_target& t) {
  std::vector<iscsi::portal_group> groups;
  for (const iscsi_group& g : t.config.groups) groups.push_back({g.tag, g.portals});
  t.object->set_alias(t.config.name);
  t.object->set_groups(std::move(groups));
  const auto set = t.object->set_secrets(t.config.secrets);
  always(set.has_value());  // they were looked at before they were kept
  for (const auto& [lun, u] : units_)
    if (std::find(u.shown_by.begin(), u.shown_by.end(), t.config.id) != u.shown_by.end()) tell_ports(u);
}

// The target ports of a LUN are the portal groups of all targets that show it; the tags of all of them differ.
void targets::tell_ports(const unit& u) const {
  std::vector<std::uint16_t> tags;
  for (const guid& id : u.shown_by)
    if (const live_target* t = find(id))
      for (const iscsi_group& g : t->config.groups) tags.push_back(g.tag);
  u.ports->set(std::move(tags));
}

void targets::take_down(live_target t) {
  if (!t.object) return;
  iscsi::target& object = *t.object;
  retired_.push_back(std::move(t.object));
  auto held = gate_.hold();
  if (!held) return;
  rt::start([](targets& self, iscsi::target& gone, rt::gate::held h) -> rt::task<void> {
    co_await self.server_->remove(gone);
    // remove() may resume elsewhere; the gate belongs to the array's executor.
    self.executor_.post([h = std::move(h)]() mutable { auto done = std::move(h); });
  }(*this, object, std::move(held)));
}

void targets::start() {
  started_ = true;
  server_->start();
}

rt::task<void> targets::stop() {
  stopped_ = true;
  executor_.cancel_timer(retry_);
  co_await gate_.close();
  co_await server_->stop();
  co_await executor_.turn();
}

void targets::follow_array() {
  if (array_.id() == array_id_) return;
  events told;
  for (auto& [id, t] : targets_) {
    if (t.config.deleted) continue;
    for (const auto& g : t.config.groups) told.push_back({kind::portal_group, departed, g.id});
    told.push_back({kind::target, departed, id});
  }
  told.push_back({kind::portal, departed, portal_object({})});
  auto before = std::exchange(targets_, {});
  for (auto& [id, t] : before) take_down(std::move(t));
  associated_.clear();
  array_id_ = array_.id();
  load();
  for (const auto& [id, p] : portals_) told.push_back({kind::portal, arrived, portal_object(id)});
  for (const auto& [id, t] : targets_) {
    if (t.config.deleted) continue;
    told.push_back({kind::target, arrived, id});
    for (const auto& g : t.config.groups) told.push_back({kind::portal_group, arrived, g.id});
  }
  tell_(told);
}

// --- portals

void targets::open(const guid& config_id, listeners bound) {
  always(bound.size() == reactors_.size());
  portals_[config_id].bound = bound.front()->local_name();
  std::vector<iscsi::portal> all;
  for (std::size_t i = 0; i < bound.size(); ++i) all.push_back({*reactors_[i], std::move(bound[i]), config_id});
  server_->add_portal(std::move(all));
}

rt::task<void> targets::close(guid config_id) {
  if (const auto at = portals_.find(config_id); at != portals_.end()) at->second.bound.clear();
  co_await server_->remove_portal(config_id);
  if (!executor_.on_this_thread()) {
    struct back {
      rt::executor& there;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) const {
        there.post([h] { h.resume(); });
      }
      void await_resume() const noexcept {}
    };
    co_await back{executor_};
  }
}

// An address that is not there (yet), or that somebody else has: initiators find the portal when that has changed.
void targets::retry_later() {
  const auto waits = [](const auto& p) { return p.first && !p.second.config.offline && p.second.bound.empty(); };
  if (stopped_ || retry_ != 0 || std::none_of(portals_.begin(), portals_.end(), waits)) return;
  retry_ = executor_.run_at(executor_.now() + 2s, [this] {
    retry_ = 0;
    events told;
    for (auto& [id, p] : portals_) {
      if (!id || p.config.offline || !p.bound.empty()) continue;
      auto bound = bind_(p.config.address);
      if (!bound) continue;
      open(id, std::move(*bound));
      log::info("iSCSI portal {} is open now", p.bound);
      told.push_back({kind::portal, modified, id});
    }
    if (!told.empty()) tell_(told);
    retry_later();
  });
}

// --- LUNs

bool targets::has_automatic() const { return find(automatic_target()) != nullptr; }

std::vector<guid> targets::wanted(const guid& lun) const {
  const auto at = associated_.find(lun);
  std::vector<guid> out;
  if (at == associated_.end()) {
    if (has_automatic()) out.push_back(automatic_target());
  } else {
    for (const guid& id : at->second)
      if (find(id) != nullptr) out.push_back(id);
  }
  return out;
}

void targets::publish(const array::lun_info& lun, io::block_device& device, iscsi::lun_persistence persistence) {
  if (units_.contains(lun.id)) return;
  auto ports = std::make_shared<iscsi::target_ports>();
  auto made = iscsi::make_unit({.number = lun.number,
                                .id = lun.id,
                                .device = device,
                                .naa = {lun.naa.begin(), lun.naa.end()},
                                .serial = lun.serial,
                                .vendor = std::string(inquiry_vendor),
                                .product = std::string(inquiry_product),
                                .revision = std::string(inquiry_revision),
                                .persistence = std::move(persistence)},
                               iqn_of(array_id_), ports);
  if (!made) {
    log::error("publishing LUN {} as number {}: {}", lun.id, lun.number, made.error());
    return;
  }
  unit u{lun.number, std::move(*made), std::move(ports), iscsi::access_from(lun.unmask), {}};
  for (const guid& id : wanted(lun.id)) {
    live_target* t = find(id);
    if (t->going) continue;
    if (auto s = t->object->attach(u.lun, u.who); !s)
      log::error("showing LUN {} as number {} of {}: {}", lun.id, lun.number, t->config.iqn, s.error());
    else
      u.shown_by.push_back(id);
  }
  tell_ports(u);
  units_.emplace(lun.id, std::move(u));
}

void targets::resized(const guid& lun) {
  if (const auto at = units_.find(lun); at != units_.end()) iscsi::unit_resized(at->second.lun);
}

rt::task<void> targets::unpublish(guid lun) {
  auto gone = units_.extract(lun);
  if (gone.empty()) co_return;
  const unit& u = gone.mapped();
  for (const guid& id : u.shown_by)
    if (live_target* t = find(id)) (void)co_await t->object->detach(u.number);
  // From here on no initiator's command touches the device.
  co_await iscsi::close_unit(u.lun);
}

rt::task<status> targets::set_access(guid lun, iscsi::access who) {
  const auto at = units_.find(lun);
  if (at == units_.end()) co_return status();
  at->second.who = who;
  const std::uint32_t number = at->second.number;
  for (const guid& id : std::vector(at->second.shown_by)) {
    if (live_target* t = find(id)) VDS_CO_RETURN_IF_FAILED(co_await t->object->set_access(number, who));
  }
  co_return status();
}

rt::task<void> targets::forget_lun(guid lun) {
  const auto turn = co_await one_.take();
  if (associated_.erase(lun) == 0) co_return;
  if (auto s = co_await array_.erase_setting(fmt::format("{}{}", associations_prefix, to_string(lun))); !s)
    log::warn("forgetting which targets showed LUN {}: {}", lun, s.error());
}

std::string targets::url(const guid& lun) const {
  const auto at = units_.find(lun);
  if (at == units_.end()) return {};
  for (const guid& id : at->second.shown_by) {
    const live_target* t = find(id);
    if (t == nullptr) continue;
    for (const iscsi_group& g : t->config.groups) {
      for (const guid& p : g.portals) {
        const auto portal = portals_.find(p);
        if (portal == portals_.end() || portal->second.bound.empty()) continue;
        std::string where = portal->second.bound;
        // An initiator cannot connect to "any address"; on this host the loopback is one of them.
        if (where.starts_with("0.0.0.0:")) where.replace(0, 7, "127.0.0.1");
        if (where.starts_with("[::]:")) where.replace(0, 4, "[::1]");
        return fmt::format("iscsi://{}/{}/{}", where, t->config.iqn, at->second.number);
      }
    }
  }
  return {};
}

std::string targets::automatic_iqn() const { return iqn_of(array_id_); }

// --- what there is

std::vector<targets::target_info> targets::all_targets() const {
  std::vector<target_info> out;
  for (const auto& [id, t] : targets_)
    if (!t.config.deleted) out.push_back(*target(id));
  return out;
}

result<targets::target_info> targets::target(const guid& id) const {
  const live_target* t = find(id);
  if (t == nullptr) return errc::not_found;
  target_info out{id, t->config.iqn, t->config.name, t->config.secrets.required(), id == automatic_target(), {}, {}};
  for (const iscsi_group& g : t->config.groups) out.groups.push_back(g.id);
  for (const auto& [lun, u] : units_)
    if (std::find(u.shown_by.begin(), u.shown_by.end(), id) != u.shown_by.end()) out.luns.push_back(lun);
  std::sort(out.luns.begin(), out.luns.end());
  return out;
}

std::vector<targets::group_info> targets::groups_of(const guid& id) const {
  std::vector<group_info> out;
  if (const live_target* t = find(id))
    for (const iscsi_group& g : t->config.groups) out.push_back(*group(g.id));
  return out;
}

result<targets::group_info> targets::group(const guid& id) const {
  iscsi_group* g = nullptr;
  const live_target* t = const_cast<targets*>(this)->of_group(id, &g);
  if (t == nullptr) return errc::not_found;
  group_info out{id, t->config.id, g->tag, {}};
  for (const guid& p : g->portals)
    if (portals_.contains(p)) out.portals.push_back(portal_object(p));
  return out;
}

std::vector<targets::portal_info> targets::all_portals() const {
  std::vector<portal_info> out;
  for (const auto& [id, p] : portals_) out.push_back(*portal(portal_object(id)));
  return out;
}

result<targets::portal_info> targets::portal(const guid& id) const {
  const guid config = portal_config(id);
  const auto at = portals_.find(config);
  if (at == portals_.end()) return errc::not_found;
  const live_portal& p = at->second;
  portal_info out{id, p.bound.empty() ? p.config.address : p.bound, portal_state::failed, !config, {}};
  if (!p.bound.empty()) out.state = portal_state::online;
  if (p.config.offline) out.state = portal_state::offline;
  for (const auto& [t_id, t] : targets_) {
    if (t.config.deleted) continue;
    for (const iscsi_group& g : t.config.groups)
      if (std::find(g.portals.begin(), g.portals.end(), config) != g.portals.end()) out.groups.push_back(g.id);
  }
  return out;
}

std::vector<guid> targets::targets_of(const guid& lun) const { return wanted(lun); }

result<std::vector<std::string>> targets::initiators_of(const guid& id) const {
  const live_target* t = find(id);
  if (t == nullptr) return errc::not_found;
  auto names = t->object->initiators();
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::optional<iscsi_operation> targets::past(const guid& operation) const {
  const auto at =
      std::find_if(operations_.begin(), operations_.end(), [&](const auto& o) { return o.id == operation; });
  return at == operations_.end() ? std::nullopt : std::optional(*at);
}

}  // namespace vds::array_provider
