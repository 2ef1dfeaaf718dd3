// The changes: each looks whether it may be, makes it durable, and then shows it.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "io/uring/address.h"
#include "iscsi/pdu/iscsi_name.h"
#include "providers/array/targets.h"

namespace vds::array_provider {

namespace {

using enum iscsi_event::change;
using kind = iscsi_event::kind;

std::string key(std::string_view prefix, const guid& id) { return fmt::format("{}{}", prefix, to_string(id)); }

// An object that an operation makes has an id that follows from the operation's: a repetition makes no second one.
guid id_for(const guid& operation, std::string_view what) {
  return operation ? name_guid(operation, what) : random_guid(system_random());
}

bool contains(const std::vector<guid>& list, const guid& id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

}  // namespace

rt::task<status> targets::save(std::vector<array::array::setting_change> changes, named_operation op, guid made) {
  auto operations = operations_;
  if (op.id) {
    operations.push_back({op.id, made, op.type});
    if (operations.size() > kept_operations) operations.erase(operations.begin());
    changes.push_back({std::string(operations_key), encode(operations)});
  }
  auto saved = co_await array_.change_settings(std::move(changes));
  if (saved) operations_ = std::move(operations);
  co_return saved;
}

rt::task<status> targets::save(const iscsi_target& t, named_operation op, guid made) {
  std::vector<array::array::setting_change> one;
  one.push_back({key(targets_prefix, t.id), encode(t)});
  co_return co_await save(std::move(one), op, made);
}

// A change of one target's record. `change` says what is wrong with it, or makes it.
rt::task<status> targets::change_target(guid id, named_operation op, guid made,
                                        std::function<status(iscsi_target&)> change, events told) {
  live_target* t = find(id);
  if (t == nullptr || t->going) co_return errc::not_found;
  iscsi_target next = t->config;
  VDS_CO_RETURN_IF_FAILED(change(next));
  VDS_CO_RETURN_IF_FAILED(co_await save(next, op, made));
  t = find(id);
  if (t == nullptr) co_return errc::not_found;  // the array took another's identity meanwhile
  t->config = std::move(next);
  apply(*t);
  tell_(told);
  co_return status();
}

// --- targets

rt::task<result<guid>> targets::create_target(std::string iqn, std::string name, named_operation op) {
  const auto turn = co_await one_.take();
  const guid id = id_for(op.id, "iscsi target");
  if (find(id) != nullptr) co_return id;
  if (targets_.size() >= max_targets) co_return failure(errc::too_large, "no more than 256 targets");
  iscsi_target t;
  t.id = id;
  t.name = std::move(name);
  auto normal = iscsi::normalised_name(iqn.empty() ? "iqn.2026-11.internal.vds:" + to_string(id) : iqn);
  if (!normal) co_return failure(errc::invalid_argument, "not an iSCSI name: " + iqn);
  t.iqn = std::move(*normal);
  for (const auto& [other, there] : targets_)
    if (!there.config.deleted && there.config.iqn == t.iqn)
      co_return failure(errc::already_exists, "there is a target " + t.iqn);
  if (auto s = co_await save(t, op, id); !s) co_return std::move(s).error();
  bring_up(std::move(t));
  tell_({{kind::target, arrived, id}});
  co_return id;
}

rt::task<status> targets::delete_target(guid id, named_operation op) {
  const auto turn = co_await one_.take();
  live_target* t = find(id);
  if (t == nullptr) co_return errc::not_found;
  if (!target(id)->luns.empty()) co_return failure(errc::busy, "LUNs are associated with the target");
  for (const auto& [lun, list] : associated_)
    if (contains(list, id) && array_.lun(lun)) co_return failure(errc::busy, "LUNs are associated with the target");
  t->going = true;  // no new LUN comes onto it
  std::vector<array::array::setting_change> changes;
  if (id == automatic_target()) {
    iscsi_target gone = automatic_config();
    gone.deleted = true;
    gone.groups.clear();
    changes.push_back({key(targets_prefix, id), encode(gone)});
  } else {
    changes.push_back({key(targets_prefix, id), std::nullopt});
  }
  auto saved = co_await save(std::move(changes), op, {});
  t = find(id);
  if (t == nullptr) co_return saved;
  if (!saved) {
    t->going = false;
    for (auto& [lun, u] : units_) {  // those that came meanwhile
      if (contains(wanted(lun), id) && !contains(u.shown_by, id) && t->object->attach(u.lun, u.who))
        u.shown_by.push_back(id);
    }
    co_return saved;
  }
  events told;
  for (const auto& g : t->config.groups) told.push_back({kind::portal_group, departed, g.id});
  told.push_back({kind::target, departed, id});
  live_target old = std::move(*t);
  if (id == automatic_target()) {
    t->config = {};
    t->config.id = id;
    t->config.deleted = true;
    t->going = false;
  } else {
    targets_.erase(id);
  }
  take_down(std::move(old));
  tell_(told);
  co_return status();
}

rt::task<status> targets::rename_target(guid id, std::string name) {
  const auto turn = co_await one_.take();
  if (const live_target* t = find(id); t != nullptr && t->config.name == name) co_return status();
  const events told{{kind::target, modified, id}};
  co_return co_await change_target(
      id, {}, {},
      [&](iscsi_target& t) -> status {
        t.name = std::move(name);
        return {};
      },
      told);
}

rt::task<status> targets::set_secret(guid id, std::optional<std::string> initiator,
                                     std::optional<iscsi::chap_secret> secret) {
  const auto turn = co_await one_.take();
  const events told{{kind::target, modified, id}};
  co_return co_await change_target(
      id, {}, {},
      [&](iscsi_target& t) -> status {
        if (!initiator)
          t.secrets.everybody = std::move(secret);
        else if (!secret)
          t.secrets.initiators.erase(*initiator);
        else
          t.secrets.initiators.insert_or_assign(*initiator, std::move(*secret));
        if (t.secrets.reflects())
          return failure(errc::invalid_argument, "with this secret the target proves itself to an initiator");
        return {};
      },
      told);
}

rt::task<status> targets::set_own_secret(guid id, std::string initiator, std::optional<iscsi::chap_secret> secret) {
  const auto turn = co_await one_.take();
  const events told;
  co_return co_await change_target(
      id, {}, {},
      [&](iscsi_target& t) -> status {
        if (!secret)
          t.secrets.ours.erase(initiator);
        else
          t.secrets.ours.insert_or_assign(initiator, std::move(*secret));
        if (t.secrets.reflects())
          return failure(errc::invalid_argument, "this secret is the one that the initiator proves itself with");
        return {};
      },
      told);
}

// --- portal groups

// Tags differ over all targets, so that each is one target port of whatever LUN it leads to.
bool targets::tag_taken(std::uint16_t tag) const {
  const auto has = [=](const auto& t) {
    const auto& groups = t.second.config.groups;
    return std::any_of(groups.begin(), groups.end(), [=](const iscsi_group& g) { return g.tag == tag; });
  };
  return std::any_of(targets_.begin(), targets_.end(), has);
}

rt::task<result<guid>> targets::create_group(guid id, named_operation op) {
  const auto turn = co_await one_.take();
  const guid made = id_for(op.id, "iscsi portal group");
  if (of_group(made, nullptr) != nullptr) co_return made;
  const events told{{kind::portal_group, arrived, made}, {kind::target, modified, id}};
  auto done = co_await change_target(
      id, op, made,
      [&](iscsi_target& t) -> status {
        if (t.groups.size() >= max_groups) return failure(errc::too_large, "no more than 64 portal groups");
        std::uint16_t tag = 1;  // lowest that no group of any target has
        while (tag_taken(tag)) ++tag;
        t.groups.push_back({made, tag, {}});
        return {};
      },
      told);
  if (!done) co_return std::move(done).error();
  co_return made;
}

rt::task<status> targets::delete_group(guid group, named_operation op) {
  const auto turn = co_await one_.take();
  live_target* t = of_group(group, nullptr);
  if (t == nullptr) co_return errc::not_found;
  const events told{{kind::portal_group, departed, group}, {kind::target, modified, t->config.id}};
  co_return co_await change_target(
      t->config.id, op, {},
      [&](iscsi_target& next) -> status {
        const auto g =
            std::find_if(next.groups.begin(), next.groups.end(), [&](const auto& x) { return x.id == group; });
        const auto exists = [&](const guid& p) { return portals_.contains(p); };
        if (std::any_of(g->portals.begin(), g->portals.end(), exists))
          return failure(errc::busy, "portals are in the group");
        next.groups.erase(g);
        return {};
      },
      told);
}

rt::task<status> targets::join_portal(guid group, guid portal, named_operation op) {
  const auto turn = co_await one_.take();
  live_target* t = of_group(group, nullptr);
  if (t == nullptr) co_return errc::not_found;
  const guid p = portal_config(portal);
  if (!portals_.contains(p)) co_return errc::out_of_range;
  bool there = false;
  for (const iscsi_group& g : t->config.groups) {
    if (!contains(g.portals, p)) continue;
    if (g.id != group) co_return failure(errc::busy, "the portal is in another group of the target");
    there = true;
  }
  events told;
  if (!there) told = {{kind::portal_group, modified, group}, {kind::portal, modified, portal}};
  if (there && !op.id) co_return status();
  co_return co_await change_target(
      t->config.id, op, {},
      [&](iscsi_target& next) -> status {
        for (iscsi_group& g : next.groups)
          if (g.id == group && !there) g.portals.push_back(p);
        return {};
      },
      std::move(told));
}

rt::task<status> targets::leave_portal(guid group, guid portal, named_operation op) {
  const auto turn = co_await one_.take();
  iscsi_group* g = nullptr;
  live_target* t = of_group(group, &g);
  if (t == nullptr) co_return errc::not_found;
  const guid p = portal_config(portal);
  if (!portals_.contains(p) || !contains(g->portals, p)) co_return errc::out_of_range;
  const events told{{kind::portal_group, modified, group}, {kind::portal, modified, portal}};
  co_return co_await change_target(
      t->config.id, op, {},
      [&](iscsi_target& next) -> status {
        for (iscsi_group& each : next.groups)
          if (each.id == group) std::erase(each.portals, p);
        return {};
      },
      told);
}

// --- portals

rt::task<result<guid>> targets::add_portal(std::string address) {
  const auto turn = co_await one_.take();
  if (portals_.size() >= max_portals) co_return failure(errc::too_large, "no more than 64 portals");
  for (const auto& [id, p] : portals_)
    if (p.config.address == address || p.bound == address)
      co_return failure(errc::already_exists, "there is a portal " + address);
  auto bound = bind_(address);
  if (!bound) co_return std::move(bound).error();
  iscsi_portal p{random_guid(system_random()), bound->front()->local_name(), false};
  std::vector<array::array::setting_change> one;
  one.push_back({key(portals_prefix, p.id), encode(p)});
  if (auto saved = co_await save(std::move(one), {}, {}); !saved) co_return std::move(saved).error();
  const guid id = p.id;
  portals_[id].config = std::move(p);
  open(id, std::move(*bound));
  tell_({{kind::portal, arrived, id}});
  co_return id;
}

rt::task<status> targets::remove_portal(guid id) {
  const auto turn = co_await one_.take();
  const auto info = portal(id);
  if (!info) co_return errc::not_found;
  if (info->automatic) co_return failure(errc::not_supported, "the array was started with this portal");
  if (!info->groups.empty()) co_return failure(errc::busy, "the portal is in portal groups");
  std::vector<array::array::setting_change> one;
  one.push_back({key(portals_prefix, id), std::nullopt});
  VDS_CO_RETURN_IF_FAILED(co_await save(std::move(one), {}, {}));
  co_await close(id);
  portals_.erase(id);
  tell_({{kind::portal, departed, id}});
  co_return status();
}

rt::task<status> targets::set_portal_offline(guid id, bool offline) {
  const auto turn = co_await one_.take();
  const guid config = portal_config(id);
  const auto at = portals_.find(config);
  if (at == portals_.end()) co_return errc::not_found;
  if (at->second.config.offline == offline) co_return status();
  iscsi_portal next = at->second.config;
  next.offline = offline;
  listeners bound;
  if (!offline) {
    auto opened = bind_(next.address);
    if (!opened) co_return std::move(opened).error();
    bound = std::move(*opened);
  }
  std::vector<array::array::setting_change> one;
  one.push_back({key(portals_prefix, config), encode(next)});
  VDS_CO_RETURN_IF_FAILED(co_await save(std::move(one), {}, {}));
  portals_[config].config = std::move(next);
  if (offline)
    co_await close(config);
  else
    open(config, std::move(bound));
  tell_({{kind::portal, modified, id}});
  co_return status();
}

// --- associations

rt::task<status> targets::associate(guid lun, std::vector<guid> named) {
  const auto turn = co_await one_.take();
  if (!array_.lun(lun)) co_return errc::not_found;
  std::vector<guid> list;
  for (const guid& id : named) {
    const live_target* t = find(id);
    if (t == nullptr || t->going) co_return errc::out_of_range;
    if (!contains(list, id)) list.push_back(id);
  }
  if (list.size() > max_lun_targets) co_return failure(errc::too_large, "no more than 64 targets of one LUN");
  const auto before = wanted(lun);
  std::vector<array::array::setting_change> one;
  one.push_back({key(associations_prefix, lun), encode(list)});
  VDS_CO_RETURN_IF_FAILED(co_await save(std::move(one), {}, {}));
  associated_[lun] = list;
  const auto at = units_.find(lun);
  if (at == units_.end()) co_return status();
  // Shown by the new ones, then taken from the others, so that who has a way keeps one.
  for (const guid& id : list) {
    unit& u = at->second;
    if (contains(u.shown_by, id)) continue;
    if (auto s = find(id)->object->attach(u.lun, u.who); !s) co_return s;
    u.shown_by.push_back(id);
  }
  tell_ports(at->second);
  for (const guid& id : std::vector(at->second.shown_by)) {
    if (contains(list, id)) continue;
    if (live_target* t = find(id)) (void)co_await t->object->detach(at->second.number);
    const auto again = units_.find(lun);
    if (again == units_.end()) co_return status();
    std::erase(again->second.shown_by, id);
  }
  if (const auto now = units_.find(lun); now != units_.end()) tell_ports(now->second);
  if (before != list) tell_({{kind::lun, modified, lun}});
  co_return status();
}

}  // namespace vds::array_provider
