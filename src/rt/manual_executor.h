// manual_executor.h: the deterministic executor of tests and the simulator. One thread; time stands still until
// nothing is ready, then jumps to the next timer. With a seed, ready work runs in an order the seed decides; the same
// seed gives the same order. post() from other threads is allowed only while nobody runs it.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/random.h"
#include "rt/executor.h"

namespace vds::rt {

class manual_executor final : public executor, private clock_source {
 public:
  manual_executor() = default;  // first come, first served
  explicit manual_executor(std::uint64_t seed) : order_(seed) {}

  void post(work w) override { ready_.push_back(std::move(w)); }
  bool on_this_thread() const override { return true; }
  clock_source& clock() override { return *this; }
  timer_id run_at(monotonic::time_point when, work w) override;
  bool cancel_timer(timer_id id) override;

  bool step();                           // one piece of ready work; false if there is none
  void run_ready();                      // until nothing is ready; time does not move
  void run();                            // until nothing is ready and no timer is left
  void advance(monotonic::duration by);  // time moves by that much, timers on the way run in order

  // Runs a task to its end (timers included) and returns its value; asserts that it ends.
  template <class T>
  T run(task<T> t) {
    if constexpr (std::is_void_v<T>) {
      bool ended = false;
      start([](task<void> inner, bool& e) -> task<void> {
        co_await std::move(inner);
        e = true;
      }(std::move(t), ended));
      while (!ended && (step() || next_timer())) {
      }
      always(ended);
    } else {
      std::optional<T> value;
      start([](task<T> inner, std::optional<T>& v) -> task<void> { v.emplace(co_await std::move(inner)); }(std::move(t),
                                                                                                           value));
      while (!value && (step() || next_timer())) {
      }
      always(value.has_value());
      return std::move(*value);
    }
  }

 private:
  monotonic::time_point now() override { return now_; }
  std::chrono::system_clock::time_point wall() override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(now_.time_since_epoch()));
  }
  bool next_timer();  // jumps to the earliest timer and makes its work ready

  std::vector<work> ready_;
  std::size_t head_ = 0;  // first not yet run, in arrival order
  std::map<std::pair<monotonic::time_point, timer_id>, work> timers_;
  timer_id last_id_ = 0;
  monotonic::time_point now_{std::chrono::hours(24)};
  std::optional<seeded_random> order_;
};

}  // namespace vds::rt
