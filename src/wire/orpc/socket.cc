#include "wire/orpc/socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

namespace vds::wire {

namespace {

result<sockaddr_un> address(const std::string& path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof a.sun_path)
    return failure(errc::invalid_argument, "socket path '" + path + "' is empty or too long");
  std::memcpy(a.sun_path, path.c_str(), path.size() + 1);
  return a;
}

result<unique_fd> open_socket() {
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return failure_from_errno(errno, "socket");
  return fd;
}

}  // namespace

bool peer_credentials::in_group(gid_t group) const noexcept {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

result<unique_fd> connect_unix_socket(const std::string& path) {
  auto to = address(path);
  if (!to) return std::move(to).error();
  auto fd = open_socket();
  if (!fd) return std::move(fd).error();
  int r;
  do r = ::connect(fd->get(), reinterpret_cast<const sockaddr*>(&*to), sizeof *to);
  while (r < 0 && errno == EINTR);
  if (r < 0) return failure_from_errno(errno, "connecting to " + path);
  return fd;
}

result<unique_fd> listen_unix_socket(const std::string& path, mode_t mode, gid_t gid) {
  auto at = address(path);
  if (!at) return std::move(at).error();
  if (connect_unix_socket(path)) return failure(errc::already_exists, path + ": somebody listens there");
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0) {
    if (!S_ISSOCK(st.st_mode)) return failure(errc::already_exists, path + " exists and is no socket");
    ::unlink(path.c_str());
  }
  auto fd = open_socket();
  if (!fd) return std::move(fd).error();
  const mode_t before = ::umask(0777);  // nobody may connect before mode and group are right
  const int bound = ::bind(fd->get(), reinterpret_cast<const sockaddr*>(&*at), sizeof *at);
  const int error = errno;
  ::umask(before);
  if (bound < 0) return failure_from_errno(error, "binding " + path);
  if (gid != static_cast<gid_t>(-1) && ::chown(path.c_str(), static_cast<uid_t>(-1), gid) < 0)
    return failure_from_errno(errno, "setting the group of " + path);
  if (::chmod(path.c_str(), mode) < 0) return failure_from_errno(errno, "setting the mode of " + path);
  if (::listen(fd->get(), SOMAXCONN) < 0) return failure_from_errno(errno, "listening on " + path);
  return fd;
}

result<unique_fd> accept_unix_socket(int listener) {
  for (;;) {
    unique_fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) return fd;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return errc::busy;
    if (errno != EINTR && errno != ECONNABORTED) return failure_from_errno(errno, "accepting");
  }
}

peer_credentials credentials_of(int fd) {
  peer_credentials c;
  ucred u{};
  socklen_t n = sizeof u;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) != 0) return c;
  c.uid = u.uid;
  c.gid = u.gid;
  c.pid = u.pid;
  c.groups.resize(64);
  n = static_cast<socklen_t>(c.groups.size() * sizeof(gid_t));
  int r = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, c.groups.data(), &n);
  if (r != 0 && errno == ERANGE) {
    c.groups.resize(n / sizeof(gid_t));
    r = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, c.groups.data(), &n);
  }
  c.groups.resize(r == 0 ? n / sizeof(gid_t) : 0);
  return c;
}

}  // namespace vds::wire
