// block_device.h: numbered blocks that can be read, written and made durable. The array implements it for its LUNs and
// uses it for its drives; the iSCSI target exports it.
//
// Durability: a write that returned is visible to reads that start later. It is durable after a flush() that started
// later returned, or at once when it was written with durability::fua. Nothing else orders anything: overlapping
// requests in flight together may land in any order, each block old or new.
// Failure: io_error or medium_error for these blocks, unavailable when the device is gone, no_space when a thin device
// cannot allocate, out_of_range beyond the end. After a failed flush nothing about earlier writes may be believed.
// Buffers: the caller's until the task ends; total length a whole number of blocks. Aligned ones (aligned_buffer.h)
// spare a copy. Thread: the device's executor.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "rt/executor.h"
#include "rt/task.h"

namespace vds::io {

struct block_geometry {
  block_size logical{512};    // the unit of lba and block_count
  block_size physical{4096};  // writes smaller than this are slower, and may be torn within it
  block_count blocks{};
  bool volatile_cache = true;  // false: every write is durable when it returns (flush is then cheap)
  bool can_unmap = false;
  byte_count size() const { return blocks * logical; }
};

enum class durability : std::uint8_t { cached, fua };

// Scatter/gather lists. The inner spans may have any length whose total is whole blocks.
using buffer = std::span<std::byte>;
using const_buffer = std::span<const std::byte>;
using buffers = std::span<const buffer>;
using const_buffers = std::span<const const_buffer>;

std::size_t total_size(buffers list) noexcept;
std::size_t total_size(const_buffers list) noexcept;

class block_device {
 public:
  virtual ~block_device() = default;

  virtual std::string_view name() const = 0;    // for logs: a path, a LUN's id
  virtual block_geometry geometry() const = 0;  // blocks may grow during life
  virtual rt::executor& executor() = 0;

  virtual rt::task<status> read(lba at, buffers into) = 0;
  virtual rt::task<status> write(lba at, const_buffers from, durability how) = 0;
  virtual rt::task<status> flush() = 0;
  // Afterwards the blocks read as zeros. may_unmap: the space may be given back.
  virtual rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, durability how) = 0;

  // The same, over when these return, for devices that need not wait (memory, files in memory). nullopt: ask read() or
  // write(); nothing was said about the blocks, and a write may have been begun. FUA: what cannot be made durable at
  // once is refused like that.
  virtual std::optional<status> try_read(lba /*at*/, buffer /*into*/) { return std::nullopt; }
  virtual std::optional<status> try_write(lba /*at*/, const_buffer /*from*/, durability /*how*/) {
    return std::nullopt;
  }

  // One piece of memory instead of a list.
  rt::task<status> read(lba at, buffer into) {
    const buffer list[] = {into};
    co_return co_await read(at, buffers(list));
  }
  rt::task<status> write(lba at, const_buffer from, durability how = durability::cached) {
    const const_buffer list[] = {from};
    co_return co_await write(at, const_buffers(list), how);
  }
};

// out_of_range unless the whole of it lies on the device.
status check_range(const block_geometry& geometry, lba at, block_count count);

}  // namespace vds::io
