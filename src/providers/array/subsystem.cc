// The array as a subsystem: IVdsSubSystem, IVdsSubSystem2, IVdsSubSystemIscsi, IVdsSubSystemNaming,
// IVdsSubSystemInterconnect, IVdsMaintenance, IVdsxDriveAdmin, IVdsxJobs, IVdsxLunCreation, IVdsxPlanning,
// IVdsxPortalAdmin.
// Making LUNs is in create.cc.
#include <vdsxadmin.h>

#include <algorithm>
#include <filesystem>

#include "com/implements.h"
#include "providers/array/create.h"
#include "providers/array/edge.h"
#include "providers/array/iscsi_edge.h"
#include "providers/array/jobs.h"
#include "providers/array/maintenance.h"
#include "providers/array/planning.h"
#include "providers/array/states.h"
#include "sdk/enum_object.h"

namespace vds::array_provider {

namespace {

constexpr ULONG capabilities = VDS_SF_LUN_MASKING_CAPABLE | VDS_SF_DRIVE_EXTENT_CAPABLE |
                               VDS_SF_SUPPORTS_FAULT_TOLERANT_LUNS | VDS_SF_SUPPORTS_NON_FAULT_TOLERANT_LUNS |
                               VDS_SF_SUPPORTS_SIMPLE_LUNS | VDS_SF_SUPPORTS_SPAN_LUNS | VDS_SF_SUPPORTS_STRIPE_LUNS |
                               VDS_SF_SUPPORTS_MIRROR_LUNS | VDS_SF_SUPPORTS_PARITY_LUNS | VDS_SF_SUPPORTS_LUN_NUMBER;
constexpr ULONG stripe_sizes = 0x1fc000;  // bit n: 2^n bytes; 16 KiB to 1 MiB
constexpr SHORT most_slots = 1024;

class subsystem final : public implements<IVdsSubSystem, IVdsSubSystem2, IVdsSubSystemIscsi, IVdsSubSystemNaming,
                                          IVdsSubSystemInterconnect, IVdsMaintenance, IVdsxDriveAdmin, IVdsxJobs,
                                          IVdsxLunCreation, IVdsxPlanning, IVdsxPortalAdmin> {
 public:
  explicit subsystem(context_ptr c) : context_(std::move(c)) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_SUB_SYSTEM_PROP* out) noexcept override { return properties(out); }
  HRESULT STDMETHODCALLTYPE GetProperties2(VDS_SUB_SYSTEM_PROP2* out) noexcept override {
    const HRESULT hr = properties(out);
    if (hr == S_OK)
      out->ulSupportedRaidTypeFlags = VDS_SF_SUPPORTS_RAID5_LUNS | VDS_SF_SUPPORTS_RAID6_LUNS |
                                      VDS_SF_SUPPORTS_RAID10_LUNS | VDS_SF_SUPPORTS_RAID50_LUNS |
                                      VDS_SF_SUPPORTS_RAID60_LUNS;
    return hr;
  }

  HRESULT STDMETHODCALLTYPE GetProvider(IVdsProvider** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = make_root(context_).as<IVdsProvider>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryControllers(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = sdk::make_enum({}).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryLuns(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto ids = context_->core->read([](array::array& a) { return a.lun_ids(); });
    if (!ids) return failed(ids.error(), "LUNs");
    std::vector<com_ptr<IUnknown>> luns;
    luns.reserve(ids->size());
    for (const guid& id : *ids) luns.push_back(make_lun(context_, id));
    *out = sdk::make_enum(std::move(luns)).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryDrives(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto all = drives();
    if (!all) return failed(all.error(), "drives");
    std::vector<com_ptr<IUnknown>> objects;
    for (const auto& d : *all) objects.push_back(make_drive(context_, d.id));
    *out = sdk::make_enum(std::move(objects)).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetDrive(SHORT bus, SHORT slot, IVdsDrive** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto all = drives();
    if (!all) return failed(all.error(), "drives");
    const auto at = std::find_if(all->begin(), all->end(), [&](const auto& d) {
      return bus == 0 && slot >= 0 && d.slot == static_cast<std::uint32_t>(slot);
    });
    if (at == all->end()) return VDS_E_OBJECT_NOT_FOUND;
    *out = make_drive(context_, at->id).as<IVdsDrive>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetDrive2(SHORT bus, SHORT slot, ULONG enclosure, IVdsDrive** out) noexcept override {
    if (out) *out = nullptr;
    if (!out) return E_INVALIDARG;
    return enclosure == 0 || enclosure == no_enclosure ? GetDrive(bus, slot, out) : VDS_E_OBJECT_NOT_FOUND;
  }

  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override { return S_OK; }  // drives come by AddDrive

  HRESULT STDMETHODCALLTYPE SetControllerStatus(VDS_OBJECT_ID* online, LONG onlines, VDS_OBJECT_ID* offline,
                                                LONG offlines) noexcept override try {
    std::vector<guid> named;
    if (!read_ids(online, onlines, named) || !read_ids(offline, offlines, named)) return E_INVALIDARG;
    return named.empty() ? S_OK : VDS_E_OBJECT_NOT_FOUND;  // all controllers, of which there are none
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE ReplaceDrive(VDS_OBJECT_ID from, VDS_OBJECT_ID to) noexcept override try {
    const auto ordered =
        context_->core->call([&](array::array& a) { return a.replace_drive(from_com(from), from_com(to)); });
    if (ordered) return S_OK;
    if (ordered.error() == errc::busy) return VDS_E_INVALID_OPERATION;  // the new one is in use
    return refused(ordered.error(), "replacing a drive", VDS_E_OBJECT_NOT_FOUND);
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE SetStatus(VDS_SUB_SYSTEM_STATUS status) noexcept override {
    switch (status) {
      case VDS_SSS_ONLINE:
        return S_OK;  // it is
      case VDS_SSS_NOT_READY:
      case VDS_SSS_OFFLINE:
      case VDS_SSS_FAILED:
      case VDS_SSS_PARTIALLY_MANAGED:
        return VDS_E_NOT_SUPPORTED;
      default:
        return E_INVALIDARG;
    }
  }

  HRESULT STDMETHODCALLTYPE CreateLun(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count,
                                      LPWSTR unmask, VDS_HINTS* hints, IVdsAsync** out) noexcept override {
    return create_lun(context_, {type, size, drives, count, unmask}, hints, out);
  }
  HRESULT STDMETHODCALLTYPE CreateLun2(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count,
                                       LPWSTR unmask, VDS_HINTS2* hints, IVdsAsync** out) noexcept override {
    return create_lun(context_, {type, size, drives, count, unmask}, hints, out);
  }
  HRESULT STDMETHODCALLTYPE CreateNamedLun(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count,
                                           LPWSTR unmask, VDS_HINTS* hints, LPWSTR name,
                                           IVdsAsync** out) noexcept override {
    if (out) *out = nullptr;
    if (!out || !name) return E_INVALIDARG;
    return create_lun(context_, {type, size, drives, count, unmask, name}, hints, out);
  }
  HRESULT STDMETHODCALLTYPE QueryMaxLunCreateSize(VDS_LUN_TYPE type, VDS_OBJECT_ID* drives, LONG count,
                                                  VDS_HINTS* hints, ULONGLONG* out) noexcept override {
    return max_create_size(context_, {type, 0, drives, count, nullptr}, hints, out);
  }
  HRESULT STDMETHODCALLTYPE QueryMaxLunCreateSize2(VDS_LUN_TYPE type, VDS_OBJECT_ID* drives, LONG count,
                                                   VDS_HINTS2* hints, ULONGLONG* out) noexcept override {
    return max_create_size(context_, {type, 0, drives, count, nullptr}, hints, out);
  }

  // IVdsSubSystemNaming, IVdsSubSystemInterconnect
  HRESULT STDMETHODCALLTYPE SetFriendlyName(LPWSTR name) noexcept override try {
    if (!name) return E_INVALIDARG;
    const auto to = friendly_name(name);
    const auto set = context_->core->set_name(to.text);
    if (!set) return failed(set.error(), "naming the subsystem");
    return to.cut ? VDS_S_NAME_TRUNCATED : S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetSupportedInterconnects(ULONG* out) noexcept override {
    if (!out) return E_INVALIDARG;
    *out = VDS_ITF_ISCSI;
    return S_OK;
  }

  // IVdsMaintenance
  HRESULT STDMETHODCALLTYPE StartMaintenance(VDS_MAINTENANCE_OPERATION what) noexcept override {
    return maintenance(context_, guid{}, maintain::start, what);
  }
  HRESULT STDMETHODCALLTYPE StopMaintenance(VDS_MAINTENANCE_OPERATION what) noexcept override {
    return maintenance(context_, guid{}, maintain::stop, what);
  }
  HRESULT STDMETHODCALLTYPE PulseMaintenance(VDS_MAINTENANCE_OPERATION what, ULONG count) noexcept override {
    return maintenance(context_, guid{}, maintain::pulse, what, count);
  }

  // IVdsSubSystemIscsi, IVdsxPortalAdmin
  HRESULT STDMETHODCALLTYPE QueryTargets(IEnumVdsObject** out) noexcept override {
    return query_targets(context_, out);
  }
  HRESULT STDMETHODCALLTYPE QueryPortals(IEnumVdsObject** out) noexcept override {
    return query_portals(context_, out);
  }
  HRESULT STDMETHODCALLTYPE CreateTarget(LPWSTR iqn, LPWSTR name, IVdsAsync** out) noexcept override {
    return create_target(context_, iqn, name, out);
  }
  HRESULT STDMETHODCALLTYPE SetIpsecGroupPresharedKey(VDS_ISCSI_IPSEC_KEY*) noexcept override {
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE AddPortal(LPCWSTR address, VDS_OBJECT_ID* out) noexcept override {
    return add_portal(context_, address, out);
  }
  HRESULT STDMETHODCALLTYPE RemovePortal(VDS_OBJECT_ID id) noexcept override {
    return remove_portal(context_, from_com(id));
  }

  // IVdsxJobs
  HRESULT STDMETHODCALLTYPE QueryJobs(VDSX_JOB_PROP** out, LONG* count) noexcept override {
    return query_jobs(context_, out, count);
  }
  HRESULT STDMETHODCALLTYPE GetJob(VDS_OBJECT_ID id, VDSX_JOB_PROP* out) noexcept override {
    return get_job(context_, from_com(id), out);
  }
  HRESULT STDMETHODCALLTYPE CancelJob(VDS_OBJECT_ID id) noexcept override { return cancel_job(context_, from_com(id)); }

  // IVdsxPlanning
  HRESULT STDMETHODCALLTYPE PlanCreateLun(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count,
                                          VDS_HINTS* hints, VDSX_PLAN* out) noexcept override {
    return plan_create(context_, {type, size, drives, count, nullptr}, hints, out);
  }
  HRESULT STDMETHODCALLTYPE PlanDeleteLun(VDS_OBJECT_ID lun, VDSX_PLAN* out) noexcept override {
    return plan_delete(context_, from_com(lun), out);
  }
  HRESULT STDMETHODCALLTYPE PlanExtendLun(VDS_OBJECT_ID lun, ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count,
                                          VDSX_PLAN* out) noexcept override {
    return plan_extend(context_, from_com(lun), bytes, drives, count, out);
  }
  HRESULT STDMETHODCALLTYPE PlanReplaceDrive(VDS_OBJECT_ID source, VDS_OBJECT_ID target,
                                             VDSX_PLAN* out) noexcept override {
    return plan_replace(context_, from_com(source), from_com(target), out);
  }

  // IVdsxDriveAdmin
  HRESULT STDMETHODCALLTYPE AddDrive(LPCWSTR path, ULONGLONG create, ULONG flags, VDS_OBJECT_ID* out) noexcept override
      try {
    if (!out) return E_INVALIDARG;
    *out = GUID_NULL;
    if (!path || (flags & ~static_cast<ULONG>(VDSX_ADD_FORCE)) != 0) return E_INVALIDARG;
    const std::string where = std::filesystem::path(to_utf8(path)).lexically_normal().string();
    // The caller's directory is not ours.
    if (where.empty() || where.front() != '/') return E_INVALIDARG;
    const auto added = context_->core->add_drive(where, {create}, (flags & VDSX_ADD_FORCE) != 0);
    if (!added) {
      if (added.error() == errc::busy) return refused(added.error(), "adding a drive", S_OK), VDS_E_DEVICE_IN_USE;
      return refused(added.error(), "adding a drive", VDS_E_PATH_NOT_FOUND);
    }
    *out = to_com(*added);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE RemoveDrive(VDS_OBJECT_ID id) noexcept override try {
    const auto removed = context_->core->remove_drive(from_com(id));
    if (removed) return S_OK;
    if (removed.error() == errc::busy) return refused(removed.error(), "removing a drive", S_OK), VDS_E_DEVICE_IN_USE;
    return refused(removed.error(), "removing a drive", VDS_E_OBJECT_NOT_FOUND);
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  static HRESULT failed(const failure& why, std::string_view doing) {
    return refused(why, doing, VDS_E_OBJECT_NOT_FOUND);
  }
  result<std::vector<array::drive_info>> drives() {
    return context_->core->read([](array::array& a) { return a.drives(); });
  }

  template <class Prop>
  HRESULT properties(Prop* out) noexcept try {
    if (!out) return E_INVALIDARG;
    *out = {};
    host& core = *context_->core;
    const auto all = drives();
    if (!all) return failed(all.error(), "properties");
    co_task_ptr<wchar_t> name(co_task_string(core.name()));
    co_task_ptr<wchar_t> identification(co_task_string(core.iqn()));
    out->id = to_com(core.id());
    out->ulFlags = capabilities | iscsi_capabilities(context_);
    out->ulStripeSizeFlags = stripe_sizes;
    out->status = VDS_SSS_ONLINE;
    out->health = subsystem_health(*all);
    out->sNumberOfInternalBuses = 1;
    out->sMaxNumberOfSlotsEachBus = most_slots;
    out->pwszFriendlyName = name.release();
    out->pwszIdentification = identification.release();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  const context_ptr context_;
};

}  // namespace

com_ptr<IUnknown> make_subsystem(context_ptr c) {
  auto made = make<subsystem>(std::move(c));
  return com_ptr<IUnknown>(static_cast<IVdsSubSystem*>(made.get()));
}

}  // namespace vds::array_provider
