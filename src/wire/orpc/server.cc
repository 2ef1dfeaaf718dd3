#include "wire/orpc/server.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <atomic>
#include <mutex>
#include <unordered_set>

#include "base/log.h"
#include "wire/orpc/connection.h"

namespace vds::wire {

namespace {

class unix_server final : public server, public poll_handler, public std::enable_shared_from_this<unix_server> {
 public:
  unix_server(runtime& rt, server_options options, unique_fd listener)
      : runtime_(rt), options_(std::move(options)), listener_(std::move(listener)) {}

  void start() {
    ::fcntl(listener_.get(), F_SETFL, ::fcntl(listener_.get(), F_GETFL) | O_NONBLOCK);
    key_ = runtime_.io().add(listener_.get(), weak_from_this());
    runtime_.io().arm(listener_.get(), key_, EPOLLIN);
  }

  void stop() {
    std::unordered_set<std::shared_ptr<connection>> all;
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
      all.swap(connections_);
    }
    runtime_.io().remove(listener_.get(), key_);
    ::unlink(options_.path.c_str());
    for (const auto& c : all) c->close();
  }

  std::size_t connection_count() const override {
    std::lock_guard lock(mutex_);
    return connections_.size();
  }

 private:
  void on_ready(std::uint32_t) override {
    for (;;) {
      auto fd = accept_unix_socket(listener_.get());
      if (!fd) {
        if (fd.error() != errc::busy) log::warn("{}", fd.error());
        break;
      }
      welcome(std::move(*fd));
    }
    runtime_.io().arm(listener_.get(), key_, EPOLLIN);
  }

  void welcome(unique_fd fd) {
    auto c = std::make_shared<connection>(runtime_, std::move(fd), options_.endpoints);
    {
      std::lock_guard lock(mutex_);
      if (stopped_) return;
      if (connections_.size() >= options_.connections) {
        log::warn("refusing a connection of uid {}: there are {} already", c->peer().uid, connections_.size());
        return;
      }
      connections_.insert(c);
    }
    endpoint& as_endpoint = *c;
    as_endpoint.on_closed([self = weak_from_this(), c = std::weak_ptr(c)] {
      const auto server = self.lock();
      const auto gone = c.lock();
      if (!server || !gone) return;
      std::lock_guard lock(server->mutex_);
      server->connections_.erase(gone);
    });
    c->start();
  }

  runtime& runtime_;
  const server_options options_;
  const unique_fd listener_;
  std::atomic<std::uint64_t> key_ = 0;
  mutable std::mutex mutex_;
  bool stopped_ = false;
  std::unordered_set<std::shared_ptr<connection>> connections_;
};

// The poller may hold the listening half a moment longer than the owner does.
class owned_server final : public server {
 public:
  explicit owned_server(std::shared_ptr<unix_server> s) : s_(std::move(s)) {}
  ~owned_server() override { s_->stop(); }
  std::size_t connection_count() const override { return s_->connection_count(); }

 private:
  std::shared_ptr<unix_server> s_;
};

}  // namespace

result<std::unique_ptr<server>> server::listen(runtime& rt, server_options options) {
  auto listener = listen_unix_socket(options.path, options.mode, options.gid);
  if (!listener) return std::move(listener).error();
  auto made = std::make_shared<unix_server>(rt, std::move(options), std::move(*listener));
  made->start();
  return std::unique_ptr<server>(std::make_unique<owned_server>(std::move(made)));
}

result<std::shared_ptr<endpoint>> endpoint::connect_unix(runtime& rt, const std::string& path,
                                                         endpoint_options options) {
  auto fd = connect_unix_socket(path);
  if (!fd) return std::move(fd).error();
  return over(rt, std::move(*fd), std::move(options));
}

std::shared_ptr<endpoint> endpoint::over(runtime& rt, unique_fd connected, endpoint_options options) {
  auto c = std::make_shared<connection>(rt, std::move(connected), std::move(options));
  c->start();
  return c;
}

HRESULT connect_hresult(const failure& why) {
  return why == errc::denied ? E_ACCESSDENIED : HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE);
}

}  // namespace vds::wire
