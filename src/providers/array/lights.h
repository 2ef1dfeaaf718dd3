// lights.h: the locate lights of the drives. A drive that is a file or a partition has no light of its own; what is
// kept here is what a light would show, for whoever shows it: the drive's flags in `vds drive list`, and DRIVE_MODIFY
// at each change. Nothing is kept beyond the process: a light is for somebody who stands there now.
//
// Of each light: off, lit until somebody stops it, or blinking so many times. Thread: the executor's. close() before it
// is destroyed.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "base/guid.h"
#include "rt/executor.h"

namespace vds::array_provider {

class lights {
 public:
  static constexpr monotonic::duration blink = 1s;

  // `changed` hears of each drive whose light went on or off.
  lights(rt::executor& ex, std::function<void(const guid&)> changed) : executor_(ex), changed_(std::move(changed)) {}

  void start(const guid& drive);                       // also one that blinks: it stays on
  void pulse(const guid& drive, std::uint32_t times);  // also one that is on: so many times more, then off
  void stop(const guid& drive);
  void forget(const guid& drive);  // it is gone: nothing is told
  bool lit(const guid& drive) const { return lit_.contains(drive); }
  void close();

 private:
  void set_timer(const guid& drive, rt::executor::timer_id timer);

  rt::executor& executor_;
  const std::function<void(const guid&)> changed_;
  std::unordered_map<guid, rt::executor::timer_id> lit_;  // 0: until it is stopped
};

}  // namespace vds::array_provider
