// job_book.h: the array's background work as somebody who watches sees it: what runs, how fast, how long it will take,
// and how what ended has ended. It is told from time to time what there is (observe); rates are those of the last
// seconds between two tellings. Bounded: of what has ended the newest 64 stay.
// Thread: one at a time. Nothing in it outlives the process: the work itself does, and is told again.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guid.h"
#include "base/result.h"

namespace vds::array_provider {

struct job {
  enum class subject : std::uint8_t { subsystem, drive, lun };
  guid id;
  std::string kind, phase;
  guid object;
  subject of = subject::lun;
  std::uint64_t done = 0, total = 0;  // bytes
  std::string waiting_for;            // empty: it runs
  std::optional<failure> failed;      // how it ended, when not well
  bool ended = false;
  std::uint64_t begun_ns = 0, ended_ns = 0;  // since 1970
  std::uint64_t bytes_per_second = 0;        // 0: not known
  std::optional<std::uint64_t> seconds_left;

  unsigned percent() const;  // below 100 until it has ended well
};

class job_book {
 public:
  static constexpr monotonic::duration window = 10s;
  static constexpr std::size_t remembered = 64;

  // All there is now; the book fills times, rates and ends. What is not in it any more has ended: well, unless it was
  // told with a failure before.
  void observe(const std::vector<job>& now, monotonic::time_point at, std::uint64_t unix_ns);
  std::vector<job> all() const;  // running ones first, oldest first
  std::optional<job> find(const guid& id) const;

 private:
  struct sample {
    monotonic::time_point at;
    std::uint64_t done;
  };
  struct entry {
    job what;
    std::deque<sample> samples;
    bool seen = false;
  };
  static void measure(entry& e, monotonic::time_point at);

  std::map<guid, entry> running_;
  std::deque<job> ended_;
};

}  // namespace vds::array_provider
