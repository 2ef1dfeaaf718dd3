#include "base/clock.h"

namespace vds {
namespace {

class system_clocks final : public clock_source {
 public:
  monotonic::time_point now() override { return monotonic::now(); }
  std::chrono::system_clock::time_point wall() override { return std::chrono::system_clock::now(); }
};

}  // namespace

clock_source& system_clock_source() {
  static system_clocks clocks;
  return clocks;
}

}  // namespace vds
