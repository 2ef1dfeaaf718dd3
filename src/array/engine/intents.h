// intents.h: a drive's write-intent bits (format/intent_block.h). mark() returns when the bits are durable; concurrent
// marks of one block share its write. clear() is lazy: the block is written without anybody waiting for its flush.
// A bit that is set too long costs resynchronising; one that is missing would cost consistency: so a bit counts as set
// only between the end of a write that set it and the start of the next write without it.
#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "array/engine/drive.h"
#include "array/format/intent_block.h"

namespace vds::array::engine {

class intents {
 public:
  explicit intents(drive& owner);

  rt::task<status> load();    // unreadable blocks: all set
  rt::task<status> format();  // writes all blocks with no bit set
  bool test(std::uint32_t extent) const { return bit(blocks_[extent / format::intent_bits].wanted, extent); }
  bool durable(std::uint32_t extent) const { return bit(blocks_[extent / format::intent_bits].durable, extent); }
  rt::task<status> mark(std::uint32_t extent);
  void unset(std::uint32_t extent);  // in memory; written with the next write of its block, or by write_changed
  void keep_only(const std::unordered_set<std::uint32_t>& extents);  // unsets all others
  rt::task<status> write_changed();                                  // blocks with unset bits; cached

 private:
  struct block {
    format::intent_image wanted{}, durable{};
    bool changed = false;                // bits were unset since the last write began
    std::shared_ptr<rt::event> writing;  // one write of a block at a time
  };
  static bool bit(const format::intent_image& image, std::uint32_t extent) {
    const std::size_t at = extent % format::intent_bits;
    return (image[at / 8] >> (at % 8) & 1) != 0;
  }
  static void set_bit(format::intent_image& image, std::uint32_t extent, bool on) {
    const std::size_t at = extent % format::intent_bits;
    const auto mask = static_cast<std::uint8_t>(1U << (at % 8));
    image[at / 8] = static_cast<std::uint8_t>(on ? image[at / 8] | mask : image[at / 8] & ~mask);
  }
  rt::task<status> write_block(std::size_t index, io::durability how);
  std::uint64_t place(std::size_t index) const;

  drive& drive_;  // owns us
  std::vector<block> blocks_;
};

}  // namespace vds::array::engine
