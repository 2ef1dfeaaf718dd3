#include <algorithm>

#include "provider_sdk/inside.h"

namespace vds::provider {
namespace {

// The flags that a caller may change; the others say what is.
bool drive_flags_ok(ULONG flags) noexcept { return flags == VDS_DRF_HOTSPARE; }

}  // namespace

HRESULT drive::GetProperties(VDS_DRIVE_PROP* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = {};
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    describe(*out);
    return S_OK;
  });
}

HRESULT drive::GetSubSystem(IVdsSubSystem** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    *out = of().detach();
    return *out != nullptr ? S_OK : VDS_E_OBJECT_NOT_FOUND;
  });
}

HRESULT drive::QueryExtents(VDS_DRIVE_EXTENT** out, LONG* count) noexcept {
  if (out == nullptr || count == nullptr) return E_INVALIDARG;
  *out = nullptr;
  *count = 0;
  return guarded([&]() -> HRESULT {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    const auto all = extents();
    if (all.empty()) return S_OK;
    *out = static_cast<VDS_DRIVE_EXTENT*>(CoTaskMemAlloc(all.size() * sizeof(VDS_DRIVE_EXTENT)));
    if (*out == nullptr) return E_OUTOFMEMORY;
    std::copy(all.begin(), all.end(), *out);
    *count = static_cast<LONG>(all.size());
    return S_OK;
  });
}

HRESULT drive::SetFlags(ULONG flags) noexcept {
  if (!drive_flags_ok(flags)) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}
HRESULT drive::ClearFlags(ULONG flags) noexcept {
  if (!drive_flags_ok(flags)) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT drive::SetStatus(VDS_DRIVE_STATUS status) noexcept {
  if (status <= VDS_DRS_UNKNOWN || status > VDS_DRS_REMOVED) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

}  // namespace vds::provider
