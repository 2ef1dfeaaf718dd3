#include "apps/vds/com_gateway.h"

#include <fmt/format.h>
#include <vdsxadmin.h>

#include <algorithm>
#include <cstdlib>

#include "apps/vds/com_calls.h"
#include "apps/vds/com_iscsi.h"
#include "apps/vds/com_lun_arguments.h"
#include "apps/vds/com_operation.h"
#include "apps/vds/com_work.h"
#include "apps/vds/command_error.h"
#include "com/call_context.h"
#include "com/hresult.h"

namespace vds::cli {
namespace {

class com_gateway final : public gateway {
 public:
  explicit com_gateway(const std::string& socket) {
    if (!socket.empty()) ::setenv("VDS_SOCKET", socket.c_str(), 1);  // before libvds has a thread
    const std::string doing = "connecting to the service";
    com_ptr<IVdsServiceLoader> loader;
    check(CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, loader.put_void()),
          doing, nullptr);
    check(loader->LoadService(nullptr, service_.put()), doing, nullptr);
    if (!service_) check(E_UNEXPECTED, doing, nullptr);
    check(service_->WaitForServiceReady(), "waiting for the service to be ready", nullptr);
    iscsi_ = make_com_iscsi(service_);
    work_ = std::make_unique<com_work>(service_);
  }

  service_view service() override {
    VDS_SERVICE_PROP prop{};
    check(service_->GetProperties(&prop), "asking for the service's properties", alive());
    service_view v;
    v.version = take(prop.pwszVersion);
    v.flags = prop.ulFlags;
    const char* socket = std::getenv("VDS_SOCKET");  // NOLINT(concurrency-mt-unsafe): nobody sets it any more
    v.socket = socket == nullptr ? "the default" : socket;
    return v;
  }

  std::vector<provider_view> providers() override;
  void register_provider(const provider_registration& what) override;
  void unregister_provider(const guid& provider) override {
    const char* doing = "unregistering the provider";
    check(need<IVdsAdmin>(service_, doing, alive())->UnregisterProvider(to_com(provider)), doing, alive());
  }

  std::vector<subsystem_view> subsystems() override;
  void rename_subsystem(const guid& subsystem, const std::string& name) override {
    const char* doing = "naming the subsystem";
    check(object<IVdsSubSystemNaming>(subsystem, VDS_OT_SUB_SYSTEM, doing)->SetFriendlyName(to_wide(name).data()),
          doing, alive());
  }

  std::vector<drive_view> drives() override;
  guid add_drive(const guid& subsystem, const std::string& path, std::uint64_t create_bytes, bool force) override {
    const std::string doing = "adding drive " + path;
    const auto admin = object<IVdsxDriveAdmin>(subsystem, VDS_OT_SUB_SYSTEM, doing);
    VDS_OBJECT_ID id{};
    check(admin->AddDrive(to_wide(path).c_str(), create_bytes, force ? VDSX_ADD_FORCE : 0u, &id), doing, alive());
    return from_com(id);
  }
  void remove_drive(const guid& subsystem, const guid& drive) override {
    const char* doing = "removing the drive";
    check(object<IVdsxDriveAdmin>(subsystem, VDS_OT_SUB_SYSTEM, doing)->RemoveDrive(to_com(drive)), doing, alive());
  }
  void set_hot_spare(const guid& drive, bool spare) override {
    const char* doing = "changing whether the drive is a hot spare";
    const auto d = object<IVdsDrive>(drive, VDS_OT_DRIVE, doing);
    check(spare ? d->SetFlags(VDS_DRF_HOTSPARE) : d->ClearFlags(VDS_DRF_HOTSPARE), doing, alive());
  }
  void locate_drive(const guid& drive, bool on) override {
    const char* doing = "changing the drive's locate light";
    const auto d = object<IVdsMaintenance>(drive, VDS_OT_DRIVE, doing);
    check(on ? d->StartMaintenance(BlinkLight) : d->StopMaintenance(BlinkLight), doing, alive());
  }
  void fail_drive(const guid& drive) override {
    const char* doing = "failing the drive";
    check(object<IVdsDrive>(drive, VDS_OT_DRIVE, doing)->SetStatus(VDS_DRS_FAILED), doing, alive());
  }
  void use_drive_again(const guid& drive) override {
    const char* doing = "using the drive again";
    check(object<IVdsDrive>(drive, VDS_OT_DRIVE, doing)->SetStatus(VDS_DRS_ONLINE), doing, alive());
  }
  void replace_drive(const guid& subsystem, const guid& old_drive, const guid& new_drive) override {
    const char* doing = "replacing the drive";
    check(
        object<IVdsSubSystem>(subsystem, VDS_OT_SUB_SYSTEM, doing)->ReplaceDrive(to_com(old_drive), to_com(new_drive)),
        doing, alive());
  }

  std::vector<lun_view> luns() override;
  lun_view lun(const guid& id) override {
    const auto l = object<IVdsLun>(id, VDS_OT_LUN, "finding the LUN");
    com_ptr<IVdsSubSystem> subsystem;
    check(l->GetSubSystem(subsystem.put()), "asking for the LUN's subsystem", alive());
    return view_of(l, subsystem ? view_of(subsystem).id : guid{});
  }
  std::uint64_t max_lun_size(const lun_request& request) override;
  bool can_name_at_birth(const guid& subsystem) override {
    const char* doing = "finding the subsystem";
    return static_cast<bool>(object<IVdsSubSystem>(subsystem, VDS_OT_SUB_SYSTEM, doing).as<IVdsxLunCreation>());
  }
  operation_ptr create_lun(const lun_request& request) override;
  void delete_lun(const guid& lun) override {
    const char* doing = "deleting the LUN";
    check(object<IVdsLun>(lun, VDS_OT_LUN, doing)->Delete(), doing, alive());
  }
  void set_lun_name(const guid& lun, const std::string& name) override {
    const char* doing = "naming the LUN";
    check(object<IVdsLunNaming>(lun, VDS_OT_LUN, doing)->SetFriendlyName(to_wide(name).data()), doing, alive());
  }
  void set_lun_mask(const guid& lun, const std::string& list) override {
    const char* doing = "changing who sees the LUN";
    check(object<IVdsLun>(lun, VDS_OT_LUN, doing)->SetMask(to_wide(list).data()), doing, alive());
  }
  void set_lun_status(const guid& lun, std::uint32_t status) override {
    const char* doing = "changing the LUN's status";
    check(object<IVdsLun>(lun, VDS_OT_LUN, doing)->SetStatus(static_cast<VDS_LUN_STATUS>(status)), doing, alive());
  }
  operation_ptr extend_lun(const guid& lun, std::uint64_t bytes, const std::vector<guid>& drives) override {
    auto ids = com_ids(drives);
    return begin(lun, "extending the LUN", [&](IVdsLun* l, IVdsAsync** out) {
      return l->Extend(bytes, ids.empty() ? nullptr : ids.data(), static_cast<LONG>(ids.size()), out);
    });
  }
  operation_ptr shrink_lun(const guid& lun, std::uint64_t bytes) override {
    return begin(lun, "shrinking the LUN", [&](IVdsLun* l, IVdsAsync** out) { return l->Shrink(bytes, out); });
  }
  operation_ptr recover_lun(const guid& lun) override {
    return begin(lun, "recovering the LUN", [](IVdsLun* l, IVdsAsync** out) { return l->Recover(out); });
  }

  std::vector<plex_view> plexes(const guid& lun) override;
  operation_ptr add_plex(const guid& lun, const guid& source) override {
    return begin(lun, "adding the plex", [&](IVdsLun* l, IVdsAsync** out) { return l->AddPlex(to_com(source), out); });
  }
  operation_ptr remove_plex(const guid& lun, const guid& plex) override {
    return begin(lun, "removing the plex",
                 [&](IVdsLun* l, IVdsAsync** out) { return l->RemovePlex(to_com(plex), out); });
  }

  iscsi_gateway& iscsi() override { return *iscsi_; }

  plan_view plan_create(const lun_request& request) override;
  plan_view plan_delete(const guid& subsystem, const guid& lun) override {
    return work_->plan(subsystem, [&](IVdsxPlanning* p, VDSX_PLAN* out) { return p->PlanDeleteLun(to_com(lun), out); });
  }
  plan_view plan_extend(const guid& subsystem, const guid& lun, std::uint64_t bytes,
                        const std::vector<guid>& drives) override {
    auto ids = com_ids(drives);
    return work_->plan(subsystem, [&](IVdsxPlanning* p, VDSX_PLAN* out) {
      return p->PlanExtendLun(to_com(lun), bytes, ids.empty() ? nullptr : ids.data(), static_cast<LONG>(ids.size()),
                              out);
    });
  }
  plan_view plan_replace(const guid& subsystem, const guid& old_drive, const guid& new_drive) override {
    return work_->plan(subsystem, [&](IVdsxPlanning* p, VDSX_PLAN* out) {
      return p->PlanReplaceDrive(to_com(old_drive), to_com(new_drive), out);
    });
  }

  std::vector<operation_view> operations(bool also_ended) override { return work_->operations(also_ended); }
  operation_view operation_status(const guid& id) override { return work_->operation_status(id); }
  operation_ptr open_operation(const guid& id) override { return work_->open_operation(id); }
  guid scrub_lun(const guid& lun) override { return work_->scrub(lun); }
  event_page events(std::uint64_t since, std::uint32_t most, std::uint32_t timeout_ms) override {
    return work_->events(since, most, timeout_ms);
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

  template <class Call>
  operation_ptr begin(const guid& lun, const char* doing, Call call) {
    com_ptr<IVdsAsync> async;
    check(call(object<IVdsLun>(lun, VDS_OT_LUN, doing).get(), async.put()), doing, alive());
    return com_operation(std::move(async), doing, service_);
  }

  // Calls f with each subsystem and its id.
  template <class F>
  void each_subsystem(F f);
  subsystem_view view_of(const com_ptr<IVdsSubSystem>& s);
  drive_view view_of(const com_ptr<IVdsDrive>& d, const guid& subsystem);
  lun_view view_of(const com_ptr<IVdsLun>& l, const guid& subsystem);

  com_ptr<IVdsService> service_;
  std::unique_ptr<iscsi_gateway> iscsi_;
  std::unique_ptr<com_work> work_;
};

std::vector<provider_view> com_gateway::providers() {
  const char* doing = "asking for the providers";
  std::vector<provider_view> out;
  if (const auto health = service_.as<IVdsxProviderStatus>()) {
    taken_array<VDSX_PROVIDER_STATUS> all;
    check(health->Query(all.put(), all.count()), doing, alive());
    for (auto& s : all) {
      provider_view v;
      v.id = from_com(s.id);
      v.name = take(s.pwszName);
      v.state = static_cast<std::uint32_t>(s.state);
      v.pid = s.ulPid;
      v.restarts = s.ulRestarts;
      v.last_hresult = s.hrLast;
      v.last = take(s.pwszLast);
      v.since_ns = s.ullSinceUnixNs;
      v.retry_ns = s.ullRetryUnixNs;
      out.push_back(std::move(v));
    }
  }
  com_ptr<IEnumVdsObject> list;
  constexpr DWORD all_kinds =
      VDS_QUERY_SOFTWARE_PROVIDERS | VDS_QUERY_HARDWARE_PROVIDERS | VDS_QUERY_VIRTUALDISK_PROVIDERS;
  check(service_->QueryProviders(all_kinds, list.put()), doing, alive());
  for (const auto& p : all_of(list.get(), doing, alive())) {
    VDS_PROVIDER_PROP prop{};
    const auto provider = p.as<IVdsProvider>();
    if (!provider || FAILED(provider->GetProperties(&prop))) continue;  // the status above says what is wrong with it
    const guid id = from_com(prop.id);
    auto at = std::find_if(out.begin(), out.end(), [&](const auto& v) { return v.id == id; });
    if (at == out.end()) {
      at = out.insert(out.end(), provider_view{});
      at->id = id;
      at->state = VDSX_PS_READY;
    }
    if (std::string name = take(prop.pwszName); at->name.empty()) at->name = std::move(name);
    at->version = take(prop.pwszVersion);
    at->type = static_cast<std::uint32_t>(prop.type);
  }
  return out;
}

void com_gateway::register_provider(const provider_registration& what) {
  const std::string doing = "registering provider " + what.name;
  std::wstring name = to_wide(what.name), version = to_wide(what.version), program = to_wide(what.program);
  const auto type = VDS_PT_HARDWARE;
  const HRESULT hr = program.empty() ? need<IVdsAdmin>(service_, doing, alive())
                                           ->RegisterProvider(to_com(what.id), to_com(what.class_id), name.data(), type,
                                                              nullptr, version.data(), to_com(what.version_id))
                                     : need<IVdsxProviderAdmin>(service_, doing, alive())
                                           ->RegisterProgram(to_com(what.id), to_com(what.class_id), name.data(), type,
                                                             program.data(), version.data(), to_com(what.version_id));
  check(hr, doing, alive());
}

template <class F>
void com_gateway::each_subsystem(F f) {
  const char* doing = "asking for the subsystems";
  com_ptr<IEnumVdsObject> list;
  check(service_->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, list.put()), doing, alive());
  for (const auto& p : all_of(list.get(), doing, alive())) {
    const auto provider = p.as<IVdsHwProvider>();
    if (!provider) continue;
    com_ptr<IEnumVdsObject> systems;
    const HRESULT hr = provider->QuerySubSystems(systems.put());
    // One provider that is ill keeps nobody from seeing the others' arrays; 'provider list' tells about it.
    if (FAILED(hr) && !is_connection_loss(hr)) continue;
    check(hr, doing, alive());
    for (const auto& s : all_of(systems.get(), doing, alive())) {
      const auto subsystem = s.as<IVdsSubSystem>();
      if (subsystem) f(subsystem);
    }
  }
}

subsystem_view com_gateway::view_of(const com_ptr<IVdsSubSystem>& s) {
  VDS_SUB_SYSTEM_PROP prop{};
  check(s->GetProperties(&prop), "asking for a subsystem's properties", alive());
  subsystem_view v;
  v.id = from_com(prop.id);
  v.name = take(prop.pwszFriendlyName);
  v.identification = take(prop.pwszIdentification);
  v.flags = prop.ulFlags;
  v.status = static_cast<std::uint32_t>(prop.status);
  v.health = static_cast<std::uint32_t>(prop.health);
  return v;
}

std::vector<subsystem_view> com_gateway::subsystems() {
  std::vector<subsystem_view> out;
  each_subsystem([&](const com_ptr<IVdsSubSystem>& s) {
    out.push_back(view_of(s));
    com_ptr<IVdsProvider> provider;
    VDS_PROVIDER_PROP prop{};
    if (SUCCEEDED(s->GetProvider(provider.put())) && provider && SUCCEEDED(provider->GetProperties(&prop))) {
      out.back().provider = from_com(prop.id);
      CoTaskMemFree(prop.pwszName);
      CoTaskMemFree(prop.pwszVersion);
    }
  });
  return out;
}

drive_view com_gateway::view_of(const com_ptr<IVdsDrive>& d, const guid& subsystem) {
  const char* doing = "asking for a drive's properties";
  VDS_DRIVE_PROP prop{};
  check(d->GetProperties(&prop), doing, alive());
  drive_view v;
  v.id = from_com(prop.id);
  v.subsystem = subsystem;
  v.name = take(prop.pwszFriendlyName);
  v.path = take(prop.pwszIdentification);
  v.size_bytes = prop.ullSize;
  v.flags = prop.ulFlags;
  v.status = static_cast<std::uint32_t>(prop.status);
  v.health = static_cast<std::uint32_t>(prop.health);
  if (const auto more = d.as<IVdsxDrive>()) {
    VDSX_DRIVE_PROP details{};
    check(more->GetDetails(&details), doing, alive());
    v.path = take(details.pwszPath);
    v.size_bytes = details.ullSizeBytes;
    v.free_bytes = details.ullFreeBytes;
    v.locating = details.bLocating != FALSE;
    return v;
  }
  taken_array<VDS_DRIVE_EXTENT> extents;  // another provider: what is free is in its extents
  if (SUCCEEDED(d->QueryExtents(extents.put(), extents.count())))
    for (const auto& e : extents) v.free_bytes += e.bUsed ? 0 : e.ullSize;
  return v;
}

std::vector<drive_view> com_gateway::drives() {
  const char* doing = "asking for the drives";
  std::vector<drive_view> out;
  each_subsystem([&](const com_ptr<IVdsSubSystem>& s) {
    const guid subsystem = view_of(s).id;
    com_ptr<IEnumVdsObject> list;
    check(s->QueryDrives(list.put()), doing, alive());
    for (const auto& o : all_of(list.get(), doing, alive()))
      if (const auto d = o.as<IVdsDrive>()) out.push_back(view_of(d, subsystem));
  });
  return out;
}

lun_view com_gateway::view_of(const com_ptr<IVdsLun>& l, const guid& subsystem) {
  const char* doing = "asking for a LUN's properties";
  VDS_LUN_PROP prop{};
  check(l->GetProperties(&prop), doing, alive());
  lun_view v;
  v.id = from_com(prop.id);
  v.subsystem = subsystem;
  v.size_bytes = prop.ullSize;
  v.name = take(prop.pwszFriendlyName);
  v.serial = take(prop.pwszIdentification);
  v.unmasking_list = take(prop.pwszUnmaskingList);
  v.type = static_cast<std::uint32_t>(prop.type);
  v.status = static_cast<std::uint32_t>(prop.status);
  v.health = static_cast<std::uint32_t>(prop.health);
  v.transition_state = static_cast<std::uint32_t>(prop.TransitionState);
  if (const auto more = l.as<IVdsxLun>()) {
    VDSX_LUN_PROP details{};
    check(more->GetDetails(&details), doing, alive());
    if (std::string serial = take(details.pwszSerial); !serial.empty()) v.serial = std::move(serial);
    CoTaskMemFree(details.pwszNaa);
    v.iscsi_url = take(details.pwszIscsiUrl);
    v.survives_drive_losses = details.lSurvivesDriveLosses;
    v.plexes = static_cast<std::uint32_t>(std::max<LONG>(0, details.lPlexes));
    for (LONG i = 0; details.pDriveIds != nullptr && i < details.lDrives; ++i)
      v.drives.push_back(from_com(details.pDriveIds[i]));
    CoTaskMemFree(details.pDriveIds);
  }
  return v;
}

std::vector<lun_view> com_gateway::luns() {
  const char* doing = "asking for the LUNs";
  std::vector<lun_view> out;
  each_subsystem([&](const com_ptr<IVdsSubSystem>& s) {
    const guid subsystem = view_of(s).id;
    com_ptr<IEnumVdsObject> list;
    check(s->QueryLuns(list.put()), doing, alive());
    for (const auto& o : all_of(list.get(), doing, alive())) {
      const auto l = o.as<IVdsLun>();
      if (!l) continue;
      try {
        out.push_back(view_of(l, subsystem));
      } catch (const command_error& e) {
        // Deleted since the list was made: it is not a LUN any more.
        if (e.hresult() != VDS_E_OBJECT_DELETED && e.hresult() != VDS_E_OBJECT_NOT_FOUND) throw;
      }
    }
  });
  return out;
}

std::uint64_t com_gateway::max_lun_size(const lun_request& request) {
  const char* doing = "asking how large a LUN can be";
  lun_arguments a(request);
  ULONGLONG bytes = 0;
  check(object<IVdsSubSystem>(request.subsystem, VDS_OT_SUB_SYSTEM, doing)
            ->QueryMaxLunCreateSize(a.type, a.ids(), a.count(), &a.hints, &bytes),
        doing, alive());
  return bytes;
}

operation_ptr com_gateway::create_lun(const lun_request& request) {
  const std::string doing = "creating the LUN";
  const auto subsystem = object<IVdsSubSystem>(request.subsystem, VDS_OT_SUB_SYSTEM, doing);
  lun_arguments a(request);
  std::wstring unmask = to_wide(request.unmask);
  // The id travels with the call: the service names its operation so, and joins a repeated call to the first.
  call_context context = current_call();
  context.operation_id = request.operation;
  const scoped_call as(context);
  com_ptr<IVdsAsync> async;
  if (const auto named = subsystem.as<IVdsxLunCreation>(); named && !request.name.empty()) {
    check(named->CreateNamedLun(a.type, request.size_bytes, a.ids(), a.count(), unmask.data(), a.wishes(),
                                to_wide(request.name).data(), async.put()),
          doing, alive());
  } else {
    check(subsystem->CreateLun(a.type, request.size_bytes, a.ids(), a.count(), unmask.data(), a.wishes(), async.put()),
          doing, alive());
  }
  return com_operation(std::move(async), doing, service_);
}

std::vector<plex_view> com_gateway::plexes(const guid& lun) {
  const char* doing = "asking for the LUN's plexes";
  com_ptr<IEnumVdsObject> list;
  check(object<IVdsLun>(lun, VDS_OT_LUN, doing)->QueryPlexes(list.put()), doing, alive());
  std::vector<plex_view> out;
  for (const auto& o : all_of(list.get(), doing, alive())) {
    const auto p = o.as<IVdsLunPlex>();
    if (!p) continue;
    VDS_LUN_PLEX_PROP prop{};
    check(p->GetProperties(&prop), doing, alive());
    plex_view v;
    v.id = from_com(prop.id);
    v.lun = lun;
    v.type = static_cast<std::uint32_t>(prop.type);
    v.status = static_cast<std::uint32_t>(prop.status);
    v.health = static_cast<std::uint32_t>(prop.health);
    v.transition_state = static_cast<std::uint32_t>(prop.TransitionState);
    v.size_bytes = prop.ullSize;
    v.stripe_bytes = prop.ulStripeSize;
    taken_array<VDS_DRIVE_EXTENT> extents;
    check(p->QueryExtents(extents.put(), extents.count()), doing, alive());
    for (const auto& e : extents) {
      const guid drive = from_com(e.id);
      if (std::find(v.drives.begin(), v.drives.end(), drive) == v.drives.end()) v.drives.push_back(drive);
    }
    out.push_back(std::move(v));
  }
  return out;
}

plan_view com_gateway::plan_create(const lun_request& request) {
  lun_arguments a(request);
  return work_->plan(request.subsystem, [&](IVdsxPlanning* p, VDSX_PLAN* out) {
    return p->PlanCreateLun(a.type, request.size_bytes, a.ids(), a.count(), a.wishes(), out);
  });
}

}  // namespace

std::unique_ptr<gateway> connect_by_com(const std::string& socket) { return std::make_unique<com_gateway>(socket); }

}  // namespace vds::cli
