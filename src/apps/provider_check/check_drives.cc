#include "apps/provider_check/calls.h"

namespace vds::check {
namespace {

void check_drive(scene& s, const guid& id) {
  report& say = s.say;
  com_ptr<IUnknown> found;
  if (!say.must("IVdsDrive::GetProperties", SUCCEEDED(s.at.object(id, VDS_OT_DRIVE, found.put())) && found,
                "a listed drive cannot be found by its id"))
    return;
  const auto drive = found.as<IVdsDrive>();
  if (!drive) return say.wrong("IVdsDrive::GetProperties", "a drive has not got the interface");
  VDS_DRIVE_PROP prop{};
  say.nulls("IVdsDrive::GetProperties", drive->GetProperties(nullptr));
  if (!say.works("IVdsDrive::GetProperties", drive->GetProperties(&prop))) return;
  (void)take(prop.pwszFriendlyName), (void)take(prop.pwszIdentification);
  say.must("IVdsDrive::GetProperties", from_com(prop.id) == id, "its id changes");
  say.must("IVdsDrive::GetProperties", prop.ullSize != 0, "has no size");
  say.must("IVdsDrive::GetProperties", prop.status <= VDS_DRS_REMOVED, "a status that does not exist");

  com_ptr<IVdsSubSystem> up;
  say.nulls("IVdsDrive::GetSubSystem", drive->GetSubSystem(nullptr));
  if (say.works("IVdsDrive::GetSubSystem", drive->GetSubSystem(up.put())) &&
      say.must("IVdsDrive::GetSubSystem", static_cast<bool>(up), "succeeds with a null pointer")) {
    VDS_SUB_SYSTEM_PROP above{};
    say.must("IVdsDrive::GetSubSystem", SUCCEEDED(up->GetProperties(&above)) && from_com(above.id) == s.subsystem_id,
             "gives another subsystem");
    (void)take(above.pwszFriendlyName), (void)take(above.pwszIdentification);
  }
  VDS_DRIVE_EXTENT* extents = nullptr;
  LONG n = -1;
  say.nulls("IVdsDrive::QueryExtents", drive->QueryExtents(nullptr, &n));
  say.nulls("IVdsDrive::QueryExtents", drive->QueryExtents(&extents, nullptr));
  bool used = false;
  if (say.works("IVdsDrive::QueryExtents", drive->QueryExtents(&extents, &n)) &&
      say.must("IVdsDrive::QueryExtents", n >= 0 && (n == 0 || extents != nullptr), "succeeds without its array")) {
    std::uint64_t sum = 0;
    for (LONG i = 0; i < n; ++i) {
      sum += extents[i].ullSize;
      used |= extents[i].bUsed != FALSE;
      say.must("IVdsDrive::QueryExtents", from_com(extents[i].id) == id, "an extent lies on another drive");
    }
    say.must("IVdsDrive::QueryExtents", sum <= prop.ullSize, "its extents are larger than the drive");
    CoTaskMemFree(extents);
  }
  say.nulls("IVdsDrive::SetFlags", drive->SetFlags(0x40000000));
  say.nulls("IVdsDrive::ClearFlags", drive->ClearFlags(0x40000000));
  say.nulls("IVdsDrive::SetStatus", drive->SetStatus(VDS_DRS_UNKNOWN));
  say.nulls("IVdsDrive::SetStatus", drive->SetStatus(static_cast<VDS_DRIVE_STATUS>(4711)));
  say.works("IVdsDrive::SetStatus", drive->SetStatus(VDS_DRS_ONLINE), {VDS_E_INVALID_OPERATION});
  const bool was_spare = (prop.ulFlags & VDS_DRF_HOTSPARE) != 0;
  if (used) {
    say.provokes("IVdsDrive::SetFlags", drive->SetFlags(VDS_DRF_HOTSPARE), {VDS_E_INVALID_OPERATION},
                 "a drive that is in use, as a hot spare");
    say.works("IVdsDrive::ClearFlags", drive->ClearFlags(VDS_DRF_HOTSPARE), {VDS_E_INVALID_OPERATION});
  } else if (!was_spare) {
    s.at.forget_events();
    if (say.works("IVdsDrive::SetFlags", drive->SetFlags(VDS_DRF_HOTSPARE))) {
      VDS_DRIVE_PROP now{};
      if (SUCCEEDED(drive->GetProperties(&now))) {
        (void)take(now.pwszFriendlyName), (void)take(now.pwszIdentification);
        say.must("IVdsDrive::SetFlags", (now.ulFlags & VDS_DRF_HOTSPARE) != 0, "succeeds and changes nothing");
      }
      if (say.must("IVdsDrive::SetFlags", s.at.event(VDS_NF_DRIVE_MODIFY, id), "no DRIVE_MODIFY comes"))
        say.event("IVdsDrive::SetFlags", "DRIVE_MODIFY");
      s.at.forget_events();
      if (say.works("IVdsDrive::ClearFlags", drive->ClearFlags(VDS_DRF_HOTSPARE)) &&
          say.must("IVdsDrive::ClearFlags", s.at.event(VDS_NF_DRIVE_MODIFY, id), "no DRIVE_MODIFY comes"))
        say.event("IVdsDrive::ClearFlags", "DRIVE_MODIFY");
    } else {
      say.works("IVdsDrive::ClearFlags", drive->ClearFlags(VDS_DRF_HOTSPARE));
    }
  }
  if (const auto more = drive.as<IVdsDrive2>()) {
    VDS_DRIVE_PROP2 second{};
    say.nulls("IVdsDrive2::GetProperties2", more->GetProperties2(nullptr));
    if (say.works("IVdsDrive2::GetProperties2", more->GetProperties2(&second))) {
      (void)take(second.pwszFriendlyName), (void)take(second.pwszIdentification);
      say.must("IVdsDrive2::GetProperties2", from_com(second.id) == id && second.ullSize == prop.ullSize,
               "tells otherwise than GetProperties");
    }
  }
  check_maintenance(s, drive.get());
}

}  // namespace

void check_drives(scene& s) {
  com_ptr<IUnknown> nothing;
  s.say.must("IVdsDrive::GetProperties",
             s.at.object(from_com(nobody), VDS_OT_DRIVE, nothing.put()) == VDS_E_OBJECT_NOT_FOUND,
             "an unknown id can be found");
  std::size_t looked = 0;
  for (const guid& id : s.drives)
    if (++looked <= 4) check_drive(s, id);
  if (s.drives.empty()) s.say.absent("IVdsDrive", "the subsystem has no drives");
}

void check_controllers(scene& s) {
  report& say = s.say;
  com_ptr<IEnumVdsObject> list;
  HRESULT hr = s.subsystem->QueryControllers(list.put());
  const auto found = query(s, "IVdsSubSystem::QueryControllers", hr, list);
  if (found.empty()) return;
  const auto c = found.front().as<IVdsController>();
  if (!c) return say.wrong("IVdsSubSystem::QueryControllers", "lists what is no controller");
  VDS_CONTROLLER_PROP prop{};
  say.nulls("IVdsController::GetProperties", c->GetProperties(nullptr));
  if (say.works("IVdsController::GetProperties", c->GetProperties(&prop))) {
    (void)take(prop.pwszFriendlyName), (void)take(prop.pwszIdentification);
    say.must("IVdsController::GetProperties", static_cast<bool>(from_com(prop.id)), "has no id");
  }
  com_ptr<IVdsSubSystem> up;
  say.nulls("IVdsController::GetSubSystem", c->GetSubSystem(nullptr));
  say.works("IVdsController::GetSubSystem", c->GetSubSystem(up.put()));
  VDS_PORT_PROP port{};
  say.nulls("IVdsController::GetPortProperties", c->GetPortProperties(0, nullptr));
  if (say.works("IVdsController::GetPortProperties", c->GetPortProperties(0, &port)))
    (void)take(port.pwszFriendlyName), (void)take(port.pwszIdentification);
  say.provokes("IVdsController::GetPortProperties", c->GetPortProperties(4711, &port),
               {E_INVALIDARG, VDS_E_OBJECT_NOT_FOUND}, "a port that does not exist");
  say.works("IVdsController::FlushCache", c->FlushCache());
  say.untried("IVdsController::InvalidateCache", "loses what is not written yet");
  say.untried("IVdsController::Reset", "interrupts whoever uses it");
  say.nulls("IVdsController::SetStatus", c->SetStatus(VDS_CS_UNKNOWN));
  say.works("IVdsController::SetStatus", c->SetStatus(VDS_CS_ONLINE));
  com_ptr<IEnumVdsObject> luns;
  say.nulls("IVdsController::QueryAssociatedLuns", c->QueryAssociatedLuns(nullptr));
  hr = c->QueryAssociatedLuns(luns.put());
  (void)query(s, "IVdsController::QueryAssociatedLuns", hr, luns);
  check_maintenance(s, c.get());
  const auto holder = c.as<IVdsControllerControllerPort>();
  if (!holder) return;
  com_ptr<IEnumVdsObject> ports;
  say.nulls("IVdsControllerControllerPort::QueryControllerPorts", holder->QueryControllerPorts(nullptr));
  hr = holder->QueryControllerPorts(ports.put());
  for (const auto& each : query(s, "IVdsControllerControllerPort::QueryControllerPorts", hr, ports)) {
    const auto p = each.as<IVdsControllerPort>();
    if (!p) continue;
    com_ptr<IVdsController> above;
    com_ptr<IEnumVdsObject> seen;
    say.nulls("IVdsControllerPort::GetProperties", p->GetProperties(nullptr));
    if (say.works("IVdsControllerPort::GetProperties", p->GetProperties(&port)))
      (void)take(port.pwszFriendlyName), (void)take(port.pwszIdentification);
    say.nulls("IVdsControllerPort::GetController", p->GetController(nullptr));
    say.works("IVdsControllerPort::GetController", p->GetController(above.put()));
    say.nulls("IVdsControllerPort::QueryAssociatedLuns", p->QueryAssociatedLuns(nullptr));
    hr = p->QueryAssociatedLuns(seen.put());
    (void)query(s, "IVdsControllerPort::QueryAssociatedLuns", hr, seen);
    say.untried("IVdsControllerPort::Reset", "interrupts whoever uses it");
    say.nulls("IVdsControllerPort::SetStatus", p->SetStatus(VDS_PRS_UNKNOWN));
    say.works("IVdsControllerPort::SetStatus", p->SetStatus(VDS_PRS_ONLINE));
    break;
  }
}

void check_maintenance(scene& s, IUnknown* of) {
  const auto m = com_ptr<IUnknown>(of).as<IVdsMaintenance>();
  if (!m) return;
  report& say = s.say;
  const auto wrong = static_cast<VDS_MAINTENANCE_OPERATION>(4711);
  say.nulls("IVdsMaintenance::StartMaintenance", m->StartMaintenance(wrong));
  say.nulls("IVdsMaintenance::StopMaintenance", m->StopMaintenance(wrong));
  say.nulls("IVdsMaintenance::PulseMaintenance", m->PulseMaintenance(wrong, 1));
  for (const auto what : {BlinkLight, Ping}) {
    say.works("IVdsMaintenance::StartMaintenance", m->StartMaintenance(what));
    say.works("IVdsMaintenance::StartMaintenance", m->StartMaintenance(what));  // twice is once
    say.works("IVdsMaintenance::PulseMaintenance", m->PulseMaintenance(what, 1));
    say.works("IVdsMaintenance::StopMaintenance", m->StopMaintenance(what));
  }
}

}  // namespace vds::check
