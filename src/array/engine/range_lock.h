// range_lock.h: writers of overlapping byte ranges take turns, first come, first served; others do not meet. So two
// overlapping writes reach all plexes of a mirror in one order, and a copy between plexes meets no write.
// One executor.
#pragma once

#include <coroutine>
#include <cstdint>
#include <list>
#include <utility>

#include "rt/executor.h"

namespace vds::array::engine {

class range_lock {
  struct entry {
    std::uint64_t from, to;
    bool active;
    std::coroutine_handle<> waiter;
  };

 public:
  explicit range_lock(rt::executor& ex) : executor_(ex) {}

  class [[nodiscard]] held {
   public:
    held(range_lock& l, std::list<entry>::iterator at) : lock_(&l), at_(at) {}
    held(held&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)), at_(other.at_) {}
    held& operator=(held&&) = delete;
    ~held() {
      if (lock_ != nullptr) lock_->release(at_);
    }

   private:
    range_lock* lock_;
    std::list<entry>::iterator at_;
  };

  auto take(std::uint64_t from, std::uint64_t bytes) {
    struct awaiter {
      range_lock& lock;
      std::list<entry>::iterator at;
      bool await_ready() const noexcept { return at->active; }
      void await_suspend(std::coroutine_handle<> h) const noexcept { at->waiter = h; }
      held await_resume() const noexcept { return held(lock, at); }
    };
    const auto at = entries_.insert(entries_.end(), entry{from, from + bytes, false, {}});
    at->active = free_before(at);
    return awaiter{*this, at};
  }
  bool idle() const { return entries_.empty(); }

 private:
  bool free_before(std::list<entry>::iterator at) {
    for (auto it = entries_.begin(); it != at; ++it)
      if (it->from < at->to && at->from < it->to) return false;
    return true;
  }
  void release(std::list<entry>::iterator at) {
    auto next = entries_.erase(at);
    for (; next != entries_.end(); ++next) {
      if (next->active || !free_before(next)) continue;
      next->active = true;
      if (auto h = std::exchange(next->waiter, {})) executor_.post([h] { h.resume(); });
    }
  }
  rt::executor& executor_;
  std::list<entry> entries_;  // in order of arrival
};

}  // namespace vds::array::engine
