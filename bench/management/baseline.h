// baseline.h: what the machine itself costs, measured in the same run as the service: a durable write, a SQLite commit,
// a message over a unix socket to another process and back. Times in microseconds.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace vds::bench {

struct sample {
  std::string name;
  std::vector<double> us;  // one for each round, in order of measuring
  double seconds = 0;      // of the whole
  std::size_t in_flight = 1;
  double rate() const { return seconds > 0 ? static_cast<double>(us.size()) / seconds : 0; }
  double percentile(double p) const;  // 0 to 100
};

// Calls `once` that many times, one at a time.
sample timed(std::string name, std::size_t rounds, const std::function<void()>& once);

sample dsync_writes(const std::filesystem::path& dir,
                    std::size_t rounds);  // 4 KiB, O_DSYNC, over a file written before
sample fdatasync_appends(const std::filesystem::path& dir, std::size_t rounds);  // 4 KiB write + fdatasync, growing
sample sqlite_commits(const std::filesystem::path& dir, std::size_t rounds);     // WAL, synchronous=FULL, one row each
sample socket_round_trips(std::size_t rounds);                                   // 128 bytes each way, another process

}  // namespace vds::bench
