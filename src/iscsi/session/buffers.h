// buffers.h: memory for the data of commands: aligned, pooled per executor, and budgeted per connection, so that a peer
// can make us hold no more than its budget. A buffer gives both back when it dies.
// Thread: one executor.
#pragma once

#include <array>
#include <coroutine>
#include <deque>
#include <vector>

#include "io/aligned_buffer.h"
#include "rt/executor.h"

namespace vds::iscsi {

class buffer_pool {
 public:
  io::aligned_buffer take(std::size_t size);  // at least size bytes; content is anything
  void give(io::aligned_buffer b);

 private:
  static constexpr std::size_t smallest = 4096, classes = 12;  // 4 KiB to 8 MiB
  static constexpr std::size_t kept_bytes = 8u << 20;          // of each class
  static std::size_t class_of(std::size_t size);
  std::array<std::vector<io::aligned_buffer>, classes> free_;
};

// Bytes, first come first served.
class byte_budget {
 public:
  byte_budget(rt::executor& ex, std::size_t bytes) : executor_(ex), left_(bytes), whole_(bytes) {}

  bool try_take(std::size_t bytes) noexcept {
    if (!waiters_.empty() || bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  // bytes: at most the whole budget.
  auto take(std::size_t bytes) noexcept {
    struct awaiter {
      byte_budget& b;
      std::size_t bytes;
      bool await_ready() const noexcept { return b.try_take(bytes); }
      void await_suspend(std::coroutine_handle<> h) const { b.waiters_.push_back({bytes, h}); }
      void await_resume() const noexcept {}
    };
    always(bytes <= whole_);
    return awaiter{*this, bytes};
  }
  void give(std::size_t bytes);

 private:
  struct waiter {
    std::size_t bytes;
    std::coroutine_handle<> handle;
  };
  rt::executor& executor_;
  std::size_t left_, whole_;
  std::deque<waiter> waiters_;
};

// Move-only; empty by default.
class data_buffer {
 public:
  data_buffer() = default;
  // budgeted: bytes that were taken from the budget for it (0: none).
  data_buffer(buffer_pool& pool, std::size_t size, byte_budget* budget, std::size_t budgeted)
      : memory_(pool.take(size)), size_(size), pool_(&pool), budget_(budget), budgeted_(budgeted) {}
  data_buffer(data_buffer&& other) noexcept { *this = std::move(other); }
  data_buffer& operator=(data_buffer&& other) noexcept;
  ~data_buffer() { release(); }

  std::span<std::byte> span() noexcept { return {memory_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }
  void release();

 private:
  io::aligned_buffer memory_;
  std::size_t size_ = 0;
  buffer_pool* pool_ = nullptr;
  byte_budget* budget_ = nullptr;
  std::size_t budgeted_ = 0;
};

}  // namespace vds::iscsi
