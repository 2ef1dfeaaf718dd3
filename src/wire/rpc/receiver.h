// receiver.h: one direction of a connection, as a pure state machine: bytes in, whole calls out. It frames PDUs, holds
// the presentation contexts the peer has bound, answers binds, and puts fragments together.
// Invariants: nothing is allocated because a peer promised bytes, only because they came; what is held never exceeds
// `limits`; the first protocol error ends the connection. A connection is symmetric here (docs/protocol.md): requests
// and responses arrive on the same one. Not thread-safe: whoever reads the connection owns it.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>

#include "wire/rpc/limits.h"
#include "wire/rpc/pdu.h"

namespace vds::wire::rpc {

struct request {
  std::uint32_t call_id = 0;
  std::uint16_t context = 0;
  std::uint16_t opnum = 0;
  uuid interface_id;  // what the context was bound to
  uuid object;
  buffer stub;
};

class receiver_events {
 public:
  virtual ~receiver_events() = default;
  virtual void on_request(request&& call) = 0;
  virtual void on_response(std::uint32_t call_id, buffer&& stub) = 0;
  virtual void on_fault(std::uint32_t call_id, std::uint32_t status) = 0;
  virtual void on_reply(std::span<const std::byte> pdu) = 0;     // to be sent to the peer
  virtual void on_peer_fragment(std::uint16_t max_receive) = 0;  // what the peer accepts in one PDU
  virtual void on_bind_result(std::uint32_t call_id, bool accepted) = 0;
  virtual bool knows(const uuid& interface_id) = 0;
};

class receiver {
 public:
  explicit receiver(const limits& caps = {}) : limits_(caps) {}
  // A failure means that the peer broke the protocol: close the connection.
  status receive(std::span<const std::byte> bytes, receiver_events& events);
  std::size_t held_bytes() const noexcept { return held_ + partial_.size(); }

 private:
  struct assembly {
    request head;
    buffer stub;
  };
  status on_pdu(std::span<const std::byte> bytes, receiver_events& events);
  status on_bind(const pdu& p, receiver_events& events);
  status on_request_fragment(const pdu& p, receiver_events& events);
  status on_response_fragment(const pdu& p, receiver_events& events);
  status join(std::unordered_map<std::uint32_t, assembly>& calls, const pdu& p, bool& complete, assembly& whole);
  bind_result accept(const context_item& item, std::uint16_t& reason, receiver_events& events);

  limits limits_;
  buffer partial_;  // the beginning of a PDU whose rest has not come
  std::size_t held_ = 0;
  bool bound_ = false;
  std::map<std::uint16_t, uuid> contexts_;
  std::unordered_map<std::uint32_t, assembly> requests_;
  std::unordered_map<std::uint32_t, assembly> responses_;
};

}  // namespace vds::wire::rpc
