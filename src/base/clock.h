// clock.h: the two times. Deadlines and durations use the monotonic one; wall time is only ever shown or stored.
#pragma once

#include <chrono>

namespace vds {

using monotonic = std::chrono::steady_clock;
using deadline = monotonic::time_point;
using namespace std::chrono_literals;

class clock_source {
 public:
  virtual ~clock_source() = default;
  virtual monotonic::time_point now() = 0;
  virtual std::chrono::system_clock::time_point wall() = 0;
};

clock_source& system_clock_source();  // any thread

}  // namespace vds
