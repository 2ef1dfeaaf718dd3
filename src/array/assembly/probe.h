// probe.h: what a device carries: its superblock, and the configuration that its log describes. Reads only.
#pragma once

#include <memory>
#include <vector>

#include "array/assembly/config.h"
#include "array/assembly/quorum.h"
#include "io/block_device.h"

namespace vds::array::assembly {

struct probed {
  std::unique_ptr<io::block_device> device;
  format::superblock superblock;
  candidate known;              // for choose()
  config configuration;         // when known.loadable
  layout::allocator space;      // that follows from it
  std::optional<failure> why;   // not loadable: why
  unsigned log_area = 0;        // of the best area; the other one may be written
  std::uint64_t log_cycle = 0;  // the highest in either
};

// not_ours: no superblock. Otherwise ours, damaged (corrupt, bad_checksum) or too_new.
rt::task<result<format::superblock>> read_superblock(io::block_device& device);
// Takes the device only on success (it stays with the caller otherwise).
rt::task<result<probed>> probe(std::unique_ptr<io::block_device>& device);
// True when the first and last MiB are zeros.
rt::task<result<bool>> is_blank(io::block_device& device);

}  // namespace vds::array::assembly
