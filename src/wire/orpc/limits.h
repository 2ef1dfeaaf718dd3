// limits.h: what one peer may make us hold. Defaults; endpoints and servers may be given others.
#pragma once

#include "wire/rpc/limits.h"

namespace vds::wire {

struct connection_limits {
  rpc::limits rpc;
  std::size_t queued_bytes = 64 << 20;  // to a peer that reads slowly; above it is disconnected
  std::size_t outgoing_calls = 16384;   // waiting for the peer's answers
  std::size_t incoming_calls = 16384;   // of the peer, not yet answered; above: server too busy
  std::size_t exported_interfaces = 1 << 18;
};

}  // namespace vds::wire
