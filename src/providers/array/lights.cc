#include "providers/array/lights.h"

namespace vds::array_provider {

void lights::start(const guid& drive) { set_timer(drive, 0); }

void lights::pulse(const guid& drive, std::uint32_t times) {
  set_timer(drive, executor_.run_at(executor_.now() + times * blink, [this, drive] {
    lit_.erase(drive);
    changed_(drive);
  }));
}

void lights::set_timer(const guid& drive, rt::executor::timer_id timer) {
  const auto [at, fresh] = lit_.try_emplace(drive, timer);
  if (fresh) {
    changed_(drive);
    return;
  }
  if (at->second != 0) executor_.cancel_timer(at->second);
  at->second = timer;
}

void lights::stop(const guid& drive) {
  if (!lit(drive)) return;
  forget(drive);
  changed_(drive);
}

void lights::forget(const guid& drive) {
  const auto at = lit_.find(drive);
  if (at == lit_.end()) return;
  if (at->second != 0) executor_.cancel_timer(at->second);
  lit_.erase(at);
}

void lights::close() {
  for (const auto& [drive, timer] : lit_)
    if (timer != 0) executor_.cancel_timer(timer);
  lit_.clear();
}

}  // namespace vds::array_provider
