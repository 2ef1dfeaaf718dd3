// The drive's COM object: IVdsDrive, IVdsDrive2, IVdsMaintenance, IVdsxDrive.
#include "com/implements.h"
#include "providers/array/edge.h"
#include "providers/array/maintenance.h"
#include "providers/array/states.h"

namespace vds::array_provider {

namespace {

class drive final : public implements<IVdsDrive, IVdsDrive2, IVdsMaintenance, IVdsxDrive> {
 public:
  drive(context_ptr c, const guid& id) : context_(std::move(c)), id_(id) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_DRIVE_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto d = info();
    if (!d) return gone(d.error(), "properties");
    put_drive(*d, *out);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetProperties2(VDS_DRIVE_PROP2* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto d = info();
    if (!d) return gone(d.error(), "properties");
    put_drive(*d, *out);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (const auto d = info(); !d) return gone(d.error(), "subsystem");
    *out = make_subsystem(context_).as<IVdsSubSystem>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryExtents(VDS_DRIVE_EXTENT** out, LONG* count) noexcept override try {
    if (out) *out = nullptr;
    if (count) *count = 0;
    if (!out || !count) return E_INVALIDARG;
    std::vector<VDS_DRIVE_EXTENT> extents;
    const auto read = context_->core->call([&](array::array& a) -> rt::task<status> {
      const auto d = a.drive(id_);
      if (!d) co_return d.error();
      const VDS_OBJECT_ID self = to_com(id_);
      for (const auto& use : a.drive_uses(id_)) extents.push_back({self, to_com(use.lun), use.size.n, TRUE});
      if (d->free.n != 0) extents.push_back({self, GUID_NULL, d->free.n, FALSE});
      co_return status();
    });
    if (!read) return gone(read.error(), "extents");
    put_extents(extents, out, count);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE SetFlags(ULONG flags) noexcept override { return change_flags(flags, true); }
  HRESULT STDMETHODCALLTYPE ClearFlags(ULONG flags) noexcept override { return change_flags(flags, false); }

  HRESULT STDMETHODCALLTYPE SetStatus(VDS_DRIVE_STATUS status) noexcept override try {
    switch (status) {
      case VDS_DRS_ONLINE:
      case VDS_DRS_NOT_READY:
      case VDS_DRS_OFFLINE:
      case VDS_DRS_FAILED:
      case VDS_DRS_REMOVED:
        break;
      default:
        return E_INVALIDARG;
    }
    const auto d = info();
    if (!d) return gone(d.error(), "status");
    if (show(*d).status == status) return S_OK;
    if (status == VDS_DRS_ONLINE) return use_again();
    if (status != VDS_DRS_FAILED) return VDS_E_NOT_SUPPORTED;
    const auto set = context_->core->call([this](array::array& a) { return a.fail_drive(id_); });
    if (set) return S_OK;
    const HRESULT hr = gone(set.error(), "failing a drive");
    return set.error() == errc::busy ? VDS_E_OPERATION_DENIED : hr;
  } catch (...) {
    return hresult_from_exception();
  }

  // IVdsMaintenance
  HRESULT STDMETHODCALLTYPE StartMaintenance(VDS_MAINTENANCE_OPERATION what) noexcept override {
    return maintenance(context_, id_, maintain::start, what);
  }
  HRESULT STDMETHODCALLTYPE StopMaintenance(VDS_MAINTENANCE_OPERATION what) noexcept override {
    return maintenance(context_, id_, maintain::stop, what);
  }
  HRESULT STDMETHODCALLTYPE PulseMaintenance(VDS_MAINTENANCE_OPERATION what, ULONG count) noexcept override {
    return maintenance(context_, id_, maintain::pulse, what, count);
  }

  // IVdsxDrive
  HRESULT STDMETHODCALLTYPE GetDetails(VDSX_DRIVE_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto d = info();
    if (!d) return gone(d.error(), "details");
    if (!d->path.empty()) out->pwszPath = co_task_string(d->path);
    out->ullSizeBytes = d->size.n;
    out->ullFreeBytes = d->free.n;
    out->bLocating = context_->core->lit(id_) ? TRUE : FALSE;
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  // It comes back as another drive: with nothing on it, and so with an id of its own.
  HRESULT use_again() {
    const auto joined = context_->core->call([this](array::array& a) { return a.rejoin_drive(id_); });
    if (joined) return S_OK;
    const HRESULT hr = gone(joined.error(), "using a drive again");
    if (joined.error() == errc::busy) return VDS_E_OPERATION_DENIED;
    return joined.error() == errc::unavailable ? VDS_E_NOT_SUPPORTED : hr;
  }
  result<array::drive_info> info() {
    return context_->core->call(
        [this](array::array& a) -> rt::task<result<array::drive_info>> { co_return a.drive(id_); });
  }
  static HRESULT gone(const failure& why, std::string_view doing) { return refused(why, doing, VDS_E_OBJECT_DELETED); }
  HRESULT change_flags(ULONG flags, bool spare) noexcept try {
    if (flags == 0 || (flags & ~static_cast<ULONG>(VDS_DRF_HOTSPARE)) != 0) return E_INVALIDARG;
    const auto set = context_->core->call([this, spare](array::array& a) { return a.set_spare(id_, spare); });
    if (set) return S_OK;
    const HRESULT hr = gone(set.error(), "hot spare");
    return set.error() == errc::busy ? VDS_E_INVALID_OPERATION : hr;  // it holds LUNs
  } catch (...) {
    return hresult_from_exception();
  }

  const context_ptr context_;
  const guid id_;
};

}  // namespace

com_ptr<IUnknown> make_drive(context_ptr c, const guid& id) {
  auto made = make<drive>(std::move(c), id);
  return com_ptr<IUnknown>(static_cast<IVdsDrive*>(made.get()));
}

}  // namespace vds::array_provider
