// timer.h: one thread that runs short pieces of work at a time. For what must happen later without anybody's thread
// waiting: time-outs of parked readers, announcements, polls. Work must not block: what may is handed to a gate.
// Any thread may schedule; destruction drops what is not due and waits for what runs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace vds::service {

class timer {
 public:
  using id = std::uint64_t;

  timer() : thread_([this] { run(); }) {}
  ~timer() { stop(); }
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  id at(deadline when, std::function<void()> work);
  id after(monotonic::duration delay, std::function<void()> work) {
    return at(monotonic::now() + delay, std::move(work));
  }
  // False when it ran, runs, or was cancelled.
  bool cancel(id which);
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<deadline, id>, std::function<void()>> due_;
  std::map<id, deadline> when_;
  id next_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace vds::service
