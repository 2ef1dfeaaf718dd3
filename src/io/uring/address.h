// address.h: "127.0.0.1:3260", "[::1]:0", "0.0.0.0:3260": numbers only, never a name (no resolver in a reactor).
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace vds::io {

struct socket_address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family() const noexcept { return storage.ss_family; }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

result<socket_address> parse_address(std::string_view text);
std::string to_string(const socket_address& address);

}  // namespace vds::io
