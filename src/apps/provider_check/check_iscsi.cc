// The iSCSI side of a subsystem, and its storage pools.
#include <algorithm>

#include "apps/provider_check/calls.h"

namespace vds::check {
namespace {

void check_portal(scene& s, IVdsIscsiPortal* portal) {
  report& say = s.say;
  VDS_ISCSI_PORTAL_PROP prop{};
  com_ptr<IVdsSubSystem> up;
  com_ptr<IEnumVdsObject> list;
  say.nulls("IVdsIscsiPortal::GetProperties", portal->GetProperties(nullptr));
  say.works("IVdsIscsiPortal::GetProperties", portal->GetProperties(&prop));
  say.nulls("IVdsIscsiPortal::GetSubSystem", portal->GetSubSystem(nullptr));
  say.works("IVdsIscsiPortal::GetSubSystem", portal->GetSubSystem(up.put()));
  say.nulls("IVdsIscsiPortal::QueryAssociatedPortalGroups", portal->QueryAssociatedPortalGroups(nullptr));
  const HRESULT hr = portal->QueryAssociatedPortalGroups(list.put());
  (void)query(s, "IVdsIscsiPortal::QueryAssociatedPortalGroups", hr, list);
  say.nulls("IVdsIscsiPortal::SetStatus", portal->SetStatus(static_cast<VDS_ISCSI_PORTAL_STATUS>(4711)));
  say.works("IVdsIscsiPortal::SetStatus", portal->SetStatus(VDS_IPS_ONLINE));
  VDS_IPADDRESS address{};
  address.type = VDS_IPT_IPV4;
  ULONGLONG flags = 0;
  say.works("IVdsIscsiPortal::SetIpsecTunnelAddress", portal->SetIpsecTunnelAddress(&address, &address));
  say.works("IVdsIscsiPortal::GetIpsecSecurity", portal->GetIpsecSecurity(&address, &flags));
  say.works("IVdsIscsiPortal::SetIpsecSecurity", portal->SetIpsecSecurity(&address, 0, nullptr));
  say.nulls("IVdsIscsiPortal::SetIpsecTunnelAddress", portal->SetIpsecTunnelAddress(nullptr, &address));
  say.nulls("IVdsIscsiPortal::GetIpsecSecurity", portal->GetIpsecSecurity(nullptr, &flags));
  say.nulls("IVdsIscsiPortal::SetIpsecSecurity", portal->SetIpsecSecurity(nullptr, 0, nullptr));
}

void check_group(scene& s, IVdsIscsiTarget* target, const guid& portal) {
  report& say = s.say;
  com_ptr<IVdsAsync> async;
  say.nulls("IVdsIscsiTarget::CreatePortalGroup", target->CreatePortalGroup(nullptr));
  HRESULT hr = target->CreatePortalGroup(async.put());
  const outcome made =
      finish(s, "IVdsIscsiTarget::CreatePortalGroup", hr, std::exchange(async, {}), VDS_ASYNCOUT_CREATEPORTALGROUP);
  const auto group = made.object.as<IVdsIscsiPortalGroup>();
  if (!group) return;
  VDS_ISCSI_PORTALGROUP_PROP prop{};
  com_ptr<IVdsIscsiTarget> up;
  com_ptr<IEnumVdsObject> list;
  say.nulls("IVdsIscsiPortalGroup::GetProperties", group->GetProperties(nullptr));
  say.works("IVdsIscsiPortalGroup::GetProperties", group->GetProperties(&prop));
  say.nulls("IVdsIscsiPortalGroup::GetTarget", group->GetTarget(nullptr));
  say.works("IVdsIscsiPortalGroup::GetTarget", group->GetTarget(up.put()));
  say.nulls("IVdsIscsiPortalGroup::QueryAssociatedPortals", group->QueryAssociatedPortals(nullptr));
  hr = group->QueryAssociatedPortals(list.put());
  (void)query(s, "IVdsIscsiPortalGroup::QueryAssociatedPortals", hr, list);
  say.nulls("IVdsIscsiPortalGroup::AddPortal", group->AddPortal(nobody, nullptr));
  say.nulls("IVdsIscsiPortalGroup::RemovePortal", group->RemovePortal(nobody, nullptr));
  say.nulls("IVdsIscsiPortalGroup::Delete", group->Delete(nullptr));
  hr = group->AddPortal(nobody, async.put());
  say.provokes("IVdsIscsiPortalGroup::AddPortal",
               result_of(s, "IVdsIscsiPortalGroup::AddPortal", hr, std::exchange(async, {})), {VDS_E_OBJECT_NOT_FOUND},
               "an unknown portal");
  hr = group->RemovePortal(nobody, async.put());
  say.provokes("IVdsIscsiPortalGroup::RemovePortal",
               result_of(s, "IVdsIscsiPortalGroup::RemovePortal", hr, std::exchange(async, {})),
               {VDS_E_OBJECT_NOT_FOUND}, "an unknown portal");
  if (portal) {
    hr = group->AddPortal(to_com(portal), async.put());
    const outcome added =
        finish(s, "IVdsIscsiPortalGroup::AddPortal", hr, std::exchange(async, {}), VDS_ASYNCOUT_ADDPORTAL);
    if (added.begun && SUCCEEDED(added.hr)) {
      hr = group->Delete(async.put());
      const HRESULT refused = result_of(s, "IVdsIscsiPortalGroup::Delete", hr, std::exchange(async, {}));
      if (FAILED(refused))
        say.provokes("IVdsIscsiPortalGroup::Delete", refused, {VDS_E_ASSOCIATED_PORTALS_EXIST}, "a group with portals");
    }
    hr = group->RemovePortal(to_com(portal), async.put());
    (void)finish(s, "IVdsIscsiPortalGroup::RemovePortal", hr, std::exchange(async, {}), VDS_ASYNCOUT_REMOVEPORTAL,
                 {VDS_E_OBJECT_NOT_FOUND, VDS_E_OBJECT_DELETED});
  } else {
    say.untried("IVdsIscsiPortalGroup::AddPortal", "the subsystem has no portal");
    say.untried("IVdsIscsiPortalGroup::RemovePortal", "the subsystem has no portal");
  }
  if (hr == VDS_E_OBJECT_DELETED) return;
  hr = group->Delete(async.put());
  const outcome removed =
      finish(s, "IVdsIscsiPortalGroup::Delete", hr, std::exchange(async, {}), VDS_ASYNCOUT_DELETEPORTALGROUP);
  if (!removed.begun || FAILED(removed.hr)) return;
  say.gone("IVdsIscsiPortalGroup::GetProperties", group->GetProperties(&prop));
  say.gone("IVdsIscsiPortalGroup::GetTarget", group->GetTarget(up.put()));
  say.gone("IVdsIscsiPortalGroup::QueryAssociatedPortals", group->QueryAssociatedPortals(list.put()));
  say.gone("IVdsIscsiPortalGroup::AddPortal", group->AddPortal(nobody, async.put()));
  say.gone("IVdsIscsiPortalGroup::RemovePortal", group->RemovePortal(nobody, async.put()));
  say.gone("IVdsIscsiPortalGroup::Delete", group->Delete(async.put()));
}

void check_target(scene& s, IVdsIscsiTarget* target, const guid& portal, const com_ptr<IVdsLun>& lun) {
  report& say = s.say;
  VDS_ISCSI_TARGET_PROP prop{};
  com_ptr<IVdsSubSystem> up;
  com_ptr<IEnumVdsObject> groups, luns;
  say.nulls("IVdsIscsiTarget::GetProperties", target->GetProperties(nullptr));
  say.works("IVdsIscsiTarget::GetProperties", target->GetProperties(&prop));
  say.must("IVdsIscsiTarget::GetProperties", !take(prop.pwszIscsiName).empty(), "has no iSCSI name");
  (void)take(prop.pwszFriendlyName);
  say.nulls("IVdsIscsiTarget::GetSubSystem", target->GetSubSystem(nullptr));
  say.works("IVdsIscsiTarget::GetSubSystem", target->GetSubSystem(up.put()));
  say.nulls("IVdsIscsiTarget::QueryPortalGroups", target->QueryPortalGroups(nullptr));
  HRESULT hr = target->QueryPortalGroups(groups.put());
  (void)query(s, "IVdsIscsiTarget::QueryPortalGroups", hr, groups);
  say.nulls("IVdsIscsiTarget::QueryAssociatedLuns", target->QueryAssociatedLuns(nullptr));
  hr = target->QueryAssociatedLuns(luns.put());
  (void)query(s, "IVdsIscsiTarget::QueryAssociatedLuns", hr, luns);
  WCHAR name[] = L"renamed by the check";
  say.nulls("IVdsIscsiTarget::SetFriendlyName", target->SetFriendlyName(nullptr));
  s.at.forget_events();
  if (say.works("IVdsIscsiTarget::SetFriendlyName", target->SetFriendlyName(name)) &&
      say.must("IVdsIscsiTarget::SetFriendlyName", s.at.event(VDS_NF_TARGET_MODIFY, from_com(prop.id)),
               "no TARGET_MODIFY comes"))
    say.event("IVdsIscsiTarget::SetFriendlyName", "TARGET_MODIFY");
  UCHAR text[] = "sixteen letters.";
  VDS_ISCSI_SHARED_SECRET secret{text, 16}, weak{text, 4};
  WCHAR initiator[] = L"iqn.2001-04.com.example:checker";
  say.nulls("IVdsIscsiTarget::SetSharedSecret", target->SetSharedSecret(&weak, initiator));
  if (say.works("IVdsIscsiTarget::SetSharedSecret", target->SetSharedSecret(&secret, initiator),
                {VDS_E_INITIATOR_SPECIFIC_NOT_SUPPORTED}))
    say.works("IVdsIscsiTarget::SetSharedSecret", target->SetSharedSecret(nullptr, initiator));
  say.nulls("IVdsIscsiTarget::RememberInitiatorSharedSecret", target->RememberInitiatorSharedSecret(nullptr, &secret));
  if (say.works("IVdsIscsiTarget::RememberInitiatorSharedSecret",
                target->RememberInitiatorSharedSecret(initiator, &secret)))
    say.works("IVdsIscsiTarget::RememberInitiatorSharedSecret",
              target->RememberInitiatorSharedSecret(initiator, nullptr));
  LPWSTR* names = nullptr;
  LONG n = 0;
  say.nulls("IVdsIscsiTarget::GetConnectedInitiators", target->GetConnectedInitiators(nullptr, &n));
  if (say.works("IVdsIscsiTarget::GetConnectedInitiators", target->GetConnectedInitiators(&names, &n))) {
    for (LONG i = 0; i < n; ++i) CoTaskMemFree(names[i]);
    CoTaskMemFree(names);
  }
  if (const auto iscsi = lun ? lun.as<IVdsLunIscsi>() : com_ptr<IVdsLunIscsi>()) {
    VDS_OBJECT_ID id = prop.id, stranger = nobody;
    com_ptr<IEnumVdsObject> list;
    say.nulls("IVdsLunIscsi::AssociateTargets", iscsi->AssociateTargets(nullptr, 1));
    say.provokes("IVdsLunIscsi::AssociateTargets", iscsi->AssociateTargets(&stranger, 1), {VDS_E_OBJECT_NOT_FOUND},
                 "an unknown target");
    say.nulls("IVdsLunIscsi::QueryAssociatedTargets", iscsi->QueryAssociatedTargets(nullptr));
    if (say.works("IVdsLunIscsi::AssociateTargets", iscsi->AssociateTargets(&id, 1))) {
      hr = iscsi->QueryAssociatedTargets(list.put());
      say.must("IVdsLunIscsi::QueryAssociatedTargets",
               query(s, "IVdsLunIscsi::QueryAssociatedTargets", hr, list).size() == 1,
               "does not show what was associated");
      com_ptr<IVdsAsync> async;
      hr = target->Delete(async.put());
      say.provokes("IVdsIscsiTarget::Delete", result_of(s, "IVdsIscsiTarget::Delete", hr, std::exchange(async, {})),
                   {VDS_E_ASSOCIATED_LUNS_EXIST}, "a target with LUNs");
      say.works("IVdsLunIscsi::AssociateTargets", iscsi->AssociateTargets(nullptr, 0));
    }
  }
  check_group(s, target, portal);
}

}  // namespace

void check_iscsi(scene& s) {
  report& say = s.say;
  const auto iscsi = s.subsystem.as<IVdsSubSystemIscsi>();
  if (!iscsi) return;
  com_ptr<IEnumVdsObject> list;
  com_ptr<IVdsAsync> async;
  say.nulls("IVdsSubSystemIscsi::QueryPortals", iscsi->QueryPortals(nullptr));
  HRESULT hr = iscsi->QueryPortals(list.put());
  const auto portals = query(s, "IVdsSubSystemIscsi::QueryPortals", hr, list);
  guid portal_id;
  if (!portals.empty()) {
    const auto portal = portals.front().as<IVdsIscsiPortal>();
    if (!say.must("IVdsSubSystemIscsi::QueryPortals", static_cast<bool>(portal), "lists what is no portal")) return;
    check_portal(s, portal.get());
    VDS_ISCSI_PORTAL_PROP prop{};
    if (SUCCEEDED(portal->GetProperties(&prop))) portal_id = from_com(prop.id);
  }
  list.reset();
  say.nulls("IVdsSubSystemIscsi::QueryTargets", iscsi->QueryTargets(nullptr));
  hr = iscsi->QueryTargets(list.put());
  (void)query(s, "IVdsSubSystemIscsi::QueryTargets", hr, list);
  say.works("IVdsSubSystemIscsi::SetIpsecGroupPresharedKey", iscsi->SetIpsecGroupPresharedKey(nullptr));
  WCHAR name[] = L"iqn.2001-04.com.example:made-by-the-check", friendly[] = L"made by the check";
  say.nulls("IVdsSubSystemIscsi::CreateTarget", iscsi->CreateTarget(name, friendly, nullptr));
  s.at.forget_events();
  hr = iscsi->CreateTarget(name, friendly, async.put());
  const outcome made =
      finish(s, "IVdsSubSystemIscsi::CreateTarget", hr, std::exchange(async, {}), VDS_ASYNCOUT_CREATETARGET);
  const auto target = made.object.as<IVdsIscsiTarget>();
  if (!target) return;
  VDS_ISCSI_TARGET_PROP prop{};
  if (SUCCEEDED(target->GetProperties(&prop))) (void)take(prop.pwszIscsiName), (void)take(prop.pwszFriendlyName);
  const guid id = from_com(prop.id);
  if (say.must("IVdsSubSystemIscsi::CreateTarget", s.at.event(VDS_NF_TARGET_ARRIVE, id), "no TARGET_ARRIVE comes"))
    say.event("IVdsSubSystemIscsi::CreateTarget", "TARGET_ARRIVE");
  hr = iscsi->CreateTarget(name, friendly, async.put());
  hr = result_of(s, "IVdsSubSystemIscsi::CreateTarget", hr, std::exchange(async, {}));
  say.provokes("IVdsSubSystemIscsi::CreateTarget", hr, {VDS_E_NAME_NOT_UNIQUE}, "a name that is taken");
  const com_ptr<IVdsLun> lun = make_lun(s);
  check_target(s, target.get(), portal_id, lun);
  if (lun) delete_lun(s, lun.get());
  say.nulls("IVdsIscsiTarget::Delete", target->Delete(nullptr));
  s.at.forget_events();
  hr = target->Delete(async.put());
  const outcome removed = finish(s, "IVdsIscsiTarget::Delete", hr, std::exchange(async, {}), VDS_ASYNCOUT_DELETETARGET);
  if (!removed.begun || FAILED(removed.hr)) return;
  if (say.must("IVdsIscsiTarget::Delete", s.at.event(VDS_NF_TARGET_DEPART, id), "no TARGET_DEPART comes"))
    say.event("IVdsIscsiTarget::Delete", "TARGET_DEPART");
  com_ptr<IVdsSubSystem> up;
  com_ptr<IEnumVdsObject> none;
  LPWSTR* names = nullptr;
  LONG n = 0;
  UCHAR text[] = "sixteen letters.";
  VDS_ISCSI_SHARED_SECRET secret{text, 16};
  say.gone("IVdsIscsiTarget::GetProperties", target->GetProperties(&prop));
  say.gone("IVdsIscsiTarget::GetSubSystem", target->GetSubSystem(up.put()));
  say.gone("IVdsIscsiTarget::QueryPortalGroups", target->QueryPortalGroups(none.put()));
  say.gone("IVdsIscsiTarget::QueryAssociatedLuns", target->QueryAssociatedLuns(none.put()));
  say.gone("IVdsIscsiTarget::CreatePortalGroup", target->CreatePortalGroup(async.put()));
  say.gone("IVdsIscsiTarget::Delete", target->Delete(async.put()));
  say.gone("IVdsIscsiTarget::SetFriendlyName", target->SetFriendlyName(friendly));
  say.gone("IVdsIscsiTarget::SetSharedSecret", target->SetSharedSecret(&secret, name));
  say.gone("IVdsIscsiTarget::RememberInitiatorSharedSecret", target->RememberInitiatorSharedSecret(name, &secret));
  say.gone("IVdsIscsiTarget::GetConnectedInitiators", target->GetConnectedInitiators(&names, &n));
}

void check_pools(scene& s) {
  report& say = s.say;
  const auto pools = s.provider.as<IVdsHwProviderStoragePools>();
  if (!pools) return;
  com_ptr<IEnumVdsObject> list;
  com_ptr<IVdsAsync> async;
  WCHAR mask[] = L"";
  VDS_HINTS2 hints{};
  ULONGLONG most = 0;
  say.nulls("IVdsHwProviderStoragePools::QueryStoragePools", pools->QueryStoragePools(0, 0, nullptr, nullptr));
  say.nulls("IVdsHwProviderStoragePools::QueryStoragePools", pools->QueryStoragePools(0x4000, 0, nullptr, list.put()));
  HRESULT hr = pools->QueryStoragePools(0, 0, nullptr, list.put());
  const auto all = query(s, "IVdsHwProviderStoragePools::QueryStoragePools", hr, list);
  guid concrete;
  for (const auto& each : all) {
    const auto pool = each.as<IVdsStoragePool>();
    if (!pool) return say.wrong("IVdsHwProviderStoragePools::QueryStoragePools", "lists what is no pool");
    VDS_STORAGE_POOL_PROP prop{};
    say.nulls("IVdsStoragePool::GetProperties", pool->GetProperties(nullptr));
    if (!say.works("IVdsStoragePool::GetProperties", pool->GetProperties(&prop))) continue;
    (void)take(prop.pwszName), (void)take(prop.pwszDescription);
    if (prop.type == VDS_SPT_CONCRETE) concrete = from_com(prop.id);
    say.must("IVdsStoragePool::GetProperties", prop.ullRemainingFreeSpace <= prop.ullTotalManagedSpace,
             "has more free than it manages");
    com_ptr<IVdsProvider> up;
    say.nulls("IVdsStoragePool::GetProvider", pool->GetProvider(nullptr));
    say.works("IVdsStoragePool::GetProvider", pool->GetProvider(up.put()));
    VDS_POOL_ATTRIBUTES attributes{};
    say.nulls("IVdsStoragePool::GetAttributes", pool->GetAttributes(nullptr));
    if (say.works("IVdsStoragePool::GetAttributes", pool->GetAttributes(&attributes)))
      CoTaskMemFree(attributes.pwszIntendedUsage), CoTaskMemFree(attributes.pPoolCustomAttributes);
    VDS_STORAGE_POOL_DRIVE_EXTENT* extents = nullptr;
    LONG n = 0;
    say.nulls("IVdsStoragePool::QueryDriveExtents", pool->QueryDriveExtents(nullptr, &n));
    if (say.works("IVdsStoragePool::QueryDriveExtents", pool->QueryDriveExtents(&extents, &n))) CoTaskMemFree(extents);
    com_ptr<IEnumVdsObject> luns, inner;
    say.nulls("IVdsStoragePool::QueryAllocatedLuns", pool->QueryAllocatedLuns(nullptr));
    hr = pool->QueryAllocatedLuns(luns.put());
    (void)query(s, "IVdsStoragePool::QueryAllocatedLuns", hr, luns);
    say.nulls("IVdsStoragePool::QueryAllocatedStoragePools", pool->QueryAllocatedStoragePools(nullptr));
    hr = pool->QueryAllocatedStoragePools(inner.put());
    (void)query(s, "IVdsStoragePool::QueryAllocatedStoragePools", hr, inner);
  }
  constexpr auto create = "IVdsHwProviderStoragePools::CreateLunInStoragePool";
  constexpr auto largest = "IVdsHwProviderStoragePools::QueryMaxLunCreateSizeInStoragePool";
  say.nulls(create, pools->CreateLunInStoragePool(VDS_LT_SIMPLE, s.lun_bytes, GUID{}, mask, &hints, async.put()));
  say.nulls(create, pools->CreateLunInStoragePool(VDS_LT_SIMPLE, 0, nobody, mask, &hints, async.put()));
  hr = pools->CreateLunInStoragePool(VDS_LT_SIMPLE, s.lun_bytes, nobody, mask, &hints, async.put());
  say.provokes(create, result_of(s, create, hr, std::exchange(async, {})), {VDS_E_OBJECT_NOT_FOUND}, "an unknown pool");
  say.nulls(largest, pools->QueryMaxLunCreateSizeInStoragePool(VDS_LT_SIMPLE, nobody, &hints, nullptr));
  say.provokes(largest, pools->QueryMaxLunCreateSizeInStoragePool(VDS_LT_SIMPLE, nobody, &hints, &most),
               {VDS_E_OBJECT_NOT_FOUND}, "an unknown pool");
  if (!concrete) return;
  say.works(largest, pools->QueryMaxLunCreateSizeInStoragePool(VDS_LT_SIMPLE, to_com(concrete), &hints, &most));
  s.at.forget_events();
  hr = pools->CreateLunInStoragePool(VDS_LT_SIMPLE, s.lun_bytes, to_com(concrete), mask, &hints, async.put());
  const outcome made = finish(s, create, hr, std::exchange(async, {}), VDS_ASYNCOUT_CREATELUN);
  if (const auto lun = made.object.as<IVdsLun>()) {
    if (say.must(create, s.at.event(VDS_NF_LUN_ARRIVE, lun_id(lun.get())), "no LUN_ARRIVE comes"))
      say.event(create, "LUN_ARRIVE");
    delete_lun(s, lun.get());
  }
}

}  // namespace vds::check
