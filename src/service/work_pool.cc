#include "service/work_pool.h"

#include <pthread.h>

#include <utility>

namespace vds::service {

bool work_pool::add(std::function<void()> work, std::size_t most) {
  const std::lock_guard lock(mutex_);
  if (closing_ || queue_.size() >= most) return false;
  queue_.push_back(std::move(work));
  // Idle threads are woken before new ones are started; idle_ counts those not yet promised to queued work.
  if (queue_.size() <= idle_) {
    work_.notify_one();
  } else if (threads_ < limits_.threads) {
    ++threads_;
    // Detached: close() waits for the count. A thread that cannot be started leaves the work to those there are.
    try {
      std::thread([this] { run(); }).detach();
    } catch (...) {
      --threads_;
      if (threads_ == 0) {
        queue_.pop_back();
        return false;
      }
    }
  }
  return true;
}

void work_pool::close() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  work_.notify_all();
  gone_.wait(lock, [this] { return threads_ == 0; });
}

std::size_t work_pool::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_;
}

void work_pool::run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    if (queue_.empty()) {
      if (closing_) break;
      ++idle_;
      const bool woken = work_.wait_for(lock, limits_.idle, [this] { return closing_ || !queue_.empty(); });
      --idle_;
      if (!woken) break;
      continue;
    }
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it owns is released without the lock
    lock.lock();
  }
  --threads_;
  // Under the lock: after the last thread has let go of it, *this may be destroyed.
  gone_.notify_all();
}

}  // namespace vds::service
