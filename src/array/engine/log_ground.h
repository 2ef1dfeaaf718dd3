// log_ground.h: keeps the ground ahead of a configuration log written. On a sparse file, the first write to a block
// that was never written changes the file's map, and making that durable costs a transaction of the file system:
// several times the write itself, on every commit. So zeros are really written some way ahead, in the background and in
// large pieces, and a commit finds blocks that exist. Devices that are no files have them from the start: nothing is
// done. Invariants: zeros are only ever written behind the tail of the log, and a batch does not begin while zeros are
// on their way to where it goes. A failure here is no failure: the log's own write will tell. Thread: the drive's
// executor. One for each drive.
#pragma once

#include <array>
#include <memory>

#include "rt/sync.h"
#include "rt/task.h"

namespace vds::array::engine {

class drive;

class log_ground {
 public:
  // Returns when nothing is being written to these bytes of the area.
  rt::task<void> wait(unsigned area, std::uint64_t from, std::uint64_t to);
  // The log of the area ends at `tail`: sees to it that there is ground ahead. Returns at once.
  static void prepare(const std::shared_ptr<drive>& d, unsigned area, std::uint64_t tail);

 private:
  struct one {
    std::uint64_t written = 0;  // from the tail to here the ground is known to be good
    std::uint64_t from = 0, to = 0;
    std::shared_ptr<rt::event> writing;  // null: nothing under way
  };
  static rt::task<void> write(std::shared_ptr<drive> d, unsigned area);
  std::array<one, 2> areas_;
};

}  // namespace vds::array::engine
