// file_device.h: a file or a block device as io::block_device, by io_uring.
// O_DIRECT where the file system has it at 512-byte or the device at its own block size; else through the page cache.
// Files of memory-backed file systems (tmpfs) are read and written inline: no device, nothing to wait for.
// One opener: an exclusive flock is held while open, so a second array (or process) on the same drive is refused
// (busy). fdatasync for flush, RWF_DSYNC for fua; once either failed, every later one fails, too: the page cache may
// have dropped what could not be written and call itself clean.
// Thread: open_file_device() anywhere; the device on its reactor; destroyed anywhere with nothing in flight.
#pragma once

#include <memory>
#include <string>

#include "base/units.h"
#include "io/block_device.h"
#include "io/uring/reactor.h"

namespace vds::io {

struct file_options {
  byte_count create{};  // not 0: make a new, sparse file of this size; already_exists if there is one
  bool read_only = false;
  // As long as it is in use elsewhere it is asked for again, on the calling thread, until this has passed: the kernel
  // takes a ring apart some time after its process was killed, and holds its files until then.
  monotonic::duration patience{};
};

// Failure: not_found, denied, busy (open elsewhere, or a mounted block device), invalid_argument (a directory, a size
// of less than one block), no_space.
result<std::unique_ptr<block_device>> open_file_device(reactor& r, const std::string& path, file_options options = {});

}  // namespace vds::io
