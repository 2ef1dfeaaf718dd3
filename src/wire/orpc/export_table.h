// export_table.h: our objects that the peer of one connection may call, by the ids it was given. An id is only good on
// its own connection, so a peer reaches what was handed to it and nothing else.
// Invariants: an entry lives while the peer holds public references to it; an object is kept alive by its entries;
// clear() is the run-down of a dead peer. Any thread; foreign code (Release) runs without the lock.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "com/com_ptr.h"
#include "com/local.h"
#include "wire/orpc/interface.h"
#include "wire/orpc/remote_calls.h"

namespace vds::wire {

// One interface of one exported object. Shared by the table and the calls that run on it.
struct exported {
  com_ptr<IUnknown> pointer;  // of the type that info says; IUnknown without info
  const interface_info* info = nullptr;
  com_ptr<IVdsLocalDispatch> dispatch;  // which queue runs its calls; null: the I/O threads
  uuid ipid;
  std::uint64_t oid = 0;
  std::uint64_t public_refs = 0;  // guarded by the table
};

class export_table {
 public:
  export_table(std::uint64_t oxid, std::size_t most) : oxid_(oxid), most_(most) {}

  // Gives the peer public references to an interface of an object. pointer has the type that iid says.
  HRESULT add(IUnknown* pointer, const uuid& iid, std::uint32_t refs, std_objref& out);
  std::shared_ptr<exported> find(const uuid& ipid) const;
  bool add_refs(const uuid& ipid, std::uint32_t refs);
  // Takes references back; what nobody refers to any more is handed over for destruction in a better place.
  void release_refs(const uuid& ipid, std::uint64_t refs, std::vector<std::shared_ptr<exported>>& dead);
  [[nodiscard]] std::vector<std::shared_ptr<exported>> clear();  // and nothing can be added any more
  std::size_t size() const;
  std::uint64_t oxid() const noexcept { return oxid_; }

 private:
  struct object {
    com_ptr<IUnknown> identity;
    std::uint64_t oid = 0;
    std::vector<std::shared_ptr<exported>> faces;
  };

  const std::uint64_t oxid_;
  const std::size_t most_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::uint64_t next_ = 1;
  std::unordered_map<uuid, std::shared_ptr<exported>> faces_;
  std::unordered_map<IUnknown*, object> objects_;            // by identity
  std::unordered_map<std::uint64_t, IUnknown*> identities_;  // by oid
};

}  // namespace vds::wire
