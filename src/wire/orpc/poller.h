// poller.h: readiness, posted work and timers for a few threads. Every descriptor is armed for one event at a time
// (EPOLLONESHOT) and disarmed again by whoever reads it, so that a caller waiting for its answer can take the reading
// over from the pool without waking anybody (docs/protocol.md, "Latency"). That is what Asio's always armed, edge
// triggered reactor cannot do, and why this small one stands here.
// Any thread may call anything; handlers are held weakly and may run on several pool threads at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "rt/unique_function.h"

namespace vds::wire {

class poll_handler {
 public:
  virtual ~poll_handler() = default;
  virtual void on_ready(std::uint32_t events) = 0;  // the descriptor is disarmed
};

class poller {
 public:
  using task = rt::unique_function<void()>;

  explicit poller(unsigned threads);
  ~poller();  // stops and joins; tasks not begun are dropped

  // The descriptor stays the handler's; it begins disarmed. The key goes to arm() and remove().
  std::uint64_t add(int fd, std::weak_ptr<poll_handler> handler);
  void arm(int fd, std::uint64_t key, std::uint32_t events) noexcept;
  void remove(int fd, std::uint64_t key) noexcept;

  void post(task work);
  std::uint64_t at(deadline when, task work);  // returns a key for cancel()
  void cancel(std::uint64_t timer);

 private:
  void run();
  void run_one_task();
  void run_timers();
  void set_timer();  // timers_mutex_ held

  unique_fd epoll_;
  unique_fd wake_;
  unique_fd timer_;
  std::mutex handlers_mutex_;
  std::unordered_map<std::uint64_t, std::weak_ptr<poll_handler>> handlers_;
  std::uint64_t next_key_;
  std::mutex tasks_mutex_;
  std::deque<task> tasks_;
  std::mutex timers_mutex_;
  std::map<std::pair<deadline, std::uint64_t>, task> timers_;
  std::unordered_map<std::uint64_t, deadline> timer_times_;
  std::uint64_t next_timer_ = 1;
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vds::wire
