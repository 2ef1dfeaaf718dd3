#include "sdk/async_output.h"

#include <utility>

namespace vds::sdk {

IUnknown** object_slot(VDS_ASYNC_OUTPUT& output) noexcept {
  switch (output.type) {
    case VDS_ASYNCOUT_CREATEVOLUME:
      return &output.cv.pVolumeUnk;
    case VDS_ASYNCOUT_BREAKVOLUMEPLEX:
      return &output.bvp.pVolumeUnk;
    case VDS_ASYNCOUT_CREATELUN:
      return &output.cl.pLunUnk;
    case VDS_ASYNCOUT_CREATETARGET:
      return &output.ct.pTargetUnk;
    case VDS_ASYNCOUT_CREATEPORTALGROUP:
      return &output.cpg.pPortalGroupUnk;
    case VDS_ASYNCOUT_CREATE_VDISK:
      return &output.cvd.pVDiskUnk;
    default:
      return nullptr;
  }
}

VDS_OBJECT_TYPE object_type_of(VDS_ASYNC_OUTPUT_TYPE type) noexcept {
  switch (type) {
    case VDS_ASYNCOUT_CREATEVOLUME:
    case VDS_ASYNCOUT_BREAKVOLUMEPLEX:
      return VDS_OT_VOLUME;
    case VDS_ASYNCOUT_CREATELUN:
      return VDS_OT_LUN;
    case VDS_ASYNCOUT_CREATETARGET:
      return VDS_OT_TARGET;
    case VDS_ASYNCOUT_CREATEPORTALGROUP:
      return VDS_OT_PORTAL_GROUP;
    case VDS_ASYNCOUT_CREATE_VDISK:
      return VDS_OT_VDISK;
    default:
      return VDS_OT_UNKNOWN;
  }
}

void clear_output(VDS_ASYNC_OUTPUT& output) noexcept {
  if (IUnknown** slot = object_slot(output); slot != nullptr && *slot != nullptr)
    std::exchange(*slot, nullptr)->Release();
}

async_output async_output::adopt(const VDS_ASYNC_OUTPUT& raw) noexcept {
  async_output out;
  out.raw_ = raw;
  return out;
}

async_output async_output::of(VDS_ASYNC_OUTPUT_TYPE type, IUnknown* object) noexcept {
  async_output out(type);
  if (IUnknown** slot = object_slot(out.raw_); slot != nullptr && object != nullptr) {
    object->AddRef();
    *slot = object;
  }
  return out;
}

async_output::async_output(const async_output& other) noexcept : raw_(other.hand_out()) {}

async_output::async_output(async_output&& other) noexcept : raw_(other.raw_) {
  other.raw_ = VDS_ASYNC_OUTPUT{};
  other.raw_.type = raw_.type;
}

async_output& async_output::operator=(async_output other) noexcept {
  std::swap(raw_, other.raw_);
  return *this;
}

IUnknown* async_output::object() const noexcept {
  IUnknown** slot = object_slot(const_cast<VDS_ASYNC_OUTPUT&>(raw_));
  return slot == nullptr ? nullptr : *slot;
}

VDS_ASYNC_OUTPUT async_output::hand_out() const noexcept {
  if (IUnknown* held = object()) held->AddRef();
  return raw_;
}

}  // namespace vds::sdk
