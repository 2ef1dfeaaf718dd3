// provider.cc: the provider object, as the service sees it first.
#include "com/hresult.h"
#include "com/implements.h"
#include "com/strings.h"
#include "providers/sim/world.h"
#include "sdk/enum_object.h"

namespace vds::sim {

namespace {

class provider final : public implements<IVdsProvider, IVdsProviderSupport, IVdsProviderPrivate, IVdsHwProvider,
                                         IVdsHwProviderType, IVdsHwProviderPrivate, IVdsxProviderOperations> {
 public:
  explicit provider(world& w) : w_(w) {}

  // IVdsProvider
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_PROVIDER_PROP* out) noexcept override try {
    if (const auto told = w_.play.play("IVdsProvider::GetProperties")) return *told;
    if (out == nullptr) return E_INVALIDARG;
    *out = {};
    out->id = to_com(w_.provider_id);
    out->pwszName = friendly_name(w_, w_.name);
    out->guidVersionId = to_com(name_guid(w_.provider_id, "version 1.0"));
    out->pwszVersion = co_task_string("1.0");
    out->type = VDS_PT_HARDWARE;
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // IVdsProviderSupport
  HRESULT STDMETHODCALLTYPE GetVersionSupport(ULONG* out) noexcept override {
    if (const auto told = w_.play.play("IVdsProviderSupport::GetVersionSupport")) return *told;
    if (out == nullptr) return E_INVALIDARG;
    *out = VDS_VSF_1_0;
    return S_OK;
  }

  // IVdsProviderPrivate
  HRESULT STDMETHODCALLTYPE OnLoad(LPWSTR, IUnknown* callback) noexcept override try {
    if (const auto told = w_.play.play("IVdsProviderPrivate::OnLoad")) return *told;
    if (const HRESULT hr = w_.events.start(callback); FAILED(hr)) return hr;
    w_.loaded = true;
    if (const auto soon = w_.play.now().crash_after) w_.later.after(*soon, [] { die(); });
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE OnUnload(BOOL) noexcept override {
    if (const auto told = w_.play.play("IVdsProviderPrivate::OnUnload")) return *told;
    w_.loaded = false;
    w_.events.stop();
    return S_OK;
  }

  HRESULT STDMETHODCALLTYPE GetObject(VDS_OBJECT_ID id, VDS_OBJECT_TYPE type, IUnknown** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsProviderPrivate::GetObject")) return *told;
    if (!w_.loaded) return VDS_E_INITIALIZE_NOT_CALLED;
    const guid wanted = from_com(id);
    if (type == VDS_OT_SUB_SYSTEM && wanted == w_.array.subsystem())
      *out = make_subsystem(w_).detach();
    else if (type == VDS_OT_DRIVE && w_.array.drive(wanted))
      *out = make_drive(w_, wanted).detach();
    else if (type == VDS_OT_LUN && w_.array.lun(wanted))
      *out = make_lun(w_, wanted).detach();
    else
      return VDS_E_OBJECT_NOT_FOUND;
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // IVdsHwProvider
  HRESULT STDMETHODCALLTYPE QuerySubSystems(IEnumVdsObject** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = w_.play.play("IVdsHwProvider::QuerySubSystems")) return *told;
    if (!w_.loaded) return VDS_E_INITIALIZE_NOT_CALLED;
    // Always honest: without a subsystem there is nothing to lie about.
    *out = sdk::make_enum({com_ptr<IUnknown>(make_subsystem(w_).get())}).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override {
    if (const auto told = w_.play.play("IVdsHwProvider::Reenumerate")) return *told;
    return w_.loaded ? S_OK : VDS_E_INITIALIZE_NOT_CALLED;
  }
  HRESULT STDMETHODCALLTYPE Refresh() noexcept override {
    if (const auto told = w_.play.play("IVdsHwProvider::Refresh")) return *told;
    return w_.loaded ? S_OK : VDS_E_INITIALIZE_NOT_CALLED;
  }

  // IVdsHwProviderType
  HRESULT STDMETHODCALLTYPE GetProviderType(VDS_HWPROVIDER_TYPE* out) noexcept override {
    if (const auto told = w_.play.play("IVdsHwProviderType::GetProviderType")) return *told;
    if (out == nullptr) return E_INVALIDARG;
    *out = VDS_HWT_PCI_RAID;
    return S_OK;
  }

  // IVdsHwProviderPrivate
  HRESULT STDMETHODCALLTYPE QueryIfCreatedLun(LPWSTR, VDS_LUN_INFORMATION*, VDS_OBJECT_ID* out) noexcept override {
    if (const auto told = w_.play.play("IVdsHwProviderPrivate::QueryIfCreatedLun")) return *told;
    if (out == nullptr) return E_INVALIDARG;
    *out = {};  // no host ever sees a LUN of the sim
    return S_FALSE;
  }

  // IVdsxProviderOperations
  HRESULT STDMETHODCALLTYPE QueryOperation(VDS_OBJECT_ID id, VDSX_OPERATION_OUTCOME* out) noexcept override try {
    if (const auto told = w_.play.play("IVdsxProviderOperations::QueryOperation")) return *told;
    return w_.operations.query(id, out);
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE OpenOperation(VDS_OBJECT_ID id, IVdsAsync** out) noexcept override try {
    if (const auto told = w_.play.play("IVdsxProviderOperations::OpenOperation")) return *told;
    return w_.operations.open(id, out);
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE ForgetOperation(VDS_OBJECT_ID id) noexcept override try {
    if (const auto told = w_.play.play("IVdsxProviderOperations::ForgetOperation")) return *told;
    return w_.operations.forget(id);
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  world& w_;
};

}  // namespace

com_ptr<IUnknown> make_provider(world& w) { return make<provider>(w).as<IUnknown>(); }

}  // namespace vds::sim
