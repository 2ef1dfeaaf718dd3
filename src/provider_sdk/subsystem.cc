#include "provider_sdk/inside.h"

namespace vds::provider {
namespace {

// The arguments of CreateLun and QueryMaxLunCreateSize; nothing when they cannot be meant.
std::optional<lun_wish> wish_of(VDS_LUN_TYPE type, ULONGLONG size, const VDS_OBJECT_ID* drives, LONG count,
                                const wchar_t* mask, const VDS_HINTS* hints) {
  if (!lun_type_ok(type) || !array_ok(drives, count)) return {};
  lun_wish wish;
  wish.type = type;
  wish.size = size;
  wish.drives.assign(drives, drives + count);
  wish.unmasking_list = to_utf8(mask);
  if (hints != nullptr) wish.hints = *hints;
  return wish;
}

}  // namespace

HRESULT subsystem::GetProperties(VDS_SUB_SYSTEM_PROP* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = {};
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    describe(*out);
    return S_OK;
  });
}

HRESULT subsystem::GetProvider(IVdsProvider** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    *out = ptr<IVdsProvider>(&provider()).detach();
    return S_OK;
  });
}

HRESULT subsystem::QueryControllers(IEnumVdsObject** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] { return exists() ? hand_out(controllers(), out) : VDS_E_OBJECT_DELETED; });
}

HRESULT subsystem::QueryLuns(IEnumVdsObject** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] { return exists() ? hand_out(luns(), out) : VDS_E_OBJECT_DELETED; });
}

HRESULT subsystem::QueryDrives(IEnumVdsObject** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] { return exists() ? hand_out(drives(), out) : VDS_E_OBJECT_DELETED; });
}

HRESULT subsystem::GetDrive(SHORT bus, SHORT slot, IVdsDrive** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] {
    if (!exists()) return VDS_E_OBJECT_DELETED;
    for (const ptr<IUnknown>& each : drives()) {
      ptr<IVdsDrive> d;
      VDS_DRIVE_PROP prop{};
      {
        IVdsDrive* raw = nullptr;
        if (FAILED(each->QueryInterface(__uuidof(IVdsDrive), reinterpret_cast<void**>(&raw)))) continue;
        d.attach(raw);
      }
      if (FAILED(d->GetProperties(&prop))) continue;
      CoTaskMemFree(prop.pwszFriendlyName);
      CoTaskMemFree(prop.pwszIdentification);
      if (prop.sInternalBusNumber != bus || prop.sSlotNumber != slot) continue;
      *out = d.detach();
      return S_OK;
    }
    return VDS_E_OBJECT_NOT_FOUND;
  });
}

HRESULT subsystem::Reenumerate() noexcept {
  return guarded([&] { return exists() ? provider().Reenumerate() : VDS_E_OBJECT_DELETED; });
}

HRESULT subsystem::SetControllerStatus(VDS_OBJECT_ID* online, LONG onlines, VDS_OBJECT_ID* offline,
                                       LONG offlines) noexcept {
  if (!array_ok(online, onlines) || !array_ok(offline, offlines)) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT subsystem::CreateLun(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID* drives, LONG count, LPWSTR mask,
                             VDS_HINTS* hints, IVdsAsync** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&]() -> HRESULT {
    const auto wish = wish_of(type, size, drives, count, mask, hints);
    if (!wish || size == 0) return E_INVALIDARG;
    if (!exists()) return VDS_E_OBJECT_DELETED;
    auto begun = provider().begin(VDS_ASYNCOUT_CREATELUN);
    if (!begun.work) return E_INVALIDARG;
    if (!begun.joined) {
      const HRESULT hr = guarded([&] { return create_lun(*wish, begun.work); });
      if (FAILED(hr)) {
        provider().abandon();
        return hr;
      }
    }
    *out = begun.work.copy();
    return S_OK;
  });
}

HRESULT subsystem::ReplaceDrive(VDS_OBJECT_ID old_drive, VDS_OBJECT_ID new_drive) noexcept {
  if (is_nil(old_drive) || is_nil(new_drive)) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT subsystem::SetStatus(VDS_SUB_SYSTEM_STATUS status) noexcept {
  if (status <= VDS_SSS_UNKNOWN || status > VDS_SSS_PARTIALLY_MANAGED) return E_INVALIDARG;
  return guarded([&] { return exists() ? VDS_E_NOT_SUPPORTED : VDS_E_OBJECT_DELETED; });
}

HRESULT subsystem::QueryMaxLunCreateSize(VDS_LUN_TYPE type, VDS_OBJECT_ID* drives, LONG count, VDS_HINTS* hints,
                                         ULONGLONG* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = 0;
  return guarded([&]() -> HRESULT {
    const auto wish = wish_of(type, 0, drives, count, nullptr, hints);
    if (!wish) return E_INVALIDARG;
    return exists() ? max_lun_size(*wish, *out) : VDS_E_OBJECT_DELETED;
  });
}

}  // namespace vds::provider
