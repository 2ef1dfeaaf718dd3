// intent_block.h: which extents of a drive may differ from their mirrors: docs/format/write-intent.md. One bit per
// extent, set durably before a mirrored write begins and cleared lazily after it is flushed everywhere. A block that
// cannot be read or believed means that all of its extents may differ.
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <span>

#include "array/format/superblock.h"

namespace vds::array::format {

inline constexpr std::size_t intent_bits = 4032 * 8;  // extents a block stands for
constexpr std::uint64_t intent_blocks_for(std::uint64_t extents) { return (extents + intent_bits - 1) / intent_bits; }

struct raw_intent_block {
  std::array<char, 8> magic;
  le16 major, minor;
  le32 crc32c;  // of all 4096 bytes, this field taken as zero
  std::array<std::uint8_t, 16> drive_id;
  le64 place;  // byte offset on the drive
  std::array<std::byte, 24> reserved;
  std::array<std::uint8_t, 4032> bits;  // extent e: byte e / 8 % 4032, bit e % 8
};
static_assert(sizeof(raw_intent_block) == 4096 && alignof(raw_intent_block) == 1);

using intent_image = std::array<std::uint8_t, 4032>;
void encode(const intent_image& bits, const guid& drive, std::uint64_t place, std::span<std::byte, 4096> out);
result<intent_image> decode_intent(std::span<const std::byte, 4096> raw, const guid& drive, std::uint64_t place);

}  // namespace vds::array::format
