// executor.h: one thread's worth of order. What runs on an executor never runs at the same time as anything else on it.
// post() may be called from any thread; everything else, and everything posted, belongs to the executor's own thread.
#pragma once

#include <coroutine>
#include <cstdint>
#include <future>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "rt/task.h"
#include "rt/unique_function.h"

namespace vds::rt {

class executor {
 public:
  using work = unique_function<void()>;
  using timer_id = std::uint64_t;  // 0 is never a timer

  virtual ~executor() = default;

  virtual void post(work w) = 0;            // any thread; runs later, in the order posted (tests may permute)
  virtual bool on_this_thread() const = 0;  // any thread
  virtual clock_source& clock() = 0;

  // Own thread only. The work runs once at or after `when`, unless cancelled before; cancelling a timer that ran or was
  // cancelled returns false.
  virtual timer_id run_at(monotonic::time_point when, work w) = 0;
  virtual bool cancel_timer(timer_id id) = 0;

  monotonic::time_point now() { return clock().now(); }

  // co_await ex.turn(): let everything queued run first.
  auto turn() {
    struct awaiter {
      executor& ex;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) const {
        ex.post([h] { h.resume(); });
      }
      void await_resume() const noexcept {}
    };
    return awaiter{*this};
  }
  // co_await ex.sleep_until(t), ex.sleep_for(d): own thread only.
  auto sleep_until(monotonic::time_point when) {
    struct awaiter {
      executor& ex;
      monotonic::time_point when;
      bool await_ready() const { return ex.now() >= when; }
      void await_suspend(std::coroutine_handle<> h) const {
        ex.run_at(when, [h] { h.resume(); });
      }
      void await_resume() const noexcept {}
    };
    return awaiter{*this, when};
  }
  auto sleep_for(monotonic::duration d) { return sleep_until(now() + d); }
};

// Runs make() , a callable that returns a task, on `there`; the caller, a coroutine on `here`, goes on there afterwards
// with a copy of the value. The callable and the task live until then.
template <class Make>
auto run_on(executor& here, executor& there, Make make) -> std::invoke_result_t<Make&> {
  using Task = std::invoke_result_t<Make&>;
  if (there.on_this_thread()) co_return co_await make();
  struct hop {
    executor& to;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const {
      to.post([h] { h.resume(); });
    }
    void await_resume() const noexcept {}
  };
  co_await hop{there};
  if constexpr (std::is_same_v<Task, task<void>>) {
    co_await make();
    co_await hop{here};
  } else {
    auto value = co_await make();
    co_await hop{here};
    co_return value;
  }
}

// For threads that are no executor (COM callers, main): blocks until the task has run on `there`. A deadlock if called
// from there itself, which is asserted.
template <class Make>
auto block_on(executor& there, Make make) {
  using Task = std::invoke_result_t<Make&>;
  using T = decltype(std::declval<typename Task::awaiter>().await_resume());
  always(!there.on_this_thread());
  std::promise<T> promise;
  auto future = promise.get_future();
  there.post([&make, &promise] {
    start([](Make& m, std::promise<T>& p) -> task<void> {
      if constexpr (std::is_void_v<T>) {
        co_await m();
        p.set_value();
      } else {
        p.set_value(co_await m());
      }
    }(make, promise));
  });
  return future.get();
}

}  // namespace vds::rt
