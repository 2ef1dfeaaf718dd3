#include "service/timer.h"

#include <utility>

namespace vds::service {

timer::id timer::at(deadline when, std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return 0;
  const id which = next_++;
  due_.emplace(std::pair(when, which), std::move(work));
  when_.emplace(which, when);
  changed_.notify_one();
  return which;
}

bool timer::cancel(id which) {
  std::function<void()> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto at = when_.find(which);
  if (at == when_.end()) return false;
  const auto work = due_.find({at->second, which});
  dropped = std::move(work->second);
  due_.erase(work);
  when_.erase(at);
  return true;
}

void timer::stop() {
  decltype(due_) dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(due_);
    when_.clear();
    changed_.notify_one();
  }
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

void timer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = due_.begin();
    if (const deadline when = first->first.first; when > monotonic::now()) {
      changed_.wait_until(lock, when);
      continue;
    }
    auto work = std::move(first->second);
    when_.erase(first->first.second);
    due_.erase(first);
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace vds::service
