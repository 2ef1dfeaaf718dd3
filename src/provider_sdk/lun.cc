#include "provider_sdk/inside.h"

namespace vds::provider {

HRESULT lun::GetProperties(VDS_LUN_PROP* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = {};
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    describe(*out);
    return S_OK;
  });
}

HRESULT lun::GetSubSystem(IVdsSubSystem** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    *out = of().detach();
    return *out != nullptr ? S_OK : VDS_E_OBJECT_NOT_FOUND;
  });
}

HRESULT lun::GetIdentificationData(VDS_LUN_INFORMATION* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = {};
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    out->m_version = VER_VDS_LUN_INFORMATION;
    identify(*out);
    return S_OK;
  });
}

HRESULT lun::QueryActiveControllers(IEnumVdsObject** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] { return exists() ? hand_out({}, out) : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::QueryPlexes(IEnumVdsObject** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] { return exists() ? hand_out(plexes(), out) : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::Extend(ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count, IVdsAsync** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  if (bytes == 0 || !array_ok(drives, count)) return E_INVALIDARG;
  return guarded([&] { return refuse_async(exists(), out); });
}

HRESULT lun::Shrink(ULONGLONG bytes, IVdsAsync** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  if (bytes == 0) return E_INVALIDARG;
  return guarded([&] { return refuse_async(exists(), out); });
}

HRESULT lun::AddPlex(VDS_OBJECT_ID source, IVdsAsync** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  if (is_nil(source)) return E_INVALIDARG;
  return guarded([&] { return refuse_async(exists(), out); });
}

HRESULT lun::RemovePlex(VDS_OBJECT_ID plex, IVdsAsync** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  if (is_nil(plex)) return E_INVALIDARG;
  return guarded([&] { return refuse_async(exists(), out); });
}

HRESULT lun::Recover(IVdsAsync** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] { return refuse_async(exists(), out); });
}

HRESULT lun::SetMask(LPWSTR list) noexcept {
  if (list == nullptr) return E_INVALIDARG;
  return guarded([&] { return exists() ? set_mask(to_utf8(list)) : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::Delete() noexcept {
  return guarded([&] { return exists() ? remove() : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::AssociateControllers(VDS_OBJECT_ID* active, LONG actives, VDS_OBJECT_ID* inactive,
                                  LONG inactives) noexcept {
  if (!array_ok(active, actives) || !array_ok(inactive, inactives)) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::QueryHints(VDS_HINTS* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = {};
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::ApplyHints(VDS_HINTS* hints) noexcept {
  if (hints == nullptr) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::SetStatus(VDS_LUN_STATUS status) noexcept {
  if (status <= VDS_LS_UNKNOWN || status > VDS_LS_FAILED) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT lun::QueryMaxLunExtendSize(VDS_OBJECT_ID* drives, LONG count, ULONGLONG* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = 0;
  if (!array_ok(drives, count)) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

}  // namespace vds::provider
