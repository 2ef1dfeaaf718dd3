#include "wire/orpc/proxy_manager.h"

#include <algorithm>

#include "wire/orpc/connection.h"
#include "wire/orpc/errors.h"
#include "wire/orpc/ids.h"

namespace vds::wire {

namespace {
constexpr std::uint32_t refs_per_request = 5;  // as DCOM does
}

proxy_manager::proxy_manager(std::shared_ptr<connection> owner, std::uint64_t oid)
    : owner_(std::move(owner)), oid_(oid) {}

proxy_manager::~proxy_manager() {
  std::vector<interface_ref> refs;
  for (held& h : held_) {
    if (h.face.pointer) h.face.destroy(h.face.pointer);
    if (h.refs != 0)
      refs.push_back({h.ipid, static_cast<std::uint32_t>(std::min<std::uint64_t>(h.refs, 0xffffffff)), 0});
  }
  owner_->release_remote(std::move(refs));
}

ULONG proxy_manager::AddRef() { return references_.fetch_add(1, std::memory_order_relaxed) + 1; }

bool proxy_manager::try_add_ref() noexcept {
  std::uint32_t n = references_.load(std::memory_order_relaxed);
  while (n != 0)
    if (references_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
  return false;
}

ULONG proxy_manager::Release() {
  const std::uint32_t left = references_.fetch_sub(1, std::memory_order_acq_rel) - 1;
  if (left == 0) {
    owner_->forget(oid_, this);
    delete this;
  }
  return left;
}

bool proxy_manager::find(const uuid& iid, void** out) {
  std::lock_guard lock(mutex_);
  for (const held& h : held_) {
    if (!h.info || h.info->iid != iid) continue;
    AddRef();
    *out = h.face.pointer;
    return true;
  }
  return false;
}

HRESULT proxy_manager::QueryInterface(REFIID riid, void** out) {
  if (!out) return E_POINTER;
  *out = nullptr;
  const uuid iid = to_uuid(riid);
  if (iid == iid_unknown || iid == iid_proxy_identity) {
    AddRef();
    *out = static_cast<IUnknown*>(this);
    return S_OK;
  }
  if (find(iid, out)) return S_OK;
  // Local interfaces never travel; the one that proxies have belongs to the face of its remote counterpart.
  if (iid == to_uuid(__uuidof(IVdsLocalAsync)) || iid == to_uuid(__uuidof(IVdsLocalEvents))) {
    const uuid remote =
        iid == to_uuid(__uuidof(IVdsLocalAsync)) ? to_uuid(__uuidof(IVdsAsync)) : to_uuid(__uuidof(IVdsxEvents));
    void* face = nullptr;
    if (FAILED(QueryInterface(to_guid(remote), &face))) return E_NOINTERFACE;
    std::lock_guard lock(mutex_);
    for (const held& h : held_)
      if (h.face.pointer == face) *out = h.face.local;
    return *out ? S_OK : E_NOINTERFACE;  // the reference of `face` is the one handed out
  }
  const interface_info* info = find_interface(iid);
  if (!info) return E_NOINTERFACE;  // nothing we could call it by
  return query_peer(iid, *info, out);
}

HRESULT proxy_manager::query_peer(const uuid& iid, const interface_info& info, void** out) {
  uuid known;
  {
    std::lock_guard lock(mutex_);
    if (held_.empty()) return E_UNEXPECTED;
    if (std::find(absent_.begin(), absent_.end(), iid) != absent_.end()) return E_NOINTERFACE;
    known = held_.front().ipid;
  }
  std_objref ref;
  const HRESULT hr = owner_->query_remote(known, iid, ref);
  if (hr == E_NOINTERFACE) {
    std::lock_guard lock(mutex_);
    absent_.push_back(iid);
  }
  if (FAILED(hr)) return hr;
  return accept(&info, ref.ipid, ref.public_refs, out);
}

HRESULT proxy_manager::accept(const interface_info* info, const uuid& ipid, std::uint32_t refs, void** out) {
  std::lock_guard lock(mutex_);
  for (held& h : held_) {
    if (h.info != info) continue;
    if (h.ipid != ipid) return rpc_invalid_data;  // one interface of an object has one id
    h.refs += refs;
    AddRef();
    *out = info ? h.face.pointer : this;
    return S_OK;
  }
  held h{info, ipid, refs, {}};
  if (info) h.face = info->make(*this, *info, ipid);
  held_.push_back(h);
  AddRef();
  *out = info ? h.face.pointer : this;
  return S_OK;
}

HRESULT proxy_manager::give_back(const uuid& iid, objref& out) {
  std::lock_guard lock(mutex_);
  held* chosen = nullptr;
  for (held& h : held_)
    if (!chosen || (h.info ? h.info->iid : iid_unknown) == iid) chosen = &h;
  if (!chosen) return E_UNEXPECTED;
  if (chosen->refs < 2) {
    owner_->add_remote_ref(chosen->ipid, refs_per_request);
    chosen->refs += refs_per_request;
  }
  --chosen->refs;
  out.iid = iid;
  out.standard = {0, 1, owner_->peer_oxid(), oid_, chosen->ipid};
  return S_OK;
}

void proxy_manager::keep(const uuid& ipid, std::uint32_t refs) {
  std::lock_guard lock(mutex_);
  for (held& h : held_)
    if (h.ipid == ipid) h.refs += refs;
}

}  // namespace vds::wire
