// binder.h: the client half of presentation contexts: which context id stands for an interface, and the bind or
// alter_context that has to go out first. Deviation from C706, between our own peers on a local connection: the request
// follows its bind without waiting for the acknowledgement (docs/protocol.md); until one came, fragments stay at the
// minimum that everybody accepts. Not thread-safe: guarded by the lock of the connection's send queue.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "wire/rpc/limits.h"
#include "wire/rpc/pdu.h"

namespace vds::wire::rpc {

class binder {
 public:
  // The context of an interface; appends to `control` what must be sent before the request. Fails when the peer has
  // refused the interface.
  result<std::uint16_t> context_of(const uuid& interface_id, std::uint32_t call_id, buffer& control) {
    const auto [it, fresh] = contexts_.try_emplace(interface_id, static_cast<std::uint16_t>(contexts_.size()));
    if (fresh) {
      context_item item;
      item.id = it->second;
      item.abstract.id = interface_id;
      item.transfer.push_back(ndr20);
      write_bind(control, contexts_.size() == 1 ? ptype::bind : ptype::alter_context, call_id, 0, {&item, 1});
      proposed_.emplace(call_id, interface_id);
    } else if (refused_.contains(interface_id)) {
      return failure(errc::not_supported, "the peer does not know the interface");
    }
    return it->second;
  }
  void on_result(std::uint32_t call_id, bool accepted) {
    const auto it = proposed_.find(call_id);
    if (it == proposed_.end()) return;
    if (!accepted) refused_.insert(it->second);
    proposed_.erase(it);
  }
  void on_peer_fragment(std::uint16_t bytes) { max_fragment_ = bytes < our_fragment ? bytes : our_fragment; }
  std::uint16_t max_fragment() const noexcept { return max_fragment_; }

 private:
  std::unordered_map<uuid, std::uint16_t> contexts_;
  std::unordered_map<std::uint32_t, uuid> proposed_;
  std::unordered_set<uuid> refused_;
  std::uint16_t max_fragment_ = least_fragment;
};

}  // namespace vds::wire::rpc
