// runtime.h: the threads behind all endpoints and servers of a process. Create it first, destroy it last, never from
// one of its own threads. Any thread may use it.
#pragma once

#include <memory>

#include "rt/unique_function.h"

namespace vds::wire {

class poller;
class worker_pool;

class runtime {
 public:
  explicit runtime(unsigned threads);
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  void post(rt::unique_function<void()> work);  // runs on an I/O thread; must not block for long
  poller& io() noexcept { return *io_; }
  worker_pool& blocking() noexcept { return *blocking_; }  // for calls that may block

 private:
  std::unique_ptr<worker_pool> blocking_;  // outlives the poller's threads
  std::unique_ptr<poller> io_;
};

}  // namespace vds::wire
