// checked_device.h: a drive's device whose data area is checked: each block of 4096 bytes has a CRC32C, bound to the
// drive and the place, kept apart from it (docs/design/array-checksums.md, docs/format/checksums.md). A block that is
// not what was written there last (flipped, misdirected, lost, older) is bad_checksum to who reads it, and good again
// once it is written.
//
// Invariants: before data of a region changes, "changing" is durable for the region; it is cleared only after data and
// sums were flushed with nothing written since. So whatever a crash leaves, a block that can be read by the device can
// be read here: sums of regions that were changing are made anew from the data (learned), all others are true.
// Places: what lies outside of the data area passes through, as do parts of it that were exempted. Requests are in the
// device's own blocks; those that end within a block of 4096 bytes read the rest of it.
// Durability: as the device's; sums need no flush.
// Errors: bad_checksum; those of the device. A failure of settle() means that the drive does not take what is written
// to it, as a failed flush does. Memory: the cache's; its own for the ends of blocks, held until the device returns.
// Thread: the device's executor. Lifetime: outlives its requests and whoever settles.
#pragma once

#include <functional>
#include <memory>

#include "array/engine/range_lock.h"
#include "array/integrity/sum_cache.h"

namespace vds::array::integrity {

struct checksum_counts {
  std::uint64_t corrupt = 0;   // blocks that were found to be wrong, each once until it is written again
  std::uint64_t repaired = 0;  // of those, written again
  std::uint64_t learned = 0;   // blocks whose sums were made from the data
  std::uint64_t damaged = 0;   // sum blocks that could not be read or believed
};

inline constexpr std::size_t default_cached_regions = 8192;  // 32 MiB of sums, of 31 GiB of data

class checked_device final : public io::block_device {
 public:
  checked_device(std::unique_ptr<io::block_device> device, const format::checksum_layout& layout,
                 std::size_t cached_regions = default_cached_regions);
  ~checked_device() override;

  // One of these first.
  rt::task<status> open();
  rt::task<status> format();  // a new drive

  // Called when there is something to settle and there was nothing before.
  void on_unsettled(std::function<void()> call) { on_unsettled_ = std::move(call); }
  // Called once: the first block was found to be wrong.
  void on_first_corrupt(std::function<void()> call) { on_first_corrupt_ = std::move(call); }
  // Makes some of the regions believed again that were not written since `before`: what is in doubt is learned, sums
  // and data become durable, then the marks go. One at a time. `learn` false: what is in doubt stays so, marked.
  rt::task<status> settle(monotonic::time_point before, bool learn = true);
  bool settled() const { return active_.empty() && sums_.doubtful().empty(); }
  bool idle_since(monotonic::time_point before, bool learn = true) const;  // settle() would do something

  // Bytes from the drive's start, within the data: not checked from now on. For what has checksums of its own.
  void exempt(std::uint64_t from, std::uint64_t bytes);
  checksum_counts counts() const;

  std::string_view name() const override { return device_->name(); }
  io::block_geometry geometry() const override { return device_->geometry(); }
  rt::executor& executor() override { return device_->executor(); }
  rt::task<status> read(lba at, io::buffers into) override;
  rt::task<status> write(lba at, io::const_buffers from, io::durability how) override;
  rt::task<status> flush() override { return device_->flush(); }
  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, io::durability how) override;
  // Only whole blocks of 4096 bytes whose sums are in memory, and no write under way to the same.
  std::optional<status> try_read(lba at, io::buffer into) override;
  std::optional<status> try_write(lba at, io::const_buffer from, io::durability how) override;
  using block_device::read;
  using block_device::write;

 private:
  // Blocks of 4096 bytes that a request touches, and how it lies in them.
  struct span_of_blocks {
    std::uint64_t from = 0, to = 0;     // bytes from the start of the data: of the request
    std::uint64_t first = 0, last = 0;  // blocks
    std::uint64_t head() const { return from - first * format::summed_block; }     // bytes before it in its first block
    std::uint64_t tail() const { return (last + 1) * format::summed_block - to; }  // and behind it in its last
    std::uint64_t begin() const { return first * format::summed_block; }
    std::uint64_t bytes() const { return (last + 1) * format::summed_block - begin(); }
    std::uint32_t first_region() const { return static_cast<std::uint32_t>(first / format::sums_per_region); }
    std::uint32_t last_region() const { return static_cast<std::uint32_t>(last / format::sums_per_region); }
  };
  struct activity {  // of a region that is changing
    std::uint32_t writers = 0;
    std::uint64_t entries = 0;  // how many writers there were
    monotonic::time_point last;
  };
  using pins = std::vector<sum_cache::pinned>;  // of the regions of a request, in order

  // None: not checked.
  std::optional<span_of_blocks> checked(lba at, std::uint64_t bytes) const;
  lba place_of(std::uint64_t data_offset) const;

  static std::uint32_t sum_in(const pins& of, const span_of_blocks& b, std::uint64_t block);
  bool all_cached(const span_of_blocks& b);
  bool pin_cached(const span_of_blocks& b, pins& into);  // false: not all of them are in memory
  rt::task<status> pin(span_of_blocks b, pins& into);
  // All that `data` has of the blocks from `first` on is what their sums say. Otherwise the first block that is not.
  std::optional<std::uint64_t> first_wrong(const span_of_blocks& b, const std::vector<io::buffer>& data,
                                           const pins& sums) const;
  failure wrong(std::uint64_t block);
  bool holds(std::uint64_t block, std::uint32_t sum, std::span<const std::byte> data) const;

  rt::task<status> enter(const span_of_blocks& b);
  void leave(const span_of_blocks& b);
  void begin_activity(std::uint32_t region);
  void said_unsettled(bool was_settled);
  rt::task<status> modify(const span_of_blocks& b, io::const_buffers from, bool zeros, io::durability how,
                          bool may_unmap);
  // The sum of a block after a write to a part of it; what it has besides is read.
  rt::task<std::uint32_t> merged(std::uint64_t block, std::uint64_t offset, std::span<const std::byte> fresh,
                                 std::uint32_t sum);
  void written(sum_cache::entry& e, std::uint64_t block, std::uint32_t sum);
  void not_written(sum_cache::entry& e, std::uint64_t block);  // a write failed: the block may hold anything

  rt::task<status> learn_region(std::uint32_t region);

  std::unique_ptr<io::block_device> device_;
  const format::checksum_layout layout_;
  const format::block_sum sum_;
  const std::uint32_t sector_;
  region_map map_;
  sum_cache sums_;
  engine::range_lock lock_;  // bytes of the data, in whole blocks
  std::map<std::uint32_t, activity> active_;
  std::map<std::uint64_t, std::uint64_t> exempt_;  // from, to: bytes of the data
  std::set<std::uint64_t> bad_;                    // blocks found wrong and not written since
  std::function<void()> on_unsettled_, on_first_corrupt_;
  checksum_counts counts_;
};

}  // namespace vds::array::integrity
