// worker_pool.h: a bounded set of threads for calls that block and offer no continuation. Threads start on demand, up
// to a limit; so does the queue. Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "rt/unique_function.h"

namespace vds::wire {

class worker_pool {
 public:
  worker_pool(unsigned threads, std::size_t queue) : most_threads_(threads), most_queued_(queue) {}
  ~worker_pool() { stop(); }
  // Waits for what runs, drops what does not yet; nothing can be posted any more.
  void stop() {
    std::vector<std::thread> threads;
    std::deque<rt::unique_function<void()>> dropped;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      threads.swap(threads_);
      dropped.swap(queue_);
    }
    ready_.notify_all();
    for (auto& thread : threads) thread.join();
  }
  // false: as much as is allowed is waiting already.
  bool post(rt::unique_function<void()> work) {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= most_queued_) return false;
    queue_.push_back(std::move(work));
    if (idle_ < queue_.size() && threads_.size() < most_threads_) threads_.emplace_back([this] { run(); });
    ready_.notify_one();
    return true;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      --idle_;
      if (stopping_) return;
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = {};
      lock.lock();
    }
  }

  const std::size_t most_threads_;
  const std::size_t most_queued_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<rt::unique_function<void()>> queue_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vds::wire
