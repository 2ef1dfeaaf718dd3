// progress.h: one line that says how far an operation is: phase, percent, bytes, rate, time left. Pure: the caller
// gives the time and prints the line.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "apps/vds/views.h"

namespace vds::cli {

// Bytes a second over the last few seconds, so that an estimate follows a change of pace but does not jump about.
class rate_meter {
 public:
  using time = std::chrono::steady_clock::time_point;
  void note(time now, std::uint64_t bytes_done);  // a fall (a new phase counts anew) forgets what was
  std::optional<double> per_second() const;       // none until half a second has been seen

 private:
  struct sample {
    time at;
    std::uint64_t bytes;
  };
  std::deque<sample> samples_;
};

// At most `columns` wide. "creating  [####----]  45%  wiping  450 MiB of 1 GiB  230 MiB/s  3 s left"
std::string progress_line(const operation_view& op, std::optional<double> rate, std::size_t columns, bool utf8);

}  // namespace vds::cli
