#include "apps/provider_check/calls.h"
#include "com/hresult.h"

namespace vds::check {
namespace {

void free_information(VDS_LUN_INFORMATION& info) {
  for (char* text : {info.m_szVendorId, info.m_szProductId, info.m_szProductRevision, info.m_szSerialNumber})
    CoTaskMemFree(text);
  auto& ids = info.m_deviceIdDescriptor;
  for (ULONG i = 0; ids.m_rgIdentifiers != nullptr && i < ids.m_cIdentifiers; ++i)
    CoTaskMemFree(ids.m_rgIdentifiers[i].m_rgbIdentifier);
  CoTaskMemFree(ids.m_rgIdentifiers);
  for (ULONG i = 0; info.m_rgInterconnects != nullptr && i < info.m_cInterconnects; ++i) {
    CoTaskMemFree(info.m_rgInterconnects[i].m_pbPort);
    CoTaskMemFree(info.m_rgInterconnects[i].m_pbAddress);
  }
  CoTaskMemFree(info.m_rgInterconnects);
  info = {};
}

struct properties {
  HRESULT hr = E_FAIL;
  guid id;
  std::uint64_t size = 0;
  std::string name, mask;
  VDS_LUN_TYPE type{};
  VDS_LUN_STATUS status{};
};

properties look(IVdsLun* lun) {
  VDS_LUN_PROP prop{};
  properties out;
  out.hr = lun->GetProperties(&prop);
  out.name = take(prop.pwszFriendlyName);
  (void)take(prop.pwszIdentification);
  out.mask = take(prop.pwszUnmaskingList);
  out.id = from_com(prop.id);
  out.size = prop.ullSize;
  out.type = prop.type;
  out.status = prop.status;
  return out;
}

// The event of a change that was just made.
void modified(scene& s, std::string_view method, const guid& lun) {
  if (s.say.must(method, s.at.event(VDS_NF_LUN_MODIFY, lun), "no LUN_MODIFY comes")) s.say.event(method, "LUN_MODIFY");
}

void identity(scene& s, IVdsLun* lun, const properties& is) {
  report& say = s.say;
  say.nulls("IVdsLun::GetProperties", lun->GetProperties(nullptr));
  say.works("IVdsLun::GetProperties", is.hr);
  say.must("IVdsLun::GetProperties", is.size >= s.lun_bytes, "is smaller than it was asked to be");
  say.must("IVdsLun::GetProperties", is.type >= VDS_LT_SIMPLE, "tells an automatic type");
  say.must("IVdsLun::GetProperties", look(lun).id == is.id, "has another id each time");
  com_ptr<IUnknown> found;
  if (say.must("IVdsLun::GetProperties", SUCCEEDED(s.at.object(is.id, VDS_OT_LUN, found.put())) && found,
               "cannot be found by its id"))
    say.must("IVdsLun::GetProperties", lun_id(found.get()) == is.id, "another LUN is found by its id");
  com_ptr<IUnknown> wrong;
  say.must("IVdsLun::GetProperties", s.at.object(is.id, VDS_OT_DRIVE, wrong.put()) == VDS_E_OBJECT_NOT_FOUND,
           "is found as a drive, too");
  com_ptr<IVdsSubSystem> up;
  say.nulls("IVdsLun::GetSubSystem", lun->GetSubSystem(nullptr));
  if (say.works("IVdsLun::GetSubSystem", lun->GetSubSystem(up.put())))
    say.must("IVdsLun::GetSubSystem", static_cast<bool>(up), "succeeds with a null pointer");
  VDS_LUN_INFORMATION info{};
  say.nulls("IVdsLun::GetIdentificationData", lun->GetIdentificationData(nullptr));
  if (say.works("IVdsLun::GetIdentificationData", lun->GetIdentificationData(&info))) {
    say.must("IVdsLun::GetIdentificationData", info.m_version == VER_VDS_LUN_INFORMATION, "has not got version 1");
    say.must("IVdsLun::GetIdentificationData",
             info.m_szSerialNumber != nullptr || info.m_deviceIdDescriptor.m_cIdentifiers != 0, "identifies nothing");
    // The only link between a disk that a host sees and the LUN behind it.
    const auto own = s.at.straight() ? s.provider.as<IVdsHwProviderPrivate>() : com_ptr<IVdsHwProviderPrivate>();
    if (own) {
      WCHAR path[] = L"/dev/null";
      VDS_OBJECT_ID id{};
      const HRESULT hr = own->QueryIfCreatedLun(path, &info, &id);
      if (say.works("IVdsHwProviderPrivate::QueryIfCreatedLun", hr))
        say.must("IVdsHwProviderPrivate::QueryIfCreatedLun", hr == S_FALSE || from_com(id) == is.id,
                 "takes a LUN for another one");
    }
    free_information(info);
  }
  com_ptr<IEnumVdsObject> list;
  say.nulls("IVdsLun::QueryActiveControllers", lun->QueryActiveControllers(nullptr));
  HRESULT hr = lun->QueryActiveControllers(list.put());
  (void)query(s, "IVdsLun::QueryActiveControllers", hr, list);
}

void masking_and_names(scene& s, IVdsLun* lun, const properties& is) {
  report& say = s.say;
  say.nulls("IVdsLun::SetMask", lun->SetMask(nullptr));
  WCHAR one[] = L"iqn.2001-04.com.example:checker", none[] = L"", nonsense[] = L"*;iqn.2001-04.com.example:checker";
  s.at.forget_events();
  if (say.works("IVdsLun::SetMask", lun->SetMask(one))) {
    say.must("IVdsLun::SetMask", look(lun).mask == to_utf8(one), "succeeds and is not shown");
    modified(s, "IVdsLun::SetMask", is.id);
    const HRESULT hr = lun->SetMask(nonsense);  // '*' stands alone; not every array minds
    if (FAILED(hr)) say.provokes("IVdsLun::SetMask", hr, {E_INVALIDARG}, "'*' beside a name");
    say.works("IVdsLun::SetMask", lun->SetMask(none));
    say.must("IVdsLun::SetMask", look(lun).mask.empty(), "does not replace the list");
  }
  if (const auto naming = com_ptr<IVdsLun>(lun).as<IVdsLunNaming>()) {
    WCHAR name[] = L"named by the check";
    say.nulls("IVdsLunNaming::SetFriendlyName", naming->SetFriendlyName(nullptr));
    s.at.forget_events();
    if (say.works("IVdsLunNaming::SetFriendlyName", naming->SetFriendlyName(name))) {
      say.must("IVdsLunNaming::SetFriendlyName", look(lun).name == to_utf8(name), "succeeds and is not shown");
      modified(s, "IVdsLunNaming::SetFriendlyName", is.id);
    }
  }
  if (const auto numbered = com_ptr<IVdsLun>(lun).as<IVdsLunNumber>()) {
    ULONG number = 0;
    say.nulls("IVdsLunNumber::GetLunNumber", numbered->GetLunNumber(nullptr));
    say.works("IVdsLunNumber::GetLunNumber", numbered->GetLunNumber(&number), {VDS_E_OBJECT_NOT_FOUND});
  }
  say.nulls("IVdsLun::SetStatus", lun->SetStatus(VDS_LS_UNKNOWN));
  say.nulls("IVdsLun::SetStatus", lun->SetStatus(static_cast<VDS_LUN_STATUS>(4711)));
  s.at.forget_events();
  if (say.works("IVdsLun::SetStatus", lun->SetStatus(VDS_LS_OFFLINE))) {
    say.must("IVdsLun::SetStatus", look(lun).status == VDS_LS_OFFLINE, "succeeds and is not shown");
    modified(s, "IVdsLun::SetStatus", is.id);
    say.works("IVdsLun::SetStatus", lun->SetStatus(VDS_LS_ONLINE));
    say.must("IVdsLun::SetStatus", look(lun).status == VDS_LS_ONLINE, "does not come online again");
  }
}

void hints(scene& s, IVdsLun* lun) {
  report& say = s.say;
  VDS_HINTS in{};
  say.nulls("IVdsLun::QueryHints", lun->QueryHints(nullptr));
  say.works("IVdsLun::QueryHints", lun->QueryHints(&in));
  VDS_HINTS wish{};
  say.nulls("IVdsLun::ApplyHints", lun->ApplyHints(nullptr));
  say.works("IVdsLun::ApplyHints", lun->ApplyHints(&wish));
  if (const auto more = com_ptr<IVdsLun>(lun).as<IVdsLun2>()) {
    VDS_HINTS2 second{}, wishes{};
    say.nulls("IVdsLun2::QueryHints2", more->QueryHints2(nullptr));
    say.works("IVdsLun2::QueryHints2", more->QueryHints2(&second));
    say.nulls("IVdsLun2::ApplyHints2", more->ApplyHints2(nullptr));
    say.works("IVdsLun2::ApplyHints2", more->ApplyHints2(&wishes));
  }
}

void associations(scene& s, IVdsLun* lun) {
  report& say = s.say;
  VDS_OBJECT_ID stranger = nobody;
  say.nulls("IVdsLun::AssociateControllers", lun->AssociateControllers(nullptr, -1, nullptr, 0));
  say.provokes("IVdsLun::AssociateControllers", lun->AssociateControllers(&stranger, 1, nullptr, 0),
               {E_INVALIDARG, VDS_E_OBJECT_NOT_FOUND}, "an unknown controller");
  say.untried("IVdsLun::AssociateControllers", "controllers are left as they are");
  if (const auto ports = com_ptr<IVdsLun>(lun).as<IVdsLunControllerPorts>()) {
    com_ptr<IEnumVdsObject> list;
    say.nulls("IVdsLunControllerPorts::QueryActiveControllerPorts", ports->QueryActiveControllerPorts(nullptr));
    const HRESULT hr = ports->QueryActiveControllerPorts(list.put());
    (void)query(s, "IVdsLunControllerPorts::QueryActiveControllerPorts", hr, list);
    say.nulls("IVdsLunControllerPorts::AssociateControllerPorts",
              ports->AssociateControllerPorts(nullptr, -1, nullptr, 0));
    say.provokes("IVdsLunControllerPorts::AssociateControllerPorts",
                 ports->AssociateControllerPorts(&stranger, 1, nullptr, 0), {E_INVALIDARG, VDS_E_OBJECT_NOT_FOUND},
                 "an unknown port");
    say.untried("IVdsLunControllerPorts::AssociateControllerPorts", "ports are left as they are");
  }
  if (const auto paths = com_ptr<IVdsLun>(lun).as<IVdsLunMpio>()) {
    ULONG policies = 0;
    say.nulls("IVdsLunMpio::GetSupportedLbPolicies", paths->GetSupportedLbPolicies(nullptr));
    say.works("IVdsLunMpio::GetSupportedLbPolicies", paths->GetSupportedLbPolicies(&policies));
    for (const auto* each :
         {"IVdsLunMpio::GetPathInfo", "IVdsLunMpio::GetLoadBalancePolicy", "IVdsLunMpio::SetLoadBalancePolicy"})
      say.untried(each, "paths are the host's; this check has none");
  }
}

void sizes(scene& s, IVdsLun* lun, const properties& is) {
  report& say = s.say;
  com_ptr<IVdsAsync> async;
  VDS_OBJECT_ID stranger = nobody;
  ULONGLONG most = 0;
  say.nulls("IVdsLun::QueryMaxLunExtendSize", lun->QueryMaxLunExtendSize(nullptr, 0, nullptr));
  say.nulls("IVdsLun::QueryMaxLunExtendSize", lun->QueryMaxLunExtendSize(nullptr, -1, &most));
  say.works("IVdsLun::QueryMaxLunExtendSize", lun->QueryMaxLunExtendSize(nullptr, 0, &most));
  say.provokes("IVdsLun::QueryMaxLunExtendSize", lun->QueryMaxLunExtendSize(&stranger, 1, &most),
               {VDS_E_OBJECT_NOT_FOUND}, "an unknown drive");
  say.nulls("IVdsLun::Extend", lun->Extend(s.lun_bytes, nullptr, 0, nullptr));
  say.nulls("IVdsLun::Extend", lun->Extend(0, nullptr, 0, async.put()));
  say.nulls("IVdsLun::Extend", lun->Extend(s.lun_bytes, nullptr, -1, async.put()));
  s.at.forget_events();
  HRESULT hr = lun->Extend(s.lun_bytes, nullptr, 0, async.put());
  const outcome grown = finish(s, "IVdsLun::Extend", hr, std::exchange(async, {}), VDS_ASYNCOUT_EXTENDLUN);
  const std::uint64_t now = look(lun).size;
  if (grown.begun && SUCCEEDED(grown.hr)) {
    say.must("IVdsLun::Extend", now >= is.size + s.lun_bytes, "succeeds and the LUN is not larger");
    modified(s, "IVdsLun::Extend", is.id);
    hr = lun->Extend(too_much, nullptr, 0, async.put());
    hr = result_of(s, "IVdsLun::Extend", hr, std::exchange(async, {}));
    say.provokes("IVdsLun::Extend", hr, {VDS_E_NOT_ENOUGH_SPACE}, "a size beyond all drives");
    say.must("IVdsLun::Extend", look(lun).size == now, "fails and the LUN has another size");
  } else {
    say.must("IVdsLun::Extend", now == is.size, "fails and the LUN has another size");
  }
  async.reset();
  say.nulls("IVdsLun::Shrink", lun->Shrink(s.lun_bytes, nullptr));
  say.nulls("IVdsLun::Shrink", lun->Shrink(0, async.put()));
  s.at.forget_events();
  hr = lun->Shrink(s.lun_bytes, async.put());
  // A LUN that was not extended cannot lose all it has.
  const outcome cut = finish(s, "IVdsLun::Shrink", hr, std::exchange(async, {}), VDS_ASYNCOUT_SHRINKLUN,
                             {VDS_E_INVALID_SHRINK_SIZE, VDS_E_CANNOT_SHRINK, E_INVALIDARG});
  if (cut.begun && SUCCEEDED(cut.hr)) {
    say.must("IVdsLun::Shrink", look(lun).size < now, "succeeds and the LUN is not smaller");
    modified(s, "IVdsLun::Shrink", is.id);
  }
}

// Every method of a plex that is gone.
void deleted_plex(scene& s, IVdsLunPlex* plex) {
  VDS_LUN_PLEX_PROP prop{};
  VDS_DRIVE_EXTENT* extents = nullptr;
  LONG n = 0;
  com_ptr<IVdsLun> up;
  VDS_HINTS hints{};
  s.say.gone("IVdsLunPlex::GetProperties", plex->GetProperties(&prop));
  s.say.gone("IVdsLunPlex::GetLun", plex->GetLun(up.put()));
  s.say.gone("IVdsLunPlex::QueryExtents", plex->QueryExtents(&extents, &n));
  s.say.gone("IVdsLunPlex::QueryHints", plex->QueryHints(&hints));
  s.say.gone("IVdsLunPlex::ApplyHints", plex->ApplyHints(&hints));
}

com_ptr<IVdsLunPlex> first_plex(IVdsLun* lun) {
  com_ptr<IEnumVdsObject> list;
  com_ptr<IUnknown> first;
  ULONG n = 0;
  if (FAILED(lun->QueryPlexes(list.put())) || !list || list->Next(1, first.put(), &n) != S_OK) return {};
  return first.as<IVdsLunPlex>();
}

void plexes(scene& s, IVdsLun* lun, const properties& is) {
  report& say = s.say;
  com_ptr<IVdsAsync> async;
  say.nulls("IVdsLun::AddPlex", lun->AddPlex(nobody, nullptr));
  say.nulls("IVdsLun::RemovePlex", lun->RemovePlex(nobody, nullptr));
  say.nulls("IVdsLun::Recover", lun->Recover(nullptr));
  HRESULT hr = lun->Recover(async.put());
  (void)finish(s, "IVdsLun::Recover", hr, std::exchange(async, {}), VDS_ASYNCOUT_RECOVERLUN, {VDS_E_INVALID_OPERATION});
  if (const auto redundant = make_lun(s, VDS_LT_MIRROR)) {
    hr = redundant->Recover(async.put());
    (void)finish(s, "IVdsLun::Recover", hr, std::exchange(async, {}), VDS_ASYNCOUT_RECOVERLUN);
    delete_lun(s, redundant.get());
  }
  hr = lun->AddPlex(nobody, async.put());
  say.provokes("IVdsLun::AddPlex", result_of(s, "IVdsLun::AddPlex", hr, std::exchange(async, {})),
               {VDS_E_OBJECT_NOT_FOUND}, "an unknown LUN");
  hr = lun->RemovePlex(nobody, async.put());
  say.provokes("IVdsLun::RemovePlex", result_of(s, "IVdsLun::RemovePlex", hr, std::exchange(async, {})),
               {VDS_E_OBJECT_NOT_FOUND}, "an unknown plex");

  const com_ptr<IVdsLun> source = make_lun(s);
  const guid gone = source ? lun_id(source.get()) : guid{};
  bool mirrored = false;
  if (source) {
    s.at.forget_events();
    hr = lun->AddPlex(to_com(gone), async.put());
    const outcome added = finish(s, "IVdsLun::AddPlex", hr, std::exchange(async, {}), VDS_ASYNCOUT_ADDLUNPLEX,
                                 {VDS_E_INVALID_OPERATION, VDS_E_NOT_ENOUGH_DRIVE, VDS_E_NOT_ENOUGH_SPACE});
    mirrored = added.begun && SUCCEEDED(added.hr);
    if (mirrored) {
      modified(s, "IVdsLun::AddPlex", is.id);
      say.must("IVdsLun::AddPlex", look(source.get()).hr == VDS_E_OBJECT_DELETED,
               "the LUN whose plex was taken does not answer VDS_E_OBJECT_DELETED");
      if (s.at.event(VDS_NF_LUN_DEPART, gone)) say.event("IVdsLun::AddPlex", "LUN_DEPART");
    } else {
      delete_lun(s, source.get());
    }
  }
  com_ptr<IEnumVdsObject> list;
  say.nulls("IVdsLun::QueryPlexes", lun->QueryPlexes(nullptr));
  hr = lun->QueryPlexes(list.put());
  const auto all = query(s, "IVdsLun::QueryPlexes", hr, list);
  if (mirrored) say.must("IVdsLun::QueryPlexes", all.size() == 2, "does not show the plex that was added");
  check_plexes(s, lun);
  if (!mirrored || all.size() < 2) return;
  const auto last = all.back().as<IVdsLunPlex>();
  VDS_LUN_PLEX_PROP prop{};
  if (!last || FAILED(last->GetProperties(&prop))) return;
  s.at.forget_events();
  hr = lun->RemovePlex(prop.id, async.put());
  const outcome removed = finish(s, "IVdsLun::RemovePlex", hr, std::exchange(async, {}), VDS_ASYNCOUT_REMOVELUNPLEX);
  if (!removed.begun || FAILED(removed.hr)) return;
  modified(s, "IVdsLun::RemovePlex", is.id);
  deleted_plex(s, last.get());
}

// Every method of a LUN that is gone.
void deleted(scene& s, IVdsLun* lun) {
  report& say = s.say;
  com_ptr<IVdsAsync> async;
  com_ptr<IEnumVdsObject> list;
  com_ptr<IVdsSubSystem> up;
  VDS_LUN_INFORMATION info{};
  VDS_HINTS hints{};
  ULONGLONG most = 0;
  WCHAR text[] = L"x";
  say.gone("IVdsLun::GetProperties", look(lun).hr);
  say.gone("IVdsLun::GetSubSystem", lun->GetSubSystem(up.put()));
  say.gone("IVdsLun::GetIdentificationData", lun->GetIdentificationData(&info));
  free_information(info);
  say.gone("IVdsLun::QueryActiveControllers", lun->QueryActiveControllers(list.put()));
  say.gone("IVdsLun::Extend", lun->Extend(s.lun_bytes, nullptr, 0, async.put()));
  say.gone("IVdsLun::Shrink", lun->Shrink(s.lun_bytes, async.put()));
  say.gone("IVdsLun::QueryPlexes", lun->QueryPlexes(list.put()));
  say.gone("IVdsLun::AddPlex", lun->AddPlex(nobody, async.put()));
  say.gone("IVdsLun::RemovePlex", lun->RemovePlex(nobody, async.put()));
  say.gone("IVdsLun::Recover", lun->Recover(async.put()));
  say.gone("IVdsLun::SetMask", lun->SetMask(text));
  say.gone("IVdsLun::Delete", lun->Delete());
  say.gone("IVdsLun::AssociateControllers", lun->AssociateControllers(nullptr, 0, nullptr, 0));
  say.gone("IVdsLun::QueryHints", lun->QueryHints(&hints));
  say.gone("IVdsLun::ApplyHints", lun->ApplyHints(&hints));
  say.gone("IVdsLun::SetStatus", lun->SetStatus(VDS_LS_ONLINE));
  say.gone("IVdsLun::QueryMaxLunExtendSize", lun->QueryMaxLunExtendSize(nullptr, 0, &most));
  const com_ptr<IVdsLun> l(lun);
  if (const auto more = l.as<IVdsLun2>()) {
    VDS_HINTS2 second{};
    say.gone("IVdsLun2::QueryHints2", more->QueryHints2(&second));
    say.gone("IVdsLun2::ApplyHints2", more->ApplyHints2(&second));
  }
  if (const auto naming = l.as<IVdsLunNaming>())
    say.gone("IVdsLunNaming::SetFriendlyName", naming->SetFriendlyName(text));
  if (const auto numbered = l.as<IVdsLunNumber>()) {
    ULONG number = 0;
    say.gone("IVdsLunNumber::GetLunNumber", numbered->GetLunNumber(&number));
  }
  if (const auto iscsi = l.as<IVdsLunIscsi>()) {
    say.gone("IVdsLunIscsi::AssociateTargets", iscsi->AssociateTargets(nullptr, 0));
    say.gone("IVdsLunIscsi::QueryAssociatedTargets", iscsi->QueryAssociatedTargets(list.put()));
  }
}

}  // namespace

void check_plexes(scene& s, IVdsLun* lun) {
  report& say = s.say;
  const com_ptr<IVdsLunPlex> plex = first_plex(lun);
  if (!plex) return;
  VDS_LUN_PLEX_PROP prop{};
  say.nulls("IVdsLunPlex::GetProperties", plex->GetProperties(nullptr));
  if (say.works("IVdsLunPlex::GetProperties", plex->GetProperties(&prop))) {
    com_ptr<IUnknown> found;
    say.must("IVdsLunPlex::GetProperties",
             SUCCEEDED(s.at.object(from_com(prop.id), VDS_OT_LUN_PLEX, found.put())) && found,
             "cannot be found by its id");
  }
  com_ptr<IVdsLun> up;
  say.nulls("IVdsLunPlex::GetLun", plex->GetLun(nullptr));
  if (say.works("IVdsLunPlex::GetLun", plex->GetLun(up.put())))
    say.must("IVdsLunPlex::GetLun", up && lun_id(up.get()) == lun_id(lun), "gives another LUN");
  VDS_DRIVE_EXTENT* extents = nullptr;
  LONG count = 0;
  say.nulls("IVdsLunPlex::QueryExtents", plex->QueryExtents(nullptr, &count));
  if (say.works("IVdsLunPlex::QueryExtents", plex->QueryExtents(&extents, &count))) {
    say.must("IVdsLunPlex::QueryExtents", count > 0 && extents != nullptr, "stands on nothing");
    CoTaskMemFree(extents);
  }
  VDS_HINTS h{};
  say.nulls("IVdsLunPlex::QueryHints", plex->QueryHints(nullptr));
  say.works("IVdsLunPlex::QueryHints", plex->QueryHints(&h));
  VDS_HINTS wish{};
  say.nulls("IVdsLunPlex::ApplyHints", plex->ApplyHints(nullptr));
  say.works("IVdsLunPlex::ApplyHints", plex->ApplyHints(&wish));
}

void check_luns(scene& s) {
  report& say = s.say;
  const std::uint64_t free = free_bytes(s);
  s.at.forget_events();
  const com_ptr<IVdsLun> lun = make_lun(s);
  if (!lun) return;
  const properties is = look(lun.get());
  say.must("IVdsSubSystem::CreateLun", static_cast<bool>(is.id), "makes a LUN that has no id");
  if (say.must("IVdsSubSystem::CreateLun", s.at.event(VDS_NF_LUN_ARRIVE, is.id), "no LUN_ARRIVE comes"))
    say.event("IVdsSubSystem::CreateLun", "LUN_ARRIVE");
  say.must("IVdsSubSystem::CreateLun", free_bytes(s) < free, "makes a LUN that takes no room");
  // All that one change caused comes in one call: the drive that has less room now was told of with the LUN.
  bool told = false;
  for (const guid& drive : s.drives) told |= s.at.event(VDS_NF_DRIVE_MODIFY, drive, false);
  if (say.must("IVdsSubSystem::CreateLun", told, "no DRIVE_MODIFY comes with LUN_ARRIVE"))
    say.event("IVdsSubSystem::CreateLun", "DRIVE_MODIFY");
  identity(s, lun.get(), is);
  masking_and_names(s, lun.get(), is);
  hints(s, lun.get());
  associations(s, lun.get());
  sizes(s, lun.get(), is);
  plexes(s, lun.get(), is);
  check_maintenance(s, lun.get());
  if (!s.given_up) check_iscsi(s);
  const com_ptr<IVdsLunPlex> plex = first_plex(lun.get());
  s.at.forget_events();
  delete_lun(s, lun.get());
  if (plex) deleted_plex(s, plex.get());
  if (say.must("IVdsLun::Delete", s.at.event(VDS_NF_LUN_DEPART, is.id), "no LUN_DEPART comes"))
    say.event("IVdsLun::Delete", "LUN_DEPART");
  told = false;
  for (const guid& drive : s.drives) told |= s.at.event(VDS_NF_DRIVE_MODIFY, drive, false);
  if (told) say.event("IVdsLun::Delete", "DRIVE_MODIFY");
  com_ptr<IUnknown> found;
  const HRESULT hr = s.at.object(is.id, VDS_OT_LUN, found.put());
  say.must("IVdsLun::Delete", hr == VDS_E_OBJECT_NOT_FOUND || hr == VDS_E_OBJECT_DELETED,
           "and the LUN can still be found");
  deleted(s, lun.get());
  say.must("IVdsLun::Delete", free_again(s, free), "does not free what creation took");
}

}  // namespace vds::check
