#include "io/uring/reactor.h"

#include <fmt/format.h>
#include <liburing.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <unordered_map>

#include "io/uring/ring_setup.h"

namespace vds::io {

namespace {

thread_local const reactor* current = nullptr;

// user_data of completions that are no operation's.
constexpr std::uint64_t of_cancel = 0;
constexpr std::uint64_t of_wake = 1;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// liburing 2.3 declares io_uring_enable_rings() and does not export it.
long enable(io_uring& ring) {
  return ::syscall(__NR_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

}  // namespace

struct reactor::timers {
  std::map<std::pair<monotonic::time_point, timer_id>, work> by_time;
  std::unordered_map<timer_id, monotonic::time_point> times;
  timer_id last = 0;
};

result<std::unique_ptr<reactor>> reactor::create(reactor_options options) {
  auto ring = std::make_unique<io_uring>();
  if (auto s = set_up_ring(*ring, options.entries); !s) return std::move(s).error().in("starting a reactor");
  unique_fd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) {
    const int error = errno;
    io_uring_queue_exit(ring.get());
    return failure_from_errno(error, "starting a reactor: eventfd");
  }
  return std::unique_ptr<reactor>(new reactor(std::move(ring), std::move(wake), options.spin));
}

reactor::reactor(std::unique_ptr<io_uring> ring, unique_fd wake, monotonic::duration spin)
    : ring_(std::move(ring)), wake_fd_(std::move(wake)), timers_(std::make_unique<timers>()), spin_(spin) {
  live_.next = live_.previous = &live_;
}

reactor::~reactor() {
  always(current == nullptr || current != this);
  always(live_.next == &live_);  // memory that the kernel may still write to must not go away
  io_uring_queue_exit(ring_.get());
}

bool reactor::on_this_thread() const { return current == this; }

void reactor::post(work w) {
  if (current == this) {
    ready_.push_back(std::move(w));
    return;
  }
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_.push_back(std::move(w));
    inbox_filled_.store(true, std::memory_order_release);
  }
  wake();
}

void reactor::stop() {
  stop_requested_.store(true);
  wake();
}

// Pairs with wait(): it says that it sleeps and then looks once more; we leave something and then ask whether it
// sleeps.
void reactor::wake() {
  if (!asleep_.exchange(false)) return;
  const std::uint64_t one = 1;
  always(::write(wake_fd_.get(), &one, sizeof one) == sizeof one);
}

rt::executor::timer_id reactor::run_at(monotonic::time_point when, work w) {
  const timer_id id = ++timers_->last;
  timers_->by_time.emplace(std::pair(when, id), std::move(w));
  timers_->times.emplace(id, when);
  return id;
}

bool reactor::cancel_timer(timer_id id) {
  const auto at = timers_->times.find(id);
  if (at == timers_->times.end()) return false;
  timers_->by_time.erase({at->second, id});
  timers_->times.erase(at);
  return true;
}

void reactor::run() {
  always(!ran_ && current == nullptr);
  ran_ = true;
  current = this;
  always(enable(*ring_) == 0);
  while (!drained()) {
    if (!stopping_ && stop_requested_.load()) begin_stopping();
    take_inbox();
    fire_timers();
    run_ready();
    retry_deferred();
    arm_wake();
    if (ready_.empty() && deferred_.empty() && cancels_.empty() && !drained())
      wait();
    else
      poll();
    reap();
  }
  while (wake_armed_) {  // the last thing in the kernel: end it by what it waits for
    const std::uint64_t one = 1;
    always(::write(wake_fd_.get(), &one, sizeof one) == sizeof one);
    io_uring_submit_and_wait(ring_.get(), 1);
    reap();
  }
  current = nullptr;
}

bool reactor::drained() const { return stopping_ && ready_.empty() && live_.next == &live_; }

void reactor::begin_stopping() {
  stopping_ = true;
  for (operation* op = live_.next; op != &live_;) {
    operation* next = op->next;  // a deferred one leaves the list at once
    cancel(*op);
    op = next;
  }
}

void reactor::take_inbox() {
  if (!inbox_filled_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(inbox_mutex_);
  inbox_filled_.store(false, std::memory_order_relaxed);
  if (ready_.empty()) {
    ready_.swap(inbox_);
  } else {
    std::move(inbox_.begin(), inbox_.end(), std::back_inserter(ready_));
    inbox_.clear();
  }
}

// Only what is ready now: what it posts waits for the next round, so that I/O gets its turn.
void reactor::run_ready() {
  running_.swap(ready_);
  for (auto& w : running_) {
    w();
    w = {};
  }
  running_.clear();
}

void reactor::fire_timers() {
  if (timers_->by_time.empty()) return;
  const auto time = now();
  while (!timers_->by_time.empty() && timers_->by_time.begin()->first.first <= time) {
    auto first = timers_->by_time.extract(timers_->by_time.begin());
    timers_->times.erase(first.key().second);
    ready_.push_back(std::move(first.mapped()));
  }
}

io_uring_sqe* reactor::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  if (entry == nullptr) {
    io_uring_submit(ring_.get());  // a busy kernel leaves it full: the caller defers
    ++counters_.enters;
    entry = io_uring_get_sqe(ring_.get());
  }
  return entry;
}

bool reactor::submit(operation& op) {
  always(current == this);
  if (stopping_) {
    op.result = -ECANCELED;
    return false;
  }
  op.cancel_wanted = false;
  op.previous = live_.previous;
  op.next = &live_;
  op.previous->next = op.next->previous = &op;
  if (io_uring_sqe* entry = deferred_.empty() ? next_entry() : nullptr) {
    hand_over(op, entry);
  } else {
    op.where = operation::stage::deferred;
    deferred_.push_back(&op);
  }
  return true;
}

void reactor::hand_over(operation& op, io_uring_sqe* entry) {
  op.prepare(op.request, entry);
  io_uring_sqe_set_data(entry, &op);
  op.where = operation::stage::in_kernel;
}

void reactor::cancel(operation& op) {
  always(current == this);
  if (op.where == operation::stage::idle || op.cancel_wanted) return;
  op.cancel_wanted = true;
  if (op.where == operation::stage::deferred) {
    std::erase(deferred_, &op);
    post([this, &op] { complete(op, -ECANCELED); });  // not inside the caller of close()
    return;
  }
  if (io_uring_sqe* entry = next_entry())
    send_cancel(op, entry);
  else
    cancels_.push_back(&op);
}

// Entries are worked off in order, so this cannot hit a later operation at the same address.
void reactor::send_cancel(operation& op, io_uring_sqe* entry) {
  io_uring_prep_cancel(entry, &op, 0);
  io_uring_sqe_set_data64(entry, of_cancel);
}

void reactor::complete(operation& op, int result) {
  if (op.cancel_wanted && !cancels_.empty()) std::erase(cancels_, &op);
  op.previous->next = op.next;
  op.next->previous = op.previous;
  op.where = operation::stage::idle;
  op.result = result;
  op.waiter.resume();
}

void reactor::retry_deferred() {
  std::size_t done = 0;
  for (; done < cancels_.size(); ++done) {
    io_uring_sqe* entry = next_entry();
    if (entry == nullptr) break;
    send_cancel(*cancels_[done], entry);
  }
  cancels_.erase(cancels_.begin(), cancels_.begin() + static_cast<std::ptrdiff_t>(done));
  for (done = 0; done < deferred_.size(); ++done) {
    io_uring_sqe* entry = next_entry();
    if (entry == nullptr) break;
    hand_over(*deferred_[done], entry);
  }
  deferred_.erase(deferred_.begin(), deferred_.begin() + static_cast<std::ptrdiff_t>(done));
}

void reactor::arm_wake() {
  if (wake_armed_) return;
  io_uring_sqe* entry = next_entry();
  if (entry == nullptr) return;  // next round
  io_uring_prep_read(entry, wake_fd_.get(), &wake_value_, sizeof wake_value_, 0);
  io_uring_sqe_set_data64(entry, of_wake);
  wake_armed_ = true;
}

// There is work: hand over what is new and take what is done, without sleeping.
void reactor::poll() {
  const unsigned flags = __atomic_load_n(ring_->sq.kflags, __ATOMIC_RELAXED);
  if (io_uring_sq_ready(ring_.get()) == 0 && (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0) return;
  ++counters_.enters;
  io_uring_submit_and_get_events(ring_.get());
}

// True: there is something to do, and it has been taken over from the kernel. Hands over what is new first.
bool reactor::spin() {
  if (spin_ == monotonic::duration::zero() || !worth_spinning_) return false;
  if (sleeps_to_go_ != 0) {
    --sleeps_to_go_;
    return false;
  }
  ++counters_.spins;
  if (io_uring_sq_ready(ring_.get()) != 0) {
    ++counters_.enters;
    io_uring_submit(ring_.get());
  }
  const auto until = now() + spin_;
  for (unsigned i = 1;; ++i) {
    const unsigned flags = __atomic_load_n(ring_->sq.kflags, __ATOMIC_RELAXED);
    if (io_uring_cq_ready(ring_.get()) != 0 || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 ||
        inbox_filled_.load(std::memory_order_relaxed) || (stop_requested_.load() && !stopping_)) {
      in_vain_ /= 2;
      poll();
      return true;
    }
    if (i % 16 == 0 && now() >= until) break;
    pause_briefly();
  }
  ++counters_.spins_in_vain;
  in_vain_ = std::min(2 * in_vain_ + 1, 1023U);
  sleeps_to_go_ = in_vain_;
  return false;
}

void reactor::wait() {
  if (spin()) return;
  asleep_.store(true);
  bool work_came = stop_requested_.load() && !stopping_;
  if (!work_came) {
    const std::lock_guard lock(inbox_mutex_);
    work_came = !inbox_.empty();
  }
  if (work_came || !wake_armed_) {
    asleep_.store(false);
    poll();
    return;
  }
  ++counters_.enters;
  const auto began = now();
  io_uring_cqe* cqe = nullptr;
  if (timers_->by_time.empty()) {
    io_uring_submit_and_wait(ring_.get(), 1);
  } else {
    const auto left = std::max(monotonic::duration::zero(), timers_->by_time.begin()->first.first - now());
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    __kernel_timespec ts{ns / 1'000'000'000, ns % 1'000'000'000};
    io_uring_submit_and_wait_timeout(ring_.get(), &cqe, 1, &ts, nullptr);
  }
  asleep_.store(false);
  // A sleep is long by the time that waking takes, too.
  worth_spinning_ = now() - began < 2 * spin_;
}

void reactor::reap() {
  for (unsigned left = io_uring_cq_ready(ring_.get()); left > 0; --left) {
    io_uring_cqe* cqe = nullptr;
    if (io_uring_peek_cqe(ring_.get(), &cqe) != 0 || cqe == nullptr) break;
    const std::uint64_t data = io_uring_cqe_get_data64(cqe);
    const int result = cqe->res;
    io_uring_cqe_seen(ring_.get(), cqe);  // before resuming: the waiter may fill the queue again
    ++counters_.completions;
    if (data == of_wake) {
      wake_armed_ = false;
      ++counters_.wakeups;
    } else if (data != of_cancel) {
      complete(*reinterpret_cast<operation*>(data), result);
    }
  }
}

result<std::unique_ptr<reactor_thread>> reactor_thread::start(std::string name, reactor_options options) {
  auto r = reactor::create(options);
  if (!r) return std::move(r).error();
  return std::unique_ptr<reactor_thread>(new reactor_thread(std::move(*r), std::move(name)));
}

reactor_thread::reactor_thread(std::unique_ptr<io::reactor> r, std::string name) : reactor_(std::move(r)) {
  thread_ = std::thread([this, name = std::move(name)] {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are the main thread's
    reactor_->run();
  });
}

reactor_thread::~reactor_thread() {
  reactor_->stop();
  thread_.join();
}

}  // namespace vds::io
