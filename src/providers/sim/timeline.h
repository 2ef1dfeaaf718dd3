// timeline.h: what is to happen later, on one thread. What is still waiting when the timeline ends is dropped, not run.
// Any thread may add.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace vds::sim {

class timeline {
 public:
  timeline();
  ~timeline();
  timeline(const timeline&) = delete;
  timeline& operator=(const timeline&) = delete;

  void after(std::chrono::milliseconds delay, std::function<void()> what);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace vds::sim
