// work_pool.h: threads that come with work and go without it, up to a limit. Each provider has one (its gate): every
// call that may wait for the provider runs there, so that a provider that hangs uses up its own threads and nobody
// else's. Any thread. close() refuses new work, runs what is queued and waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "com/local.h"

namespace vds::service {

class work_pool final : public com_work_queue {
 public:
  struct limits {
    std::size_t threads = 64;
    std::size_t queued = 4096;                           // clients' calls waiting for a thread; more are refused
    monotonic::duration idle = std::chrono::seconds(5);  // after which a thread without work ends
  };
  work_pool(std::string name, limits l) : name_(std::move(name)), limits_(l) {}
  ~work_pool() override { close(); }

  // A client's call: false when too many wait already.
  bool post(std::function<void()> work) override { return add(std::move(work), limits_.queued); }
  // The service's own work, which follows from calls and is bounded by them: refused only after close().
  bool post_own(std::function<void()> work) { return add(std::move(work), ~std::size_t{0}); }

  void close();
  std::size_t threads() const;

 private:
  bool add(std::function<void()> work, std::size_t most);
  void run();

  const std::string name_;
  const limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable work_, gone_;
  std::deque<std::function<void()>> queue_;
  std::size_t threads_ = 0, idle_ = 0;
  bool closing_ = false;
};

}  // namespace vds::service
