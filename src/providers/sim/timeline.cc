#include "providers/sim/timeline.h"

#include <utility>

namespace vds::sim {

timeline::timeline() : thread_([this] { run(); }) {}

timeline::~timeline() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void timeline::after(std::chrono::milliseconds delay, std::function<void()> what) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace(std::chrono::steady_clock::now() + delay, std::move(what));
  changed_.notify_all();
}

void timeline::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = waiting_.begin();
    if (const auto when = first->first; std::chrono::steady_clock::now() < when) {
      changed_.wait_until(lock, when);
      continue;
    }
    auto what = std::move(first->second);
    waiting_.erase(first);
    lock.unlock();
    what();
    what = nullptr;  // what it holds goes without the lock
    lock.lock();
  }
}

}  // namespace vds::sim
