// memory_stream.h: streams and listeners in memory, for tests: two ends, a bounded buffer each way (a full one makes
// write_all wait, as TCP does), close() from either end, and counters. Everything on one executor.
// Invariant: bytes arrive in order; what was written before a close() can still be read, then the stream has ended.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/stream.h"

namespace vds::io {

class memory_stream final : public stream {
 public:
  using pair = std::pair<std::unique_ptr<memory_stream>, std::unique_ptr<memory_stream>>;

  // `capacity`: bytes under way in each direction. names: what each end is called.
  static pair make_pair(rt::executor& ex, std::size_t capacity = 256 * 1024, std::string first = "memory:1",
                        std::string second = "memory:2") {
    auto a = std::make_shared<pipe>(capacity), b = std::make_shared<pipe>(capacity);
    return {std::unique_ptr<memory_stream>(new memory_stream(ex, a, b, second, first)),
            std::unique_ptr<memory_stream>(new memory_stream(ex, b, a, first, second))};
  }
  ~memory_stream() override { close(); }

  rt::executor& executor() override { return executor_; }
  std::string peer_name() const override { return peer_; }
  std::string local_name() const override { return local_; }

  rt::task<result<std::size_t>> read_some(buffer into) override {
    pipe& p = *in_;
    const auto keep = in_;
    while (p.bytes.empty()) {
      if (closed_) co_return errc::disconnected;
      if (p.ended) co_return std::size_t{0};
      co_await parked{p.reader};
    }
    if (closed_) co_return errc::disconnected;
    const std::size_t n = std::min({into.size(), p.bytes.size(), max_read});
    std::copy_n(p.bytes.begin(), n, into.begin());
    p.bytes.erase(p.bytes.begin(), p.bytes.begin() + static_cast<std::ptrdiff_t>(n));
    wake(p.writer);
    co_return n;
  }

  std::size_t take_what_is_there(buffer into) override {
    pipe& p = *in_;
    if (closed_) return 0;
    const std::size_t n = std::min({into.size(), p.bytes.size(), max_read});
    std::copy_n(p.bytes.begin(), n, into.begin());
    p.bytes.erase(p.bytes.begin(), p.bytes.begin() + static_cast<std::ptrdiff_t>(n));
    if (n != 0) wake(p.writer);
    return n;
  }

  rt::task<status> write_all(const_buffers from) override {
    pipe& p = *out_;
    const auto keep = out_;
    for (const_buffer piece : from) {
      while (!piece.empty()) {
        if (closed_ || p.ended) co_return errc::disconnected;
        const std::size_t n = std::min(piece.size(), p.capacity - p.bytes.size());
        if (n == 0) {
          co_await parked{p.writer};
          continue;
        }
        p.bytes.insert(p.bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(n));
        piece = piece.subspan(n);
        wake(p.reader);
      }
    }
    co_return status();
  }

  // Both directions; what the peer has not read yet it still can.
  void close() override {
    if (closed_) return;
    closed_ = true;
    for (const auto& p : {in_, out_}) {
      p->ended = true;
      wake(p->reader);
      wake(p->writer);
    }
  }

  std::size_t max_read = 1u << 30;  // a stream may return less than it has: 1 finds out who relies on more
  std::size_t unread() const noexcept { return out_->bytes.size(); }  // what the peer has not taken yet

 private:
  struct pipe {
    explicit pipe(std::size_t c) : capacity(c) {}
    std::size_t capacity;
    std::deque<std::byte> bytes;
    bool ended = false;
    std::coroutine_handle<> reader{}, writer{};
  };
  struct parked {
    std::coroutine_handle<>& at;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const noexcept { at = h; }
    void await_resume() const noexcept {}
  };

  memory_stream(rt::executor& ex, std::shared_ptr<pipe> in, std::shared_ptr<pipe> out, std::string peer,
                std::string local)
      : executor_(ex), in_(std::move(in)), out_(std::move(out)), peer_(std::move(peer)), local_(std::move(local)) {}
  void wake(std::coroutine_handle<>& who) {
    if (auto h = std::exchange(who, {})) executor_.post([h] { h.resume(); });
  }

  rt::executor& executor_;
  std::shared_ptr<pipe> in_, out_;
  std::string peer_, local_;
  bool closed_ = false;
};

class memory_listener final : public listener {
 public:
  memory_listener(rt::executor& ex, std::string name) : executor_(ex), name_(std::move(name)) {}

  // A client's end; the other waits to be accepted. `from` is its address.
  std::unique_ptr<memory_stream> connect(std::string from, std::size_t capacity = 256 * 1024) {
    auto both = memory_stream::make_pair(executor_, capacity, std::move(from), name_);
    waiting_.push_back(std::move(both.second));
    wake();
    return std::move(both.first);
  }

  std::string local_name() const override { return name_; }
  rt::task<result<std::unique_ptr<stream>>> accept() override {
    while (waiting_.empty()) {
      if (closed_) co_return errc::closing;
      struct parked {
        std::coroutine_handle<>& at;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) const noexcept { at = h; }
        void await_resume() const noexcept {}
      };
      co_await parked{acceptor_};
    }
    std::unique_ptr<stream> s = std::move(waiting_.front());
    waiting_.pop_front();
    co_return s;
  }
  void close() override {
    closed_ = true;
    wake();
  }

 private:
  void wake() {
    if (auto h = std::exchange(acceptor_, {})) executor_.post([h] { h.resume(); });
  }
  rt::executor& executor_;
  std::string name_;
  bool closed_ = false;
  std::deque<std::unique_ptr<stream>> waiting_;
  std::coroutine_handle<> acceptor_{};
};

}  // namespace vds::io
