// region_map.h: the bytes that say of each region of a drive whether its sum block may be believed
// (format/checksum_blocks.h).
//
// Invariants: is_marked() is true only while "changing" is durable for the region. Each region block has two copies,
// written in turn, each durable before the other is begun: so a torn write leaves the other copy, which knows every
// mark that anybody relies on. One write of a block at a time; marks that come meanwhile share the next one. Errors:
// those of the device; a mark or a write that failed was not made. Thread: the device's executor. Borrows the device,
// which outlives it and its requests.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "array/format/checksum_blocks.h"
#include "io/block_device.h"
#include "rt/sync.h"

namespace vds::array::integrity {

class region_map {
 public:
  region_map(io::block_device& device, const format::checksum_layout& layout);

  // The regions that were changing when the drive was last used: all of a block that cannot be read or believed.
  rt::task<std::vector<std::uint32_t>> load();
  rt::task<status> format();  // a new drive, of which nothing was ever written; durable

  bool is_marked(std::uint32_t region) const {
    return wanted(region).changing && format::region_state::decoded(durable_[region]).changing;
  }
  format::region_state wanted(std::uint32_t region) const { return format::region_state::decoded(wanted_[region]); }
  // Those from `first` on, `count` of one or several blocks, are durably changing when it ends well.
  rt::task<status> mark(std::uint32_t first, std::uint32_t count);
  // In memory; with the block's next write, or write_changed().
  void set(std::uint32_t region, format::region_state to);
  rt::task<status> write_changed();

 private:
  struct block {
    std::uint64_t generation = 0;
    unsigned next_copy = 0;
    bool changed = false;                // since the last write began
    std::shared_ptr<rt::event> writing;  // null: no write is under way
  };
  rt::task<status> write_block(std::uint32_t index, io::durability how);

  io::block_device& device_;
  const format::checksum_layout layout_;
  std::vector<std::uint8_t> wanted_, durable_;  // encoded states, a byte for each region
  std::vector<block> blocks_;
};

}  // namespace vds::array::integrity
