// reactor.h: the executor of production: one thread, one io_uring. What coroutines submit while the reactor works
// through a batch of completions goes to the kernel in one call together with the next wait, so batches grow with the
// load and a lone request waits for nobody. Idle means asleep in the kernel; post() from another thread wakes it by an
// eventfd, and only if it sleeps. While work keeps coming soon after it went to sleep, it looks for some for a moment
// first (options.spin): being woken costs more than that. Each time in vain it leaves that out for longer.
// Lifetime: devices, streams and listeners on it must be gone, or closed with nothing in flight, before it is
// destroyed. stop() cancels what is in flight; run() returns when the kernel has given everything back and nothing is
// ready. Work posted after that never runs.
// Thread: create() anywhere; run() once, on the thread that becomes the reactor's; post(), stop() from any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "rt/executor.h"

struct io_uring;
struct io_uring_sqe;

namespace vds::io {

// One request to the kernel. It lives, with every buffer it names, until its completion is taken: normally inside a
// coroutine frame (operation.h) or a stream.
struct operation {
  enum class stage : std::uint8_t { idle, deferred, in_kernel };
  void (*prepare)(void* request, io_uring_sqe*) = nullptr;
  void* request = nullptr;  // what prepare is called with
  std::coroutine_handle<> waiter{};
  int result = 0;  // as in the completion: >= 0, or a negative errno
  stage where = stage::idle;
  bool cancel_wanted = false;
  operation* next = nullptr;  // every operation of a reactor that is not idle
  operation* previous = nullptr;
};

struct reactor_options {
  unsigned entries = 512;
  std::chrono::microseconds spin{50};  // at most, before each sleep; 0: never
};

class reactor final : public rt::executor, private clock_source {
 public:
  static result<std::unique_ptr<reactor>> create(reactor_options options = {});
  ~reactor() override;
  reactor(const reactor&) = delete;

  void run();
  void stop();  // any thread, any number of times

  void post(work w) override;
  bool on_this_thread() const override;
  clock_source& clock() override { return *this; }
  monotonic::time_point now() override { return monotonic::now(); }
  timer_id run_at(monotonic::time_point when, work w) override;
  bool cancel_timer(timer_id id) override;

  // For operation.h. submit: the waiter resumes when the kernel is done; false: `result` is there already.
  bool submit(operation& op);
  // Asks the kernel to end it; the waiter resumes with -ECANCELED, or with what came first. Nothing if idle.
  void cancel(operation& op);

  struct counters {
    std::uint64_t enters = 0, completions = 0, wakeups = 0, spins = 0, spins_in_vain = 0;
  };
  counters count() const { return counters_; }  // own thread

 private:
  reactor(std::unique_ptr<io_uring> ring, unique_fd wake, monotonic::duration spin);

  std::chrono::system_clock::time_point wall() override { return std::chrono::system_clock::now(); }

  io_uring_sqe* next_entry();
  void hand_over(operation& op, io_uring_sqe* entry);
  void complete(operation& op, int result);
  void send_cancel(operation& op, io_uring_sqe* entry);
  void retry_deferred();
  void arm_wake();
  void wake();
  void take_inbox();
  void run_ready();
  void fire_timers();
  void begin_stopping();
  void poll();
  void wait();
  bool spin();
  void reap();
  bool drained() const;

  std::unique_ptr<io_uring> ring_;
  unique_fd wake_fd_;
  std::uint64_t wake_value_ = 0;
  bool wake_armed_ = false;
  bool stopping_ = false;
  bool ran_ = false;

  std::vector<work> ready_;
  std::vector<work> running_;  // the batch being run; kept for its memory
  struct timers;
  std::unique_ptr<timers> timers_;
  operation live_;                    // head of the ring of operations that are not idle
  std::vector<operation*> deferred_;  // no room in the submission queue
  std::vector<operation*> cancels_;   // the same for cancellations
  counters counters_;

  const monotonic::duration spin_;
  bool worth_spinning_ = false;  // the last sleep was a short one
  unsigned in_vain_ = 0;         // how much longer than needed we spun lately: doubles the sleeps until the next
  unsigned sleeps_to_go_ = 0;    // before it is tried again

  std::mutex inbox_mutex_;
  std::vector<work> inbox_;                // guarded by inbox_mutex_
  std::atomic<bool> inbox_filled_{false};  // a hint for spin(), which does not take the mutex
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stop_requested_{false};
};

// A reactor and the thread that runs it. Destroying it stops the reactor and joins the thread.
class reactor_thread {
 public:
  static result<std::unique_ptr<reactor_thread>> start(std::string name, reactor_options options = {});
  ~reactor_thread();
  io::reactor& reactor() { return *reactor_; }

 private:
  reactor_thread(std::unique_ptr<io::reactor> r, std::string name);
  std::unique_ptr<io::reactor> reactor_;
  std::thread thread_;
};

}  // namespace vds::io
