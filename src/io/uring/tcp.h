// tcp.h: TCP behind io::stream and io::listener. Everything but listen_tcp() runs on the reactor.
// close() may be called while operations are in flight: they end with disconnected (accept: closing) when the kernel
// has let go of their buffers. The object must live until then; its descriptor is closed only when it dies, so
// no number is reused under a request.
#pragma once

#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "io/stream.h"
#include "io/uring/reactor.h"

namespace vds::io {

struct listen_options {
  bool share_port = false;  // several listeners of ours, one per reactor, take turns (SO_REUSEPORT)
  // As long as the address is busy it is asked for again, on the calling thread, until this has passed: the kernel
  // takes a ring apart some time after its process was killed, and holds the listening socket until then.
  monotonic::duration patience{};
};

// address: "127.0.0.1:3260", "[::1]:0" (0: the kernel chooses, see local_name()). Any thread.
result<std::unique_ptr<listener>> listen_tcp(reactor& r, std::string_view address, listen_options options = {});
rt::task<result<std::unique_ptr<stream>>> connect_tcp(reactor& r, std::string_view address);

// A connected stream socket of any family, e.g. one end of a socketpair.
std::unique_ptr<stream> adopt_socket(reactor& r, unique_fd connected);

}  // namespace vds::io
