// task.h: a coroutine that yields one value. Lazy: nothing runs before somebody awaits it; the awaiter goes on when it
// ends. Awaited exactly once, by one coroutine, on one executor. A task owns its frame;
// destroying an unfinished, started task is a bug of its owner (use a gate and wait).
// Pitfall kept out by habit: a coroutine lambda must take what it needs as arguments; its captures may die first.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "rt/frame_pool.h"

namespace vds::rt {

template <class T>
class task;

namespace detail {

// Awaiter and task meet at `met`: whoever comes second continues the awaiter. A task that ends before its awaiter has
// suspended lets it go straight on, so a loop over such tasks uses no stack. (Symmetric transfer would do, too, but g++
// makes no tail call under AddressSanitizer.) Atomic, because a task may end on another thread (run_on).
struct promise_base : pooled_frame {
  std::coroutine_handle<> awaiter{};
  std::atomic<bool> met{false};
  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      promise_base& p = self.promise();
      if (p.met.exchange(true, std::memory_order_acq_rel)) p.awaiter.resume();
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  final_awaiter final_suspend() const noexcept { return {}; }
  // Nothing below the COM edge throws across a task; what does is a bug (or memory is gone), and ends the process.
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct promise : promise_base {
  std::optional<T> value;
  task<T> get_return_object() noexcept;
  template <class U>
  requires std::is_constructible_v<T, U&&>
  void return_value(U&& u) { value.emplace(std::forward<U>(u)); }
  T take() { return std::move(*value); }
};

template <>
struct promise<void> : promise_base {
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] task {
 public:
  using promise_type = detail::promise<T>;
  using handle = std::coroutine_handle<promise_type>;

  task() = default;
  explicit task(handle h) noexcept : handle_(h) {}
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  struct awaiter {
    handle h;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> caller) const noexcept {
      auto& p = h.promise();  // the frame lives until await_resume, whatever the task does meanwhile
      p.awaiter = caller;
      h.resume();
      return !p.met.exchange(true, std::memory_order_acq_rel);
    }
    T await_resume() const { return h.promise().take(); }
  };
  awaiter operator co_await() && noexcept {
    always(handle_);
    return {handle_};
  }

 private:
  handle handle_{};
};

template <class T>
task<T> detail::promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}
inline task<void> detail::promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<promise<void>>::from_promise(*this));
}

// Starts a task now, on this thread, with nobody awaiting it. The frame frees itself at the end. Whoever may outlive
// what the task touches holds a gate inside it (sync.h).
struct detached {
  struct promise_type : pooled_frame {
    detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};
inline detached start(task<void> t) { co_await std::move(t); }

}  // namespace vds::rt
