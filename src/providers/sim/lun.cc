// lun.cc: a LUN without data behind it: properties, mask, deletion. All else answers VDS_E_NOT_SUPPORTED.
#include "com/hresult.h"
#include "com/implements.h"
#include "com/strings.h"
#include "providers/sim/world.h"
#include "sdk/enum_object.h"

namespace vds::sim {

namespace {

char* ansi(std::string_view text) {
  auto* out = static_cast<char*>(CoTaskMemAlloc(text.size() + 1));
  if (out == nullptr) throw std::bad_alloc();
  *std::copy(text.begin(), text.end(), out) = '\0';
  return out;
}

class lun final : public implements<IVdsLun> {
 public:
  lun(world& w, const guid& id) : w_(w), id_(id) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_LUN_PROP* out) noexcept override try {
    if (const auto told = w_.play.play("IVdsLun::GetProperties")) return *told;
    if (out == nullptr) return E_INVALIDARG;
    *out = {};
    const auto is = w_.array.lun(id_);
    if (!is) return VDS_E_OBJECT_DELETED;
    out->id = to_com(id_);
    out->ullSize = is->size;
    out->pwszFriendlyName = friendly_name(w_, is->name);
    out->pwszIdentification = co_task_string(to_string(id_));
    out->pwszUnmaskingList = co_task_string(is->unmasking_list);
    out->type = is->type;
    out->status = VDS_LS_ONLINE;
    out->health = VDS_H_HEALTHY;
    out->TransitionState = VDS_TS_STABLE;
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = answer("IVdsLun::GetSubSystem")) return *told;
    *out = make_subsystem(w_).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetIdentificationData(VDS_LUN_INFORMATION* out) noexcept override try {
    if (out == nullptr) return E_INVALIDARG;
    *out = {};
    if (const auto told = answer("IVdsLun::GetIdentificationData")) return *told;
    out->m_version = VER_VDS_LUN_INFORMATION;
    out->m_BusType = VDSBusTypeRAID;
    out->m_szVendorId = ansi("VDS");
    out->m_szProductId = ansi("SIM");
    out->m_szProductRevision = ansi("1.0");
    out->m_szSerialNumber = ansi(to_string(id_));
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryActiveControllers(IEnumVdsObject** out) noexcept override {
    return nothing("IVdsLun::QueryActiveControllers", out);
  }
  HRESULT STDMETHODCALLTYPE QueryPlexes(IEnumVdsObject** out) noexcept override {
    return nothing("IVdsLun::QueryPlexes", out);
  }

  HRESULT STDMETHODCALLTYPE Extend(ULONGLONG, VDS_OBJECT_ID*, LONG, IVdsAsync** out) noexcept override {
    return cannot("IVdsLun::Extend", out);
  }
  HRESULT STDMETHODCALLTYPE Shrink(ULONGLONG, IVdsAsync** out) noexcept override {
    return cannot("IVdsLun::Shrink", out);
  }
  HRESULT STDMETHODCALLTYPE AddPlex(VDS_OBJECT_ID, IVdsAsync** out) noexcept override {
    return cannot("IVdsLun::AddPlex", out);
  }
  HRESULT STDMETHODCALLTYPE RemovePlex(VDS_OBJECT_ID, IVdsAsync** out) noexcept override {
    return cannot("IVdsLun::RemovePlex", out);
  }
  HRESULT STDMETHODCALLTYPE Recover(IVdsAsync** out) noexcept override { return cannot("IVdsLun::Recover", out); }

  HRESULT STDMETHODCALLTYPE SetMask(LPWSTR list) noexcept override try {
    if (list == nullptr) return E_INVALIDARG;
    if (const auto told = answer("IVdsLun::SetMask")) return *told;
    if (!w_.array.set_mask(id_, to_utf8(list))) return VDS_E_OBJECT_DELETED;
    w_.events.notify({sdk::hardware_event(VDS_NF_LUN_MODIFY, id_)});
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE Delete() noexcept override try {
    if (const auto told = answer("IVdsLun::Delete")) return *told;
    const auto was = w_.array.lun(id_);
    if (!was || !w_.array.remove(id_)) return VDS_E_OBJECT_DELETED;
    std::vector<VDS_NOTIFICATION> events{sdk::hardware_event(VDS_NF_LUN_DEPART, id_)};
    for (const auto& [drive, bytes] : was->taken) events.push_back(sdk::hardware_event(VDS_NF_DRIVE_MODIFY, drive));
    w_.events.notify(std::move(events));
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE AssociateControllers(VDS_OBJECT_ID*, LONG, VDS_OBJECT_ID*, LONG) noexcept override {
    return cannot("IVdsLun::AssociateControllers");
  }
  HRESULT STDMETHODCALLTYPE QueryHints(VDS_HINTS* out) noexcept override {
    if (out == nullptr) return E_INVALIDARG;
    *out = {};
    return cannot("IVdsLun::QueryHints");
  }
  HRESULT STDMETHODCALLTYPE ApplyHints(VDS_HINTS*) noexcept override { return cannot("IVdsLun::ApplyHints"); }
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_LUN_STATUS) noexcept override { return cannot("IVdsLun::SetStatus"); }
  HRESULT STDMETHODCALLTYPE QueryMaxLunExtendSize(VDS_OBJECT_ID*, LONG, ULONGLONG* out) noexcept override {
    if (out == nullptr) return E_INVALIDARG;
    *out = 0;
    return cannot("IVdsLun::QueryMaxLunExtendSize");
  }

 private:
  // The script first, then what every method of a deleted LUN says.
  std::optional<HRESULT> answer(const char* method) {
    if (const auto told = w_.play.play(method)) return told;
    if (!w_.array.lun(id_)) return VDS_E_OBJECT_DELETED;
    return {};
  }
  HRESULT cannot(const char* method, IVdsAsync** out) noexcept {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    return cannot(method);
  }
  HRESULT cannot(const char* method) noexcept try {
    if (const auto told = answer(method)) return *told;
    return VDS_E_NOT_SUPPORTED;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT nothing(const char* method, IEnumVdsObject** out) noexcept try {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    if (const auto told = answer(method)) return *told;
    *out = sdk::make_enum({}).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  world& w_;
  const guid id_;
};

}  // namespace

com_ptr<IVdsLun> make_lun(world& w, const guid& id) { return make<lun>(w, id); }

}  // namespace vds::sim
