// proxy_manager.h: the identity of one remote object: the IUnknown that all its proxies answer with, their common
// reference count, and the public references that this process holds at the exporter.
// Invariants: one manager per object and connection while anybody holds a reference; every public reference that was
// received is given back once, in a batch, after the last Release. Deletes itself. Any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "wire/orpc/interface.h"
#include "wire/orpc/objref.h"

namespace vds::wire {

class connection;

class proxy_manager final : public IUnknown {
 public:
  proxy_manager(std::shared_ptr<connection> owner, std::uint64_t oid);

  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override;
  ULONG STDMETHODCALLTYPE AddRef() override;
  ULONG STDMETHODCALLTYPE Release() override;

  bool try_add_ref() noexcept;  // false: the last reference is gone, this is about to be deleted
  // Takes over public references that came with an OBJREF and hands out the interface, with a reference. info null:
  // IUnknown.
  HRESULT accept(const interface_info* info, const uuid& ipid, std::uint32_t refs, void** out);
  // Makes an OBJREF for the object's owner, giving it one of our public references.
  HRESULT give_back(const uuid& iid, objref& out);
  // Puts an untransferred reference back.
  void keep(const uuid& ipid, std::uint32_t refs);

  connection& owner() const noexcept { return *owner_; }
  const std::shared_ptr<connection>& owner_pointer() const noexcept { return owner_; }
  std::uint64_t oid() const noexcept { return oid_; }

 private:
  struct held {
    const interface_info* info;
    uuid ipid;
    std::uint64_t refs;
    proxy_face face;  // empty for IUnknown
  };
  ~proxy_manager();
  HRESULT query_peer(const uuid& iid, const interface_info& info, void** out);
  bool find(const uuid& iid, void** out);

  const std::shared_ptr<connection> owner_;
  const std::uint64_t oid_;
  std::atomic<std::uint32_t> references_{1};
  std::mutex mutex_;
  std::vector<held> held_;
  std::vector<uuid> absent_;  // interfaces the object has said it does not have: COM keeps that answer
};

}  // namespace vds::wire
