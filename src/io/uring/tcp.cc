#include "io/uring/tcp.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <climits>
#include <thread>
#include <vector>

#include "base/log.h"
#include "io/uring/address.h"
#include "io/uring/operation.h"

namespace vds::io {

namespace {

using name_function = int (*)(int, sockaddr*, socklen_t*);

std::string name_of(int fd, name_function which) {
  socket_address a;
  a.length = sizeof a.storage;
  if (which(fd, reinterpret_cast<sockaddr*>(&a.storage), &a.length) != 0) return "unknown";
  return to_string(a);
}

failure stream_failure(int error, bool closed, std::string_view doing) {
  if (closed || error == ECANCELED) return {errc::disconnected, fmt::format("{}: closed here", doing)};
  auto f = failure_from_errno(error, doing);
  // Whatever the network says (no route, keepalive timeout, ...), the peer is gone for good.
  return {errc::disconnected, f.message()};
}

class tcp_stream final : public stream {
 public:
  tcp_stream(reactor& r, unique_fd fd) : reactor_(r), fd_(std::move(fd)) {
    const int on = 1;  // a unix socket refuses; no harm
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    peer_ = name_of(fd_.get(), ::getpeername);
    local_ = name_of(fd_.get(), ::getsockname);
  }
  ~tcp_stream() override { always(read_.where == operation::stage::idle && write_.where == operation::stage::idle); }

  rt::executor& executor() override { return reactor_; }
  std::string peer_name() const override { return peer_; }
  std::string local_name() const override { return local_; }

  rt::task<result<std::size_t>> read_some(buffer into) override {
    if (closed_) co_return stream_failure(ECANCELED, true, "reading");
    if (into.empty()) co_return std::size_t{0};
    for (;;) {
      const int n = co_await request(
          reactor_, read_, [&](io_uring_sqe* e) { io_uring_prep_recv(e, fd_.get(), into.data(), into.size(), 0); });
      if (n == -EINTR || n == -EAGAIN) continue;
      // The end of stream that our own shutdown makes is no end by the peer.
      if (n < 0 || closed_) co_return stream_failure(n < 0 ? -n : 0, closed_, "reading from " + peer_);
      co_return static_cast<std::size_t>(n);
    }
  }

  std::size_t take_what_is_there(buffer into) override {
    if (closed_ || into.empty()) return 0;
    const ssize_t n = ::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
    return n > 0 ? static_cast<std::size_t>(n) : 0;  // whatever else it is, read_some() meets it again
  }

  rt::task<status> write_all(const_buffers from) override {
    if (closed_) co_return stream_failure(ECANCELED, true, "writing");
    always(!writing_);
    writing_ = true;
    auto done = co_await write_pieces(from);
    writing_ = false;
    co_return done;
  }

  void close() override {
    if (closed_) return;
    closed_ = true;
    // Shutting down ends both directions at the peer and wakes whatever waits; the cancellations are for a request
    // that is between our queue and the socket.
    ::shutdown(fd_.get(), SHUT_RDWR);
    reactor_.cancel(read_);
    reactor_.cancel(write_);
  }

 private:
  rt::task<status> write_pieces(const_buffers from) {
    std::size_t next = 0;  // first buffer not yet in pieces_
    pieces_.clear();
    std::size_t first = 0;  // first piece not yet sent whole
    for (;;) {
      if (first == pieces_.size()) {
        pieces_.clear();
        first = 0;
        for (; next < from.size() && pieces_.size() < IOV_MAX; ++next) {
          if (from[next].empty()) continue;
          pieces_.push_back({const_cast<std::byte*>(from[next].data()), from[next].size()});
        }
        if (pieces_.empty()) co_return status();
      }
      message_ = {};
      message_.msg_iov = pieces_.data() + first;
      message_.msg_iovlen = pieces_.size() - first;
      const int n = co_await request(reactor_, write_, [&](io_uring_sqe* e) {
        io_uring_prep_sendmsg(e, fd_.get(), &message_, MSG_NOSIGNAL | MSG_WAITALL);
      });
      if (n == -EINTR || n == -EAGAIN) continue;
      if (n < 0 || closed_) co_return stream_failure(n < 0 ? -n : 0, closed_, "writing to " + peer_);
      for (auto sent = static_cast<std::size_t>(n); sent > 0;) {  // a short send goes on where it stopped
        iovec& piece = pieces_[first];
        const std::size_t part = std::min(sent, piece.iov_len);
        piece.iov_base = static_cast<std::byte*>(piece.iov_base) + part;
        piece.iov_len -= part;
        sent -= part;
        if (piece.iov_len == 0) ++first;
      }
    }
  }

  reactor& reactor_;
  unique_fd fd_;
  std::string peer_, local_;
  operation read_, write_;
  std::vector<iovec> pieces_;  // one write at a time
  msghdr message_{};
  bool writing_ = false;
  bool closed_ = false;
};

class tcp_listener final : public listener {
 public:
  tcp_listener(reactor& r, unique_fd fd) : reactor_(r), fd_(std::move(fd)), local_(name_of(fd_.get(), ::getsockname)) {}
  ~tcp_listener() override { always(accept_.where == operation::stage::idle); }

  std::string local_name() const override { return local_; }

  rt::task<result<std::unique_ptr<stream>>> accept() override {
    while (!closed_) {
      const int fd = co_await request(reactor_, accept_, [&](io_uring_sqe* e) {
        io_uring_prep_accept(e, fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      });
      if (fd >= 0) {
        unique_fd owned(fd);
        if (closed_) break;
        short_of_resources_ = false;
        co_return std::unique_ptr<stream>(std::make_unique<tcp_stream>(reactor_, std::move(owned)));
      }
      if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
        // Out of descriptors or memory: the connection stays in the backlog. Spinning on it would help nobody.
        if (!short_of_resources_)
          log::warn("accepting on {}: {}; trying again", local_, failure_from_errno(-fd, "accept"));
        short_of_resources_ = true;
        co_await reactor_.sleep_for(100ms);
        continue;
      }
      // Listening sockets report what befell a single connection (aborted, unreachable): not our end.
      if (fd == -EBADF || fd == -EINVAL || fd == -ENOTSOCK || fd == -ECANCELED) break;
    }
    co_return failure(errc::closing, fmt::format("accepting on {}", local_));
  }

  void close() override {
    if (closed_) return;
    closed_ = true;
    ::shutdown(fd_.get(), SHUT_RDWR);  // refuses new connections from now on
    reactor_.cancel(accept_);
  }

 private:
  reactor& reactor_;
  unique_fd fd_;
  std::string local_;
  operation accept_;
  bool short_of_resources_ = false;
  bool closed_ = false;
};

result<std::unique_ptr<listener>> listen_once(reactor& r, std::string_view address, listen_options options) {
  const std::string doing = fmt::format("listening on {}", address);
  auto parsed = parse_address(address);
  if (!parsed) return std::move(parsed).error().in(doing);
  unique_fd fd(::socket(parsed->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return failure_from_errno(errno, doing);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // a restart must not wait for TIME_WAIT
  if (options.share_port) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (parsed->family() == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), parsed->get(), parsed->length) != 0) return failure_from_errno(errno, doing);
  if (::listen(fd.get(), 1024) != 0) return failure_from_errno(errno, doing);
  return std::unique_ptr<listener>(std::make_unique<tcp_listener>(r, std::move(fd)));
}

}  // namespace

result<std::unique_ptr<listener>> listen_tcp(reactor& r, std::string_view address, listen_options options) {
  const deadline until = monotonic::now() + options.patience;
  for (bool told = false;;) {
    auto l = listen_once(r, address, options);
    if (l || l.error() != errc::busy || monotonic::now() >= until) return l;
    if (!told) log::info("{}; trying again", l.error());
    told = true;
    std::this_thread::sleep_for(10ms);
  }
}

rt::task<result<std::unique_ptr<stream>>> connect_tcp(reactor& r, std::string_view address) {
  const std::string doing = fmt::format("connecting to {}", address);
  auto parsed = parse_address(address);
  if (!parsed) co_return std::move(parsed).error().in(doing);
  const socket_address to = *parsed;
  unique_fd fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) co_return failure_from_errno(errno, doing);
  const int n = co_await request(r, [&](io_uring_sqe* e) { io_uring_prep_connect(e, fd.get(), to.get(), to.length); });
  if (n < 0) co_return failure_from_errno(-n, doing);
  co_return std::unique_ptr<stream>(std::make_unique<tcp_stream>(r, std::move(fd)));
}

std::unique_ptr<stream> adopt_socket(reactor& r, unique_fd connected) {
  return std::make_unique<tcp_stream>(r, std::move(connected));
}

}  // namespace vds::io
