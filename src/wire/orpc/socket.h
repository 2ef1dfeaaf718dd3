// socket.h: unix stream sockets and who is at their other end.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace vds::wire {

// What the kernel says about the peer at the time it connected. The pid is for messages only: it may be reused.
struct peer_credentials {
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  pid_t pid = 0;
  std::vector<gid_t> groups;  // supplementary
  bool in_group(gid_t group) const noexcept;
};

result<unique_fd> connect_unix_socket(const std::string& path);
// Takes the place of a socket that nobody listens on any more; fails when somebody does. gid -1 leaves the group.
result<unique_fd> listen_unix_socket(const std::string& path, mode_t mode, gid_t gid);
result<unique_fd> accept_unix_socket(int listener);  // errc::busy: nobody is waiting
peer_credentials credentials_of(int fd);

}  // namespace vds::wire
