#include "apps/vds/when.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace vds::cli {

std::string utc(std::uint64_t unix_ns) {
  if (unix_ns == 0) return {};
  const auto seconds = static_cast<std::time_t>(unix_ns / 1'000'000'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), unix_ns / 1'000'000 % 1000);
}

std::string print_duration(std::chrono::nanoseconds d) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  if (ms < 10'000) return fmt::format("{:.1f} s", static_cast<double>(ms < 0 ? 0 : ms) / 1000);
  const auto s = ms / 1000;
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

}  // namespace vds::cli
