#include "apps/vds/com_iscsi.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <vdsxadmin.h>

#include <cstring>

#include "apps/vds/com_calls.h"
#include "apps/vds/com_operation.h"

namespace vds::cli {

std::string address_text(const VDS_IPADDRESS& a) {
  char text[INET6_ADDRSTRLEN] = "";
  switch (a.type) {
    case VDS_IPT_TEXT:
      return to_utf8(a.wszTextAddress);
    case VDS_IPT_IPV4:
      ::inet_ntop(AF_INET, &a.ipv4Address, text, sizeof text);
      return fmt::format("{}:{}", text, a.ulPort);
    case VDS_IPT_IPV6:
      ::inet_ntop(AF_INET6, a.ipv6Address, text, sizeof text);
      return fmt::format("[{}]:{}", text, a.ulPort);
    case VDS_IPT_EMPTY:
      break;
  }
  return {};
}

namespace {

// A secret as the API takes it, wiped afterwards.
struct shared_secret {
  explicit shared_secret(const std::optional<std::string>& s) : bytes(s.value_or(std::string())) {
    raw.pSharedSecret = bytes.empty() ? nullptr : reinterpret_cast<UCHAR*>(bytes.data());
    raw.ulSharedSecretSize = static_cast<ULONG>(bytes.size());
  }
  shared_secret(const shared_secret&) = delete;
  ~shared_secret() { ::explicit_bzero(bytes.data(), bytes.size()); }
  VDS_ISCSI_SHARED_SECRET* get() { return bytes.empty() ? nullptr : &raw; }
  std::string bytes;
  VDS_ISCSI_SHARED_SECRET raw{};
};

class com_iscsi final : public iscsi_gateway {
 public:
  explicit com_iscsi(com_ptr<IVdsService> service) : service_(std::move(service)) {}

  std::vector<target_view> targets() override {
    std::vector<target_view> out;
    each_target([&](const guid& subsystem, const com_ptr<IVdsIscsiTarget>& t) {
      target_view v = properties(t);
      v.subsystem = subsystem;
      const char* doing = "asking what belongs to a target";
      com_ptr<IEnumVdsObject> list;
      check(t->QueryPortalGroups(list.put()), doing, alive());
      for (const auto& g : all_of(list.get(), doing, alive()))
        v.portal_groups.push_back(from_com(properties(need<IVdsIscsiPortalGroup>(g, doing, alive())).id));
      list.reset();
      check(t->QueryAssociatedLuns(list.put()), doing, alive());
      for (const auto& l : all_of(list.get(), doing, alive()))
        v.luns.push_back(lun_id(need<IVdsLun>(l, doing, alive())));
      taken_array<LPWSTR> names;
      check(t->GetConnectedInitiators(names.put(), names.count()), doing, alive());
      for (LPWSTR& name : names) v.initiators.push_back(take(name));
      out.push_back(std::move(v));
    });
    return out;
  }
  std::unique_ptr<operation> create_target(const guid& subsystem, const std::string& iqn,
                                           const std::string& name) override {
    const char* doing = "creating the target";
    std::wstring wide_iqn = to_wide(iqn), wide_name = to_wide(name);
    com_ptr<IVdsAsync> async;
    check(object<IVdsSubSystemIscsi>(subsystem, VDS_OT_SUB_SYSTEM, doing)
              ->CreateTarget(iqn.empty() ? nullptr : wide_iqn.data(), wide_name.data(), async.put()),
          doing, alive());
    return com_operation(std::move(async), doing, service_);
  }
  std::unique_ptr<operation> delete_target(const guid& target) override {
    return begin<IVdsIscsiTarget>(target, VDS_OT_TARGET, "deleting the target",
                                  [](IVdsIscsiTarget* t, IVdsAsync** out) { return t->Delete(out); });
  }
  void rename_target(const guid& target, const std::string& name) override {
    const char* doing = "naming the target";
    check(object<IVdsIscsiTarget>(target, VDS_OT_TARGET, doing)->SetFriendlyName(to_wide(name).data()), doing, alive());
  }
  void set_secret(const guid& target, const std::optional<std::string>& initiator,
                  const std::optional<std::string>& secret) override {
    const char* doing = "setting the secret";
    shared_secret s(secret);
    std::wstring name = to_wide(initiator.value_or(std::string()));
    check(object<IVdsIscsiTarget>(target, VDS_OT_TARGET, doing)
              ->SetSharedSecret(s.get(), initiator ? name.data() : nullptr),
          doing, alive());
  }
  void set_mutual_secret(const guid& target, const std::string& initiator,
                         const std::optional<std::string>& secret) override {
    const char* doing = "setting the target's own secret";
    shared_secret s(secret);
    check(object<IVdsIscsiTarget>(target, VDS_OT_TARGET, doing)
              ->RememberInitiatorSharedSecret(to_wide(initiator).data(), s.get()),
          doing, alive());
  }
  void associate(const guid& lun, const std::vector<guid>& targets) override {
    const char* doing = "associating the LUN with targets";
    std::vector<VDS_OBJECT_ID> ids;
    for (const guid& t : targets) ids.push_back(to_com(t));
    check(object<IVdsLunIscsi>(lun, VDS_OT_LUN, doing)
              ->AssociateTargets(ids.empty() ? nullptr : ids.data(), static_cast<LONG>(ids.size())),
          doing, alive());
  }

  std::vector<portal_view> portals() override {
    const char* doing = "asking for the portals";
    std::vector<portal_view> out;
    each_subsystem([&](const guid& id, const com_ptr<IVdsSubSystemIscsi>& s) {
      com_ptr<IEnumVdsObject> list;
      check(s->QueryPortals(list.put()), doing, alive());
      for (const auto& each : all_of(list.get(), doing, alive())) {
        const auto p = need<IVdsIscsiPortal>(each, doing, alive());
        VDS_ISCSI_PORTAL_PROP prop{};
        check(p->GetProperties(&prop), doing, alive());
        portal_view v{from_com(prop.id), id, address_text(prop.address), static_cast<std::uint32_t>(prop.status), {}};
        com_ptr<IEnumVdsObject> groups;
        check(p->QueryAssociatedPortalGroups(groups.put()), doing, alive());
        for (const auto& g : all_of(groups.get(), doing, alive()))
          v.portal_groups.push_back(from_com(properties(need<IVdsIscsiPortalGroup>(g, doing, alive())).id));
        out.push_back(std::move(v));
      }
    });
    return out;
  }
  guid add_portal(const guid& subsystem, const std::string& address) override {
    const std::string doing = "adding portal " + address;
    VDS_OBJECT_ID id{};
    check(object<IVdsxPortalAdmin>(subsystem, VDS_OT_SUB_SYSTEM, doing)->AddPortal(to_wide(address).c_str(), &id),
          doing, alive());
    return from_com(id);
  }
  void remove_portal(const guid& subsystem, const guid& portal) override {
    const char* doing = "removing the portal";
    check(object<IVdsxPortalAdmin>(subsystem, VDS_OT_SUB_SYSTEM, doing)->RemovePortal(to_com(portal)), doing, alive());
  }
  void set_portal_status(const guid& portal, std::uint32_t status) override {
    const char* doing = "changing the portal's status";
    check(
        object<IVdsIscsiPortal>(portal, VDS_OT_PORTAL, doing)->SetStatus(static_cast<VDS_ISCSI_PORTAL_STATUS>(status)),
        doing, alive());
  }

  std::vector<portal_group_view> portal_groups() override {
    const char* doing = "asking for the portal groups";
    std::vector<portal_group_view> out;
    each_target([&](const guid&, const com_ptr<IVdsIscsiTarget>& t) {
      const target_view of = properties(t);
      com_ptr<IEnumVdsObject> list;
      check(t->QueryPortalGroups(list.put()), doing, alive());
      for (const auto& each : all_of(list.get(), doing, alive())) {
        const auto g = need<IVdsIscsiPortalGroup>(each, doing, alive());
        const auto prop = properties(g);
        portal_group_view v{from_com(prop.id), of.id, of.name, prop.tag, {}};
        com_ptr<IEnumVdsObject> portals;
        check(g->QueryAssociatedPortals(portals.put()), doing, alive());
        for (const auto& p : all_of(portals.get(), doing, alive())) {
          VDS_ISCSI_PORTAL_PROP portal{};
          check(need<IVdsIscsiPortal>(p, doing, alive())->GetProperties(&portal), doing, alive());
          v.portals.push_back(from_com(portal.id));
        }
        out.push_back(std::move(v));
      }
    });
    return out;
  }
  std::unique_ptr<operation> create_portal_group(const guid& target) override {
    return begin<IVdsIscsiTarget>(target, VDS_OT_TARGET, "creating the portal group",
                                  [](IVdsIscsiTarget* t, IVdsAsync** out) { return t->CreatePortalGroup(out); });
  }
  std::unique_ptr<operation> delete_portal_group(const guid& group) override {
    return begin<IVdsIscsiPortalGroup>(group, VDS_OT_PORTAL_GROUP, "deleting the portal group",
                                       [](IVdsIscsiPortalGroup* g, IVdsAsync** out) { return g->Delete(out); });
  }
  std::unique_ptr<operation> join_portal(const guid& group, const guid& portal) override {
    return begin<IVdsIscsiPortalGroup>(
        group, VDS_OT_PORTAL_GROUP, "adding the portal to the group",
        [&](IVdsIscsiPortalGroup* g, IVdsAsync** out) { return g->AddPortal(to_com(portal), out); });
  }
  std::unique_ptr<operation> leave_portal(const guid& group, const guid& portal) override {
    return begin<IVdsIscsiPortalGroup>(
        group, VDS_OT_PORTAL_GROUP, "removing the portal from the group",
        [&](IVdsIscsiPortalGroup* g, IVdsAsync** out) { return g->RemovePortal(to_com(portal), out); });
  }

 private:
  IVdsService* alive() const { return service_.get(); }

  template <class I>
  com_ptr<I> object(const guid& id, VDS_OBJECT_TYPE type, std::string_view doing) {
    com_ptr<IUnknown> found;
    check(service_->GetObject(to_com(id), type, found.put()), doing, alive());
    if (!found) check(E_UNEXPECTED, doing, alive());
    return need<I>(found, doing, alive());
  }
  template <class I, class Call>
  std::unique_ptr<operation> begin(const guid& id, VDS_OBJECT_TYPE type, const char* doing, Call call) {
    com_ptr<IVdsAsync> async;
    check(call(object<I>(id, type, doing).get(), async.put()), doing, alive());
    return com_operation(std::move(async), doing, service_);
  }
  // f(id, IVdsSubSystemIscsi) for each that has it.
  template <class F>
  void each_subsystem(F f) {
    const char* doing = "asking for the subsystems";
    com_ptr<IEnumVdsObject> list;
    check(service_->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, list.put()), doing, alive());
    for (const auto& p : all_of(list.get(), doing, alive())) {
      const auto provider = p.as<IVdsHwProvider>();
      com_ptr<IEnumVdsObject> systems;
      if (!provider || FAILED(provider->QuerySubSystems(systems.put()))) continue;
      for (const auto& s : all_of(systems.get(), doing, alive())) {
        const auto iscsi = s.as<IVdsSubSystemIscsi>();
        VDS_SUB_SYSTEM_PROP prop{};
        if (!iscsi || FAILED(need<IVdsSubSystem>(s, doing, alive())->GetProperties(&prop))) continue;
        CoTaskMemFree(prop.pwszFriendlyName);
        CoTaskMemFree(prop.pwszIdentification);
        f(from_com(prop.id), iscsi);
      }
    }
  }
  template <class F>
  void each_target(F f) {
    const char* doing = "asking for the targets";
    each_subsystem([&](const guid& id, const com_ptr<IVdsSubSystemIscsi>& s) {
      com_ptr<IEnumVdsObject> list;
      check(s->QueryTargets(list.put()), doing, alive());
      for (const auto& each : all_of(list.get(), doing, alive())) f(id, need<IVdsIscsiTarget>(each, doing, alive()));
    });
  }
  target_view properties(const com_ptr<IVdsIscsiTarget>& t) {
    VDS_ISCSI_TARGET_PROP prop{};
    check(t->GetProperties(&prop), "asking for a target's properties", alive());
    target_view v;
    v.id = from_com(prop.id);
    v.iqn = take(prop.pwszIscsiName);
    v.name = take(prop.pwszFriendlyName);
    v.chap = prop.bChapEnabled != FALSE;
    return v;
  }
  VDS_ISCSI_PORTALGROUP_PROP properties(const com_ptr<IVdsIscsiPortalGroup>& g) {
    VDS_ISCSI_PORTALGROUP_PROP prop{};
    check(g->GetProperties(&prop), "asking for a portal group's properties", alive());
    return prop;
  }
  guid lun_id(const com_ptr<IVdsLun>& l) {
    VDS_LUN_PROP prop{};
    check(l->GetProperties(&prop), "asking for a LUN's properties", alive());
    CoTaskMemFree(prop.pwszFriendlyName);
    CoTaskMemFree(prop.pwszIdentification);
    CoTaskMemFree(prop.pwszUnmaskingList);
    return from_com(prop.id);
  }

  const com_ptr<IVdsService> service_;
};

}  // namespace

std::unique_ptr<iscsi_gateway> make_com_iscsi(com_ptr<IVdsService> service) {
  return std::make_unique<com_iscsi>(std::move(service));
}

}  // namespace vds::cli
