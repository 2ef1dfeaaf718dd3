#include "service/provider_host/reader.h"

namespace vds::service::reader {
namespace {

template <class I, class P>
HRESULT read(IUnknown* theirs, HRESULT (STDMETHODCALLTYPE I::*getter)(P*), kept_ptr& out) {
  com_ptr<I> typed;
  if (const HRESULT hr = theirs->QueryInterface(__uuidof(I), typed.put_void()); FAILED(hr)) return hr;
  if (!typed) return E_UNEXPECTED;
  P prop{};
  const HRESULT hr = (typed.get()->*getter)(&prop);
  if (FAILED(hr)) {
    clear_members(prop);
    return hr;
  }
  out = std::make_shared<kept_struct<P>>(prop);
  return hr;
}

template <class I, class Up>
HRESULT ask(IUnknown* theirs, HRESULT (STDMETHODCALLTYPE I::*getter)(Up**), VDS_OBJECT_TYPE kind, guid& out) {
  com_ptr<I> typed;
  if (const HRESULT hr = theirs->QueryInterface(__uuidof(I), typed.put_void()); FAILED(hr)) return hr;
  if (!typed) return E_UNEXPECTED;
  com_ptr<Up> up;
  if (const HRESULT hr = (typed.get()->*getter)(up.put()); FAILED(hr)) return hr;
  if (!up) return E_UNEXPECTED;
  model::entry e;
  const HRESULT hr = properties(kind, up.get(), e);
  out = e.id;
  return hr;
}

}  // namespace

HRESULT properties(VDS_OBJECT_TYPE kind, IUnknown* theirs, model::entry& e) {
  e.kind = kind;
  HRESULT hr = E_INVALIDARG;
  switch (kind) {
    case VDS_OT_PROVIDER:
      hr = read(theirs, &IVdsProvider::GetProperties, e.first);
      break;
    case VDS_OT_SUB_SYSTEM:
      hr = read(theirs, &IVdsSubSystem::GetProperties, e.first);
      break;
    case VDS_OT_CONTROLLER:
      hr = read(theirs, &IVdsController::GetProperties, e.first);
      break;
    case VDS_OT_PORT:
      hr = read(theirs, &IVdsControllerPort::GetProperties, e.first);
      break;
    case VDS_OT_DRIVE:
      hr = read(theirs, &IVdsDrive::GetProperties, e.first);
      break;
    case VDS_OT_LUN:
      hr = read(theirs, &IVdsLun::GetProperties, e.first);
      break;
    case VDS_OT_LUN_PLEX:
      hr = read(theirs, &IVdsLunPlex::GetProperties, e.first);
      break;
    case VDS_OT_TARGET:
      hr = read(theirs, &IVdsIscsiTarget::GetProperties, e.first);
      break;
    case VDS_OT_PORTAL:
      hr = read(theirs, &IVdsIscsiPortal::GetProperties, e.first);
      break;
    case VDS_OT_PORTAL_GROUP:
      hr = read(theirs, &IVdsIscsiPortalGroup::GetProperties, e.first);
      break;
    case VDS_OT_STORAGE_POOL:
      hr = read(theirs, &IVdsStoragePool::GetProperties, e.first);
      break;
    default:
      break;
  }
  if (FAILED(hr)) return hr;
  e.id = e.first->id();
  return e.id ? hr : VDS_E_BAD_PROVIDER_DATA;
}

void more_properties(VDS_OBJECT_TYPE kind, IUnknown* theirs, model::entry& e) {
  HRESULT hr = S_OK;
  if (kind == VDS_OT_SUB_SYSTEM)
    hr = read(theirs, &IVdsSubSystem2::GetProperties2, e.second);
  else if (kind == VDS_OT_DRIVE)
    hr = read(theirs, &IVdsDrive2::GetProperties2, e.second);
  if (FAILED(hr)) e.second = nullptr;
}

VDS_OBJECT_TYPE parent_kind(VDS_OBJECT_TYPE kind) {
  switch (kind) {
    case VDS_OT_SUB_SYSTEM:
    case VDS_OT_STORAGE_POOL:
      return VDS_OT_PROVIDER;
    case VDS_OT_CONTROLLER:
    case VDS_OT_DRIVE:
    case VDS_OT_LUN:
    case VDS_OT_TARGET:
    case VDS_OT_PORTAL:
      return VDS_OT_SUB_SYSTEM;
    case VDS_OT_PORT:
      return VDS_OT_CONTROLLER;
    case VDS_OT_LUN_PLEX:
      return VDS_OT_LUN;
    case VDS_OT_PORTAL_GROUP:
      return VDS_OT_TARGET;
    default:
      return VDS_OT_UNKNOWN;
  }
}

HRESULT parent(VDS_OBJECT_TYPE kind, IUnknown* theirs, guid& out) {
  const VDS_OBJECT_TYPE up = parent_kind(kind);
  switch (kind) {
    case VDS_OT_CONTROLLER:
      return ask(theirs, &IVdsController::GetSubSystem, up, out);
    case VDS_OT_DRIVE:
      return ask(theirs, &IVdsDrive::GetSubSystem, up, out);
    case VDS_OT_LUN:
      return ask(theirs, &IVdsLun::GetSubSystem, up, out);
    case VDS_OT_TARGET:
      return ask(theirs, &IVdsIscsiTarget::GetSubSystem, up, out);
    case VDS_OT_PORTAL:
      return ask(theirs, &IVdsIscsiPortal::GetSubSystem, up, out);
    case VDS_OT_PORT:
      return ask(theirs, &IVdsControllerPort::GetController, up, out);
    case VDS_OT_LUN_PLEX:
      return ask(theirs, &IVdsLunPlex::GetLun, up, out);
    case VDS_OT_PORTAL_GROUP:
      return ask(theirs, &IVdsIscsiPortalGroup::GetTarget, up, out);
    default:
      return E_INVALIDARG;
  }
}

}  // namespace vds::service::reader
