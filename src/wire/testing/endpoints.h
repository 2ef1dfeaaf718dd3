// endpoints.h: two endpoints of one process over a socket pair, for tests.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "wire/orpc/endpoint.h"

namespace vds::wire::testing {

// Waits for a condition that another thread brings about; fails the test after ten seconds.
template <class Condition>
void eventually(Condition&& condition) {
  const auto until = monotonic::now() + std::chrono::seconds(10);
  while (!condition()) {
    ASSERT_LT(monotonic::now(), until);
    std::this_thread::yield();
  }
}

struct pair_of_endpoints {
  explicit pair_of_endpoints(activator activate, endpoint_options server_options = {},
                             endpoint_options client_options = {}) {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    server_options.activate = std::move(activate);
    server = endpoint::over(server_threads, unique_fd(fds[0]), std::move(server_options));
    client = endpoint::over(client_threads, unique_fd(fds[1]), std::move(client_options));
  }
  ~pair_of_endpoints() {
    client->close();
    server->close();
  }
  runtime server_threads{2};
  runtime client_threads{2};
  std::shared_ptr<endpoint> server;
  std::shared_ptr<endpoint> client;
};

}  // namespace vds::wire::testing
