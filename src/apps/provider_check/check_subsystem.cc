#include <algorithm>

#include "apps/provider_check/calls.h"
#include "base/random.h"
#include "com/call_context.h"
#include "com/hresult.h"

namespace vds::check {
namespace {

constexpr auto create = "IVdsSubSystem::CreateLun";

HRESULT call_create(scene& s, VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count,
                    com_ptr<IVdsAsync>& out) {
  WCHAR mask[] = L"";
  return s.subsystem->CreateLun(type, size, drives, count, mask, nullptr, out.put());
}

void creation_refusals(scene& s) {
  report& say = s.say;
  com_ptr<IVdsAsync> async;
  const auto refused = [&](HRESULT hr) {
    say.must(create, !async || SUCCEEDED(hr), "fails and hands out an async object");
    return hr;
  };
  say.nulls(create, refused(call_create(s, VDS_LT_SIMPLE, 0, nullptr, 0, async)));
  say.nulls(create, refused(call_create(s, VDS_LT_UNKNOWN, s.lun_bytes, nullptr, 0, async)));
  say.nulls(create, refused(call_create(s, static_cast<VDS_LUN_TYPE>(4711), s.lun_bytes, nullptr, 0, async)));
  say.nulls(create, refused(call_create(s, VDS_LT_SIMPLE, s.lun_bytes, nullptr, -1, async)));
  say.nulls(create, refused(call_create(s, VDS_LT_SIMPLE, s.lun_bytes, nullptr, 1, async)));
  WCHAR mask[] = L"";
  say.nulls(create, s.subsystem->CreateLun(VDS_LT_SIMPLE, s.lun_bytes, nullptr, 0, mask, nullptr, nullptr));
  VDS_OBJECT_ID stranger = nobody;
  HRESULT hr = call_create(s, VDS_LT_SIMPLE, s.lun_bytes, &stranger, 1, async);
  hr = result_of(s, create, hr, std::move(async));
  say.provokes(create, hr, {VDS_E_OBJECT_NOT_FOUND}, "an unknown drive");
  if (s.given_up) return;
  // More than there can be; told at once, or by the operation.
  hr = call_create(s, VDS_LT_SIMPLE, too_much, nullptr, 0, async);
  hr = result_of(s, create, hr, std::move(async));
  say.provokes(create, hr, {VDS_E_NOT_ENOUGH_SPACE}, "a size beyond all drives");
}

std::vector<guid> luns(scene& s) {
  com_ptr<IEnumVdsObject> list;
  std::vector<guid> out;
  if (FAILED(s.subsystem->QueryLuns(list.put())) || !list) return out;
  for (;;) {
    com_ptr<IUnknown> each;
    ULONG n = 0;
    if (list->Next(1, each.put(), &n) != S_OK || !each || out.size() > 100'000) break;
    if (const guid id = lun_id(each.get())) out.push_back(id);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The same operation id twice: the second call joins the first, and there is one LUN.
void joining(scene& s) {
  call_context context = current_call();
  context.operation_id = random_guid(system_random());
  const auto before = luns(s).size();
  com_ptr<IVdsLun> first, second;
  {
    const scoped_call as(context);
    com_ptr<IVdsAsync> a, b;
    const HRESULT one = call_create(s, VDS_LT_SIMPLE, s.lun_bytes, nullptr, 0, a);
    const HRESULT two = call_create(s, VDS_LT_SIMPLE, s.lun_bytes, nullptr, 0, b);
    if (FAILED(one)) return;
    first = finish(s, create, one, std::move(a), VDS_ASYNCOUT_CREATELUN).object.as<IVdsLun>();
    second = finish(s, create, two, std::move(b), VDS_ASYNCOUT_CREATELUN).object.as<IVdsLun>();
  }
  if (!first) return;
  const guid id = lun_id(first.get());
  s.say.must(create, second && lun_id(second.get()) == id,
             "a repeated call with the same operation id makes another LUN");
  s.say.must(create, luns(s).size() == before + 1, "a repeated call with the same operation id leaves two LUNs");
  delete_lun(s, first.get());
  if (second && lun_id(second.get()) && lun_id(second.get()) != id) delete_lun(s, second.get());
}

// Cancelled as soon as it has begun: undone, or too late and whole.
void cancelling(scene& s) {
  report& say = s.say;
  const auto before = luns(s);
  const std::uint64_t free = free_bytes(s);
  com_ptr<IVdsAsync> async;
  const HRESULT begun = call_create(s, VDS_LT_SIMPLE, 4 * s.lun_bytes, nullptr, 0, async);
  if (FAILED(begun) || !async) return;
  const HRESULT cancelled = async->Cancel();
  say.works("IVdsAsync::Cancel", cancelled, {VDS_E_CANCEL_TOO_LATE, VDS_E_OPERATION_CANCELED});
  HRESULT result = VDS_E_OPERATION_PENDING;
  VDS_ASYNC_OUTPUT out{};
  if (!ends(s, create, async.get()) || !say.works("IVdsAsync::Wait", async->Wait(&result, &out))) return;
  com_ptr<IUnknown> made;
  if (out.type == VDS_ASYNCOUT_CREATELUN) made.attach(out.cl.pLunUnk);
  if (SUCCEEDED(result)) {
    say.must("IVdsAsync::Cancel", FAILED(cancelled), "succeeds, and the operation ends as if it had not");
    if (const auto lun = made.as<IVdsLun>()) delete_lun(s, lun.get());
  } else {
    say.must(create, result == VDS_E_OPERATION_CANCELED, "cancelled, it ends with " + describe(result));
    say.provokes(create, result, {VDS_E_OPERATION_CANCELED}, "Cancel");
    say.must(create, !made, "cancelled, it hands out a LUN");
  }
  say.must(create, luns(s) == before, "cancelled, it leaves a LUN behind");
  say.must(create, free_again(s, free), "cancelled, it leaves room taken");
}

void second_generation(scene& s) {
  const auto more = s.subsystem.as<IVdsSubSystem2>();
  if (!more) return;
  report& say = s.say;
  VDS_SUB_SYSTEM_PROP2 prop{};
  say.nulls("IVdsSubSystem2::GetProperties2", more->GetProperties2(nullptr));
  if (say.works("IVdsSubSystem2::GetProperties2", more->GetProperties2(&prop))) {
    (void)take(prop.pwszFriendlyName), (void)take(prop.pwszIdentification);
    say.must("IVdsSubSystem2::GetProperties2", from_com(prop.id) == s.subsystem_id,
             "tells another id than GetProperties");
  }
  com_ptr<IVdsDrive> drive;
  say.nulls("IVdsSubSystem2::GetDrive2", more->GetDrive2(0, 0, 0, nullptr));
  say.provokes("IVdsSubSystem2::GetDrive2", more->GetDrive2(4711, 4711, 4711, drive.put()), {VDS_E_OBJECT_NOT_FOUND},
               "a slot that does not exist");
  // The enclosure is the drive's own; drives without one have ULONG_MAX or 0.
  HRESULT hr = VDS_E_OBJECT_NOT_FOUND;
  for (const ULONG enclosure : {ULONG{0}, ~ULONG{0}})
    for (SHORT slot = 0; slot < 64 && hr == VDS_E_OBJECT_NOT_FOUND; ++slot)
      hr = more->GetDrive2(0, slot, enclosure, drive.put());
  if (say.works("IVdsSubSystem2::GetDrive2", hr))
    say.must("IVdsSubSystem2::GetDrive2", static_cast<bool>(drive), "succeeds with a null pointer");

  WCHAR mask[] = L"";
  VDS_HINTS2 hints{};
  com_ptr<IVdsAsync> async;
  ULONGLONG most = 0;
  say.nulls("IVdsSubSystem2::CreateLun2", more->CreateLun2(VDS_LT_SIMPLE, 0, nullptr, 0, mask, &hints, async.put()));
  say.nulls("IVdsSubSystem2::CreateLun2",
            more->CreateLun2(VDS_LT_SIMPLE, s.lun_bytes, nullptr, -1, mask, &hints, async.put()));
  s.at.forget_events();
  hr = more->CreateLun2(VDS_LT_SIMPLE, s.lun_bytes, nullptr, 0, mask, &hints, async.put());
  const outcome made = finish(s, "IVdsSubSystem2::CreateLun2", hr, std::move(async), VDS_ASYNCOUT_CREATELUN);
  if (const auto lun = made.object.as<IVdsLun>()) {
    if (say.must("IVdsSubSystem2::CreateLun2", s.at.event(VDS_NF_LUN_ARRIVE, lun_id(lun.get())), "no LUN_ARRIVE comes"))
      say.event("IVdsSubSystem2::CreateLun2", "LUN_ARRIVE");
    delete_lun(s, lun.get());
  }
  say.nulls("IVdsSubSystem2::QueryMaxLunCreateSize2",
            more->QueryMaxLunCreateSize2(VDS_LT_SIMPLE, nullptr, 0, &hints, nullptr));
  hr = more->QueryMaxLunCreateSize2(VDS_LT_SIMPLE, nullptr, 0, &hints, &most);
  say.works("IVdsSubSystem2::QueryMaxLunCreateSize2", hr);
}

void naming(scene& s, const std::string& name) {
  report& say = s.say;
  if (const auto naming = s.subsystem.as<IVdsSubSystemNaming>()) {
    say.nulls("IVdsSubSystemNaming::SetFriendlyName", naming->SetFriendlyName(nullptr));
    std::wstring fresh = L"renamed by the check", back = to_wide(name);
    s.at.forget_events();
    if (say.works("IVdsSubSystemNaming::SetFriendlyName", naming->SetFriendlyName(fresh.data()))) {
      if (s.at.event(VDS_NF_SUB_SYSTEM_MODIFY, s.subsystem_id))
        say.event("IVdsSubSystemNaming::SetFriendlyName", "SUB_SYSTEM_MODIFY");
      else
        say.wrong("IVdsSubSystemNaming::SetFriendlyName", "no SUB_SYSTEM_MODIFY comes");
      VDS_SUB_SYSTEM_PROP prop{};
      if (SUCCEEDED(s.subsystem->GetProperties(&prop))) {
        say.must("IVdsSubSystemNaming::SetFriendlyName", take(prop.pwszFriendlyName) == to_utf8(fresh.c_str()),
                 "does not change the name");
        (void)take(prop.pwszIdentification);
      }
      say.works("IVdsSubSystemNaming::SetFriendlyName", naming->SetFriendlyName(back.data()));
    }
  }
  if (const auto wires = s.subsystem.as<IVdsSubSystemInterconnect>()) {
    ULONG flags = 0;
    say.nulls("IVdsSubSystemInterconnect::GetSupportedInterconnects", wires->GetSupportedInterconnects(nullptr));
    if (say.works("IVdsSubSystemInterconnect::GetSupportedInterconnects", wires->GetSupportedInterconnects(&flags)))
      say.must("IVdsSubSystemInterconnect::GetSupportedInterconnects", (flags & ~0xfu) == 0, "unknown flags");
  }
}

}  // namespace

void check_subsystem(scene& s) {
  report& say = s.say;
  IVdsSubSystem& sub = *s.subsystem;
  say.nulls("IVdsSubSystem::GetProperties", sub.GetProperties(nullptr));
  VDS_SUB_SYSTEM_PROP prop{};
  if (!say.works("IVdsSubSystem::GetProperties", sub.GetProperties(&prop))) return;
  const std::string name = take(prop.pwszFriendlyName), number = take(prop.pwszIdentification);
  s.subsystem_id = from_com(prop.id);
  say.must("IVdsSubSystem::GetProperties", static_cast<bool>(s.subsystem_id), "has no id");
  say.must("IVdsSubSystem::GetProperties", prop.status <= VDS_SSS_PARTIALLY_MANAGED, "a status that does not exist");

  com_ptr<IVdsProvider> provider;
  say.nulls("IVdsSubSystem::GetProvider", sub.GetProvider(nullptr));
  if (say.works("IVdsSubSystem::GetProvider", sub.GetProvider(provider.put())) &&
      say.must("IVdsSubSystem::GetProvider", static_cast<bool>(provider), "succeeds with a null pointer")) {
    VDS_PROVIDER_PROP p{};
    say.must("IVdsSubSystem::GetProvider", SUCCEEDED(provider->GetProperties(&p)) && from_com(p.id) == s.provider_id,
             "gives another provider");
    (void)take(p.pwszName), (void)take(p.pwszVersion);
  }
  com_ptr<IUnknown> found;
  if (say.must("IVdsSubSystem::GetProperties",
               SUCCEEDED(s.at.object(s.subsystem_id, VDS_OT_SUB_SYSTEM, found.put())) && found,
               "cannot be found by its id"))
    if (s.at.straight()) say.works("IVdsProviderPrivate::GetObject", S_OK);

  com_ptr<IEnumVdsObject> list;
  say.nulls("IVdsSubSystem::QueryDrives", sub.QueryDrives(nullptr));
  say.nulls("IVdsSubSystem::QueryLuns", sub.QueryLuns(nullptr));
  say.nulls("IVdsSubSystem::QueryControllers", sub.QueryControllers(nullptr));
  HRESULT hr = sub.QueryDrives(list.put());
  SHORT bus = 0, slot = 0;
  for (const auto& each : query(s, "IVdsSubSystem::QueryDrives", hr, list)) {
    const auto drive = each.as<IVdsDrive>();
    VDS_DRIVE_PROP d{};
    if (!say.must("IVdsSubSystem::QueryDrives", drive && SUCCEEDED(drive->GetProperties(&d)), "lists what is no drive"))
      continue;
    (void)take(d.pwszFriendlyName), (void)take(d.pwszIdentification);
    s.drives.push_back(from_com(d.id));
    bus = d.sInternalBusNumber;
    slot = d.sSlotNumber;
  }
  list.reset();
  hr = sub.QueryLuns(list.put());
  for (const auto& each : query(s, "IVdsSubSystem::QueryLuns", hr, list))
    say.must("IVdsSubSystem::QueryLuns", static_cast<bool>(each.as<IVdsLun>()), "lists what is no LUN");

  com_ptr<IVdsDrive> drive;
  say.nulls("IVdsSubSystem::GetDrive", sub.GetDrive(0, 0, nullptr));
  say.provokes("IVdsSubSystem::GetDrive", sub.GetDrive(4711, 4711, drive.put()), {VDS_E_OBJECT_NOT_FOUND},
               "a slot that does not exist");
  if (s.drives.empty()) {
    say.untried("IVdsSubSystem::GetDrive", "there are no drives");
  } else {
    hr = sub.GetDrive(bus, slot, drive.put());
    if (say.works("IVdsSubSystem::GetDrive", hr))
      say.must("IVdsSubSystem::GetDrive", static_cast<bool>(drive), "succeeds with a null pointer");
  }
  say.works("IVdsSubSystem::Reenumerate", sub.Reenumerate());
  VDS_OBJECT_ID stranger = nobody;
  say.nulls("IVdsSubSystem::SetControllerStatus", sub.SetControllerStatus(nullptr, -1, nullptr, 0));
  say.provokes("IVdsSubSystem::SetControllerStatus", sub.SetControllerStatus(&stranger, 1, nullptr, 0),
               {VDS_E_OBJECT_NOT_FOUND, E_INVALIDARG}, "an unknown controller");
  say.untried("IVdsSubSystem::SetControllerStatus", "controllers are left as they are");
  say.provokes("IVdsSubSystem::ReplaceDrive", sub.ReplaceDrive(nobody, nobody), {VDS_E_OBJECT_NOT_FOUND, E_INVALIDARG},
               "unknown drives");
  say.untried("IVdsSubSystem::ReplaceDrive", "drives are left as they are");
  say.nulls("IVdsSubSystem::SetStatus", sub.SetStatus(VDS_SSS_UNKNOWN));
  say.nulls("IVdsSubSystem::SetStatus", sub.SetStatus(static_cast<VDS_SUB_SYSTEM_STATUS>(4711)));
  say.works("IVdsSubSystem::SetStatus", sub.SetStatus(VDS_SSS_ONLINE));
  ULONGLONG most = 0;
  VDS_HINTS hints{};
  say.nulls("IVdsSubSystem::QueryMaxLunCreateSize",
            sub.QueryMaxLunCreateSize(VDS_LT_SIMPLE, nullptr, 0, &hints, nullptr));
  say.nulls("IVdsSubSystem::QueryMaxLunCreateSize",
            sub.QueryMaxLunCreateSize(VDS_LT_SIMPLE, nullptr, -1, &hints, &most));
  say.nulls("IVdsSubSystem::QueryMaxLunCreateSize",
            sub.QueryMaxLunCreateSize(static_cast<VDS_LUN_TYPE>(4711), nullptr, 0, &hints, &most));
  say.provokes("IVdsSubSystem::QueryMaxLunCreateSize",
               sub.QueryMaxLunCreateSize(VDS_LT_SIMPLE, &stranger, 1, &hints, &most), {VDS_E_OBJECT_NOT_FOUND},
               "an unknown drive");
  most = 0;
  hr = sub.QueryMaxLunCreateSize(VDS_LT_SIMPLE, nullptr, 0, &hints, &most);
  if (say.works("IVdsSubSystem::QueryMaxLunCreateSize", hr) && most < 16 * s.lun_bytes)
    s.lun_bytes = std::max<std::uint64_t>(most / 16, 1 << 20);
  naming(s, name);
  check_maintenance(s, s.subsystem.get());
  creation_refusals(s);
  if (most < 8 * s.lun_bytes) {
    say.untried(create, "there is too little room to try it");
    return;
  }
  for (const auto next : {second_generation, joining, cancelling})
    if (!s.given_up) next(s);
}

}  // namespace vds::check
