#include "wire/orpc/export_table.h"

#include <algorithm>

#include "wire/orpc/errors.h"
#include "wire/orpc/ids.h"

namespace vds::wire {

HRESULT export_table::add(IUnknown* pointer, const uuid& iid, std::uint32_t refs, std_objref& out) {
  const interface_info* info = find_interface(iid);
  if (!info && iid != iid_unknown) return E_NOINTERFACE;
  com_ptr<IUnknown> identity;
  if (FAILED(pointer->QueryInterface(IID_IUnknown, identity.put_void())) || !identity) return E_UNEXPECTED;
  com_ptr<IVdsLocalDispatch> dispatch = identity.as<IVdsLocalDispatch>();

  std::lock_guard lock(mutex_);
  if (closed_) return rpc_disconnected;
  if (faces_.size() >= most_) return E_OUTOFMEMORY;
  object& o = objects_[identity.get()];
  if (!o.identity) {
    o.identity = identity;
    o.oid = next_++;
    identities_.emplace(o.oid, identity.get());
  }
  std::shared_ptr<exported> face;
  for (const auto& known : o.faces)
    if (known->info == info) face = known;
  if (!face) {
    face = std::make_shared<exported>();
    face->pointer = info ? com_ptr<IUnknown>(pointer) : identity;
    face->info = info;
    face->dispatch = std::move(dispatch);
    face->oid = o.oid;
    // Not secret: only the peer of this connection can use it.
    const std::uint64_t number = next_++;
    face->ipid = {static_cast<std::uint32_t>(number), static_cast<std::uint16_t>(number >> 32), 0x4950, {}};
    std::memcpy(face->ipid.data4, &oxid_, sizeof face->ipid.data4);
    o.faces.push_back(face);
    faces_.emplace(face->ipid, face);
  }
  face->public_refs += refs;
  out = {0, refs, oxid_, o.oid, face->ipid};
  return S_OK;
}

std::shared_ptr<exported> export_table::find(const uuid& ipid) const {
  std::lock_guard lock(mutex_);
  const auto it = faces_.find(ipid);
  return it == faces_.end() ? nullptr : it->second;
}

bool export_table::add_refs(const uuid& ipid, std::uint32_t refs) {
  std::lock_guard lock(mutex_);
  const auto it = faces_.find(ipid);
  if (it == faces_.end()) return false;
  it->second->public_refs += refs;
  return true;
}

void export_table::release_refs(const uuid& ipid, std::uint64_t refs, std::vector<std::shared_ptr<exported>>& dead) {
  std::lock_guard lock(mutex_);
  const auto it = faces_.find(ipid);
  if (it == faces_.end()) return;
  it->second->public_refs -= std::min(refs, it->second->public_refs);
  if (it->second->public_refs != 0) return;
  auto face = std::move(it->second);
  faces_.erase(it);
  const auto identity = identities_.find(face->oid);
  object& o = objects_[identity->second];
  std::erase(o.faces, face);
  if (o.faces.empty()) {
    // The last reference of the identity goes with the face, outside the lock.
    auto last = std::make_shared<exported>();
    last->pointer = std::move(o.identity);
    dead.push_back(std::move(last));
    objects_.erase(identity->second);
    identities_.erase(identity);
  }
  dead.push_back(std::move(face));
}

std::vector<std::shared_ptr<exported>> export_table::clear() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  std::vector<std::shared_ptr<exported>> dead;
  for (auto& [ipid, face] : faces_) dead.push_back(std::move(face));
  for (auto& [identity, o] : objects_) {
    auto last = std::make_shared<exported>();
    last->pointer = std::move(o.identity);
    dead.push_back(std::move(last));
  }
  faces_.clear();
  objects_.clear();
  identities_.clear();
  return dead;
}

std::size_t export_table::size() const {
  std::lock_guard lock(mutex_);
  return faces_.size();
}

}  // namespace vds::wire
