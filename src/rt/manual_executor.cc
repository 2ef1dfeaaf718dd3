#include "rt/manual_executor.h"

#include <algorithm>

namespace vds::rt {

executor::timer_id manual_executor::run_at(monotonic::time_point when, work w) {
  timers_.emplace(std::pair{when, ++last_id_}, std::move(w));
  return last_id_;
}

bool manual_executor::cancel_timer(timer_id id) {
  const auto it = std::find_if(timers_.begin(), timers_.end(), [id](const auto& t) { return t.first.second == id; });
  if (it == timers_.end()) return false;
  timers_.erase(it);
  return true;
}

bool manual_executor::step() {
  if (head_ == ready_.size()) {
    ready_.clear();
    head_ = 0;
    return false;
  }
  if (order_) std::swap(ready_[head_], ready_[head_ + order_->below(ready_.size() - head_)]);
  work w = std::move(ready_[head_++]);
  if (head_ > 1024 && head_ * 2 > ready_.size()) {
    ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  w();
  return true;
}

void manual_executor::run_ready() {
  while (step()) {
  }
}

bool manual_executor::next_timer() {
  if (timers_.empty()) return false;
  auto first = timers_.extract(timers_.begin());
  now_ = std::max(now_, first.key().first);
  ready_.push_back(std::move(first.mapped()));
  return true;
}

void manual_executor::run() {
  do {
    run_ready();
  } while (next_timer());
}

void manual_executor::advance(monotonic::duration by) {
  const auto until = now_ + by;
  run_ready();
  while (!timers_.empty() && timers_.begin()->first.first <= until) {
    next_timer();
    run_ready();
  }
  now_ = until;
}

}  // namespace vds::rt
