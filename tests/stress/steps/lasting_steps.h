// lasting_steps.h: what a test and the processes it watches share: one page in memory for each process, a file that
// both have mapped. The test says at which step something is to happen; the process counts its steps and does it.
//
// A step is a change that outlives the process that makes it: a write to a file or a block device (by a system call or
// by io_uring), a file that is made smaller or larger, renamed or removed. Nothing else can be told by whoever starts
// after a kill -9, so a process that is killed before each of its steps has been killed in every way that matters.
// Flushes are no steps: what was written is there for the next process, flushed or not (tests/e2e/power_cut_test.py
// is about that).
//
// The layout is repeated in steps.py. Little-endian, no padding, fields of 8 bytes.
#pragma once

#include <atomic>
#include <cstdint>

namespace vds::steps {

// VDS_LASTING_STEPS=PREFIX in the environment of a process that has the library preloaded: its page is the file
// PREFIX.NAME, NAME being that of the program. Without the variable, or without the file, nothing happens.
inline constexpr const char* variable = "VDS_LASTING_STEPS";

enum class action : std::uint64_t { none = 0, kill = 1, pause = 2 };

struct page {
  std::atomic<std::uint64_t> pid;      // of the process, written when it starts
  std::atomic<std::uint64_t> what;     // an action; none again once it has been done
  std::atomic<std::uint64_t> at;       // before which step, from 1, counted from the moment that `steps` was set to 0
  std::atomic<std::uint64_t> steps;    // done or begun so far
  std::atomic<std::uint64_t> victims;  // of kill: 1 this process, 2 the one in other_pid, 3 both
  std::atomic<std::uint64_t> other_pid;
  std::atomic<std::uint64_t> fired;  // it was done; set before anybody is killed
  std::atomic<std::uint64_t> go;     // ends a pause
  char step[192];                    // which step it was: "pwrite64 /path"
};
static_assert(sizeof(page) == 256);

}  // namespace vds::steps
