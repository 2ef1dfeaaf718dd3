#include "wire/orpc/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "base/assert.h"

namespace vds::wire {

namespace {
constexpr std::uint64_t wake_key = 0;
constexpr std::uint64_t timer_key = 1;
constexpr std::uint64_t first_key = 2;

void control(int epoll, int operation, int fd, std::uint64_t key, std::uint32_t events) {
  epoll_event e{};
  e.events = events;
  e.data.u64 = key;
  ::epoll_ctl(epoll, operation, fd, &e);
}
void nudge(int event_fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(event_fd, &one, sizeof one);
}
}  // namespace

poller::poller(unsigned threads)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      next_key_(first_key) {
  always(epoll_ && wake_ && timer_);
  // Edge triggered: each write wakes one thread, which takes one task.
  control(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), wake_key, EPOLLIN | EPOLLET);
  control(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), timer_key, EPOLLIN | EPOLLET);
  for (unsigned i = 0; i < (threads ? threads : 1); ++i) threads_.emplace_back([this] { run(); });
}

poller::~poller() {
  stopping_ = true;
  nudge(wake_.get());  // each thread wakes the next as it goes
  for (auto& thread : threads_) thread.join();
  // Tasks may own things whose destructors post again.
  for (;;) {
    std::deque<task> rest;
    std::map<std::pair<deadline, std::uint64_t>, task> timers;
    {
      std::lock_guard lock(tasks_mutex_);
      rest.swap(tasks_);
    }
    {
      std::lock_guard lock(timers_mutex_);
      timers.swap(timers_);
    }
    if (rest.empty() && timers.empty()) break;
  }
}

std::uint64_t poller::add(int fd, std::weak_ptr<poll_handler> handler) {
  std::uint64_t key;
  {
    std::lock_guard lock(handlers_mutex_);
    key = next_key_++;
    handlers_.emplace(key, std::move(handler));
  }
  control(epoll_.get(), EPOLL_CTL_ADD, fd, key, EPOLLONESHOT);
  return key;
}

void poller::arm(int fd, std::uint64_t key, std::uint32_t events) noexcept {
  control(epoll_.get(), EPOLL_CTL_MOD, fd, key, events | EPOLLONESHOT);
}

void poller::remove(int fd, std::uint64_t key) noexcept {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  std::lock_guard lock(handlers_mutex_);
  handlers_.erase(key);
}

void poller::post(task work) {
  {
    std::lock_guard lock(tasks_mutex_);
    tasks_.push_back(std::move(work));
  }
  nudge(wake_.get());
}

std::uint64_t poller::at(deadline when, task work) {
  std::lock_guard lock(timers_mutex_);
  const std::uint64_t key = next_timer_++;
  timers_.emplace(std::pair(when, key), std::move(work));
  timer_times_.emplace(key, when);
  set_timer();
  return key;
}

void poller::cancel(std::uint64_t timer) {
  task dropped;  // destroyed without the lock
  std::lock_guard lock(timers_mutex_);
  const auto time = timer_times_.find(timer);
  if (time == timer_times_.end()) return;
  if (const auto it = timers_.find({time->second, timer}); it != timers_.end()) {
    dropped = std::move(it->second);
    timers_.erase(it);
  }
  timer_times_.erase(time);
}

void poller::set_timer() {
  itimerspec spec{};
  if (!timers_.empty()) {
    const auto due = timers_.begin()->first.first - monotonic::now();
    const auto ns = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(due).count(), 1);
    spec.it_value.tv_sec = ns / 1'000'000'000;
    spec.it_value.tv_nsec = ns % 1'000'000'000;
  }
  ::timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

void poller::run_timers() {
  std::uint64_t count;
  [[maybe_unused]] const auto n = ::read(timer_.get(), &count, sizeof count);
  std::vector<task> due;
  {
    std::lock_guard lock(timers_mutex_);
    const auto now = monotonic::now();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      timer_times_.erase(timers_.begin()->first.second);
      due.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
    set_timer();
  }
  for (auto& work : due) work();
}

void poller::run_one_task() {
  task work;
  bool more;
  {
    std::lock_guard lock(tasks_mutex_);
    if (tasks_.empty()) return;
    work = std::move(tasks_.front());
    tasks_.pop_front();
    more = !tasks_.empty();
  }
  // Posts in quick succession may have woken this thread only, and this task may take its time.
  if (more) nudge(wake_.get());
  work();
}

void poller::run() {
  while (!stopping_) {
    epoll_event event{};
    const int n = ::epoll_wait(epoll_.get(), &event, 1, -1);
    if (n <= 0) continue;
    if (event.data.u64 == wake_key) {
      // A semaphore: one read per task. A write that coincided with another's wake-up is still counted, so go on
      // until it reads empty.
      std::uint64_t count;
      while (!stopping_ && ::read(wake_.get(), &count, sizeof count) > 0) run_one_task();
    } else if (event.data.u64 == timer_key) {
      run_timers();
    } else {
      std::shared_ptr<poll_handler> handler;
      {
        std::lock_guard lock(handlers_mutex_);
        if (const auto it = handlers_.find(event.data.u64); it != handlers_.end()) handler = it->second.lock();
      }
      if (handler) handler->on_ready(event.events);
    }
  }
  nudge(wake_.get());
}

}  // namespace vds::wire
