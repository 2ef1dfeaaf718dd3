// limits.h: how much one peer, one address, or all of them together may take. Everything an unauthenticated peer can
// make us hold is bounded here, before any allocation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace vds::iscsi {

// Of one connection.
struct connection_limits {
  std::uint32_t queue_depth = 128;               // commands outstanding (the CmdSN window)
  std::uint32_t immediate_depth = 16;            // immediate commands outstanding, outside the window
  std::uint32_t max_recv_data_segment = 262144;  // what we declare; a PDU above it ends the connection
  std::uint32_t max_burst = 1 << 20;
  std::uint32_t first_burst = 65536;
  std::size_t data_bytes = 32u << 20;         // data buffers of commands in flight; more wait their turn
  std::size_t send_queue_pdus = 4096;         // with more unsent, nothing more is received
  monotonic::duration login_time = 15s;       // from accept to full feature phase
  monotonic::duration refusal_delay = 500ms;  // from a login request that proves nothing to its refusal
  monotonic::duration ping_after = 20s;       // silence before a NOP-In
  monotonic::duration ping_answer = 20s;      // then the connection is dropped
  monotonic::duration send_stall = 60s;       // one gathered write that does not end: a reader that does not read
  monotonic::duration logout_linger = 10s;    // for the peer to close after our logout response
  monotonic::duration logout_request = 3s;    // from our asking it to log out to our dropping it; whole seconds
  monotonic::duration drop_notice = 1s;       // for the peer to take the notice that it is dropped
};

// Of one portal server.
struct server_limits {
  std::size_t connections = 4096;
  std::size_t connections_per_address = 2048;
  std::size_t sessions_per_target = 1024;  // a login beyond is refused (0302h); who is logged in can always come back
  std::size_t half_open = 512;             // not logged in yet; the oldest gives way to a new one
  connection_limits connection;
};

}  // namespace vds::iscsi
