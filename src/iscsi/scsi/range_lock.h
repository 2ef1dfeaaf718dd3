// range_lock.h: who may touch which blocks at the same time. The device promises nothing about overlapping requests in
// flight together, so writers of a block exclude each other and its readers; grants are in order of asking, and each
// block of two overlapping writes holds the later one's data. COMPARE AND WRITE is atomic by it.
// Thread: one executor. Linear in the locks held, which the queue depths of the sessions bound.
#pragma once

#include <coroutine>
#include <cstddef>

#include "base/units.h"
#include "rt/executor.h"

namespace vds::iscsi {

class range_lock {
 public:
  explicit range_lock(rt::executor& ex) : executor_(ex) {}
  ~range_lock() { always(first_ == nullptr); }

  // Whether held would be granted at once.
  bool is_free(lba at, block_count count, bool exclusive) const noexcept;

  // Use: range_lock::held h(lock, at, count, exclusive); co_await h;   ... released by the destructor.
  class held {
    friend class range_lock;

   public:
    held(range_lock& lock, lba at, block_count count, bool exclusive) noexcept;
    held(const held&) = delete;
    ~held();

    bool await_ready() const noexcept { return blockers_ == 0; }
    void await_suspend(std::coroutine_handle<> h) noexcept { waiter_ = h; }
    void await_resume() const noexcept {}

   private:
    bool conflicts(std::uint64_t first, std::uint64_t end, bool exclusive) const noexcept {
      return (exclusive_ || exclusive) && first_block_ < end && first < end_;
    }
    bool conflicts(const held& other) const noexcept {
      return conflicts(other.first_block_, other.end_, other.exclusive_);
    }
    range_lock& lock_;
    std::uint64_t first_block_, end_;
    bool exclusive_;
    std::size_t blockers_ = 0;
    std::coroutine_handle<> waiter_{};
    held *next_ = nullptr, *previous_ = nullptr;
  };

 private:
  rt::executor& executor_;
  held* first_ = nullptr;
  held* last_ = nullptr;
};

}  // namespace vds::iscsi
