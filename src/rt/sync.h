// sync.h: waiting between coroutines of one executor. None of these is thread-safe; none blocks a thread.
// event: set once or many times, everyone waiting goes on. mutex: FIFO. semaphore: FIFO units. gate: close() lets
// nobody new in and waits for the holders. when_all: several tasks at once.
// Waiters are resumed through the executor and not inside set()/unlock(), so that the caller's state stays consistent.
#pragma once

#include <utility>
#include <vector>

#include "base/result.h"
#include "rt/executor.h"

namespace vds::rt {

class event {
 public:
  explicit event(executor& ex) : executor_(ex) {}
  bool is_set() const noexcept { return set_; }
  void set() {
    set_ = true;
    for (auto h : std::exchange(waiters_, {})) executor_.post([h] { h.resume(); });
  }
  void reset() noexcept { set_ = false; }
  auto operator co_await() noexcept {
    struct awaiter {
      event& e;
      bool await_ready() const noexcept { return e.set_; }
      void await_suspend(std::coroutine_handle<> h) const { e.waiters_.push_back(h); }
      void await_resume() const noexcept {}
    };
    return awaiter{*this};
  }

 private:
  executor& executor_;
  bool set_ = false;
  std::vector<std::coroutine_handle<>> waiters_;
};

class semaphore {
 public:
  semaphore(executor& ex, std::size_t units) : executor_(ex), units_(units) {}

  class [[nodiscard]] held {
   public:
    held() = default;
    explicit held(semaphore* s) noexcept : semaphore_(s) {}
    held(held&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
    held& operator=(held&& other) noexcept {
      if (this != &other) {
        release();
        semaphore_ = std::exchange(other.semaphore_, nullptr);
      }
      return *this;
    }
    ~held() { release(); }
    void release() {
      if (semaphore_ != nullptr) std::exchange(semaphore_, nullptr)->put();
    }

   private:
    semaphore* semaphore_ = nullptr;
  };

  // co_await s.take(): a unit, returned when the result dies.
  auto take() noexcept {
    struct awaiter : waiter {
      semaphore& s;
      explicit awaiter(semaphore& of) noexcept : s(of) {}
      bool await_ready() const noexcept {
        if (s.units_ == 0) return false;
        --s.units_;
        return true;
      }
      void await_suspend(std::coroutine_handle<> h) noexcept {
        this->handle = h;
        (s.first_ == nullptr ? s.first_ : s.last_->next) = this;
        s.last_ = this;
      }
      held await_resume() const noexcept { return held(&s); }
    };
    return awaiter(*this);
  }

 private:
  struct waiter {  // in the frame of the coroutine that waits: there are many semaphores, and few are waited for
    std::coroutine_handle<> handle{};
    waiter* next = nullptr;
  };

  void put() {
    if (first_ == nullptr) {
      ++units_;
      return;
    }
    const auto h = first_->handle;  // the unit goes straight to it
    first_ = first_->next;
    executor_.post([h] { h.resume(); });
  }

  executor& executor_;
  std::size_t units_;  // 0 while somebody waits
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

class mutex : public semaphore {
 public:
  explicit mutex(executor& ex) : semaphore(ex, 1) {}
};

class gate {
 public:
  explicit gate(executor& ex) : empty_(ex) {}
  ~gate() { always(holders_ == 0); }

  class [[nodiscard]] held {
   public:
    held() = default;
    explicit held(gate* g) noexcept : gate_(g) {}
    held(held&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    held& operator=(held&&) = delete;
    ~held() {
      if (gate_ != nullptr) gate_->leave();
    }
    explicit operator bool() const noexcept { return gate_ != nullptr; }  // false: the gate is closing

   private:
    gate* gate_ = nullptr;
  };

  held hold() noexcept {
    if (closing_) return {};
    ++holders_;
    return held(this);
  }
  bool closing() const noexcept { return closing_; }
  task<void> close() {
    closing_ = true;
    if (holders_ == 0) empty_.set();
    co_await empty_;
  }

 private:
  void leave() {
    if (--holders_ == 0 && closing_) empty_.set();
  }
  std::size_t holders_ = 0;
  bool closing_ = false;
  event empty_;
};

// Runs all at once on this executor and returns their values in order. An empty list ends at once.
template <class T>
task<std::vector<T>> when_all(std::vector<task<T>> tasks) {
  struct state {
    std::vector<std::optional<T>> values;
    std::size_t left;
    std::coroutine_handle<> awaiter{};
  } s{std::vector<std::optional<T>>(tasks.size()), tasks.size() + 1};
  struct all_awaiter {
    state& s;
    std::vector<task<T>>& tasks;
    bool await_ready() const noexcept { return tasks.empty(); }
    bool await_suspend(std::coroutine_handle<> h) const {
      s.awaiter = h;
      for (std::size_t i = 0; i < tasks.size(); ++i) {
        start([](state& st, task<T> t, std::size_t at) -> task<void> {
          st.values[at].emplace(co_await std::move(t));
          if (--st.left == 0) st.awaiter.resume();
        }(s, std::move(tasks[i]), i));
      }
      return --s.left != 0;  // all ended already: go straight on
    }
    void await_resume() const noexcept {}
  };
  co_await all_awaiter{s, tasks};
  std::vector<T> out;
  out.reserve(s.values.size());
  for (auto& v : s.values) out.push_back(std::move(*v));
  co_return out;
}

}  // namespace vds::rt
