// when.h: times as text. The service gives wall time in nanoseconds since 1970, 0 for "not yet".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vds::cli {

std::string utc(std::uint64_t unix_ns);                  // "2026-11-22T17:20:25.123Z", "" for 0
std::string print_duration(std::chrono::nanoseconds d);  // "0.4 s", "12 s", "3 min 05 s", "2 h 10 min", "4 d 3 h"

}  // namespace vds::cli
