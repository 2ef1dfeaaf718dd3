// superblock.h: who a drive is and where on it things are: docs/format/superblock.md. Three copies; the valid one with
// the highest generation counts. Written when the drive joins, and again each time the array's epoch is raised.
#pragma once

#include <array>
#include <span>

#include "array/format/codec.h"
#include "base/endian.h"
#include "base/guid.h"
#include "base/result.h"
#include "io/aligned_buffer.h"

namespace vds::array::format {

inline constexpr std::uint32_t format_block = 4096;  // everything of ours is written in whole ones of these
inline constexpr std::uint16_t format_major = 1;

struct raw_superblock {  // integers little-endian
  std::array<char, 8> magic;
  le16 major, minor;  // refuse an unknown major; ignore what a newer minor put into the reserve
  le32 crc32c;        // of all 4096 bytes, this field taken as zero; the same rule in every major
  le64 generation;    // of this drive's superblock: +1 per rewrite
  le64 place;         // byte offset of this copy
  std::array<std::uint8_t, 16> array_id, drive_id;
  le64 drive_bytes;
  le32 logical_block, extent_bytes;
  le32 slot;
  le32 reserved_zero;
  le64 epoch;                        // the newest the drive has seen; its log may be one ahead
  le64 intent_offset, intent_bytes;  // write-intent blocks
  le64 log_offset, log_bytes;        // two areas of log_bytes each
  le64 data_offset, extents;
  le64 incompatible;                           // features without which nobody may open it; unknown bits: refuse
  le64 compatible;                             // features that may be ignored
  le64 checksum_offset, checksum_bytes;        // with feature 1; otherwise zero
  std::array<std::byte, 4096 - 176> reserved;  // zero in minor 0
};
static_assert(sizeof(raw_superblock) == 4096 && alignof(raw_superblock) == 1);
static_assert(offsetof(raw_superblock, array_id) == 32 && offsetof(raw_superblock, epoch) == 88);
static_assert(offsetof(raw_superblock, checksum_offset) == 160);

struct superblock {
  guid array_id, drive_id;
  std::uint64_t generation = 0, epoch = 0;
  std::uint64_t drive_bytes = 0;
  std::uint32_t logical_block = 512, extent_bytes = 1 << 20, slot = 0;
  std::uint64_t intent_offset = 0, intent_bytes = 0, log_offset = 0, log_bytes = 0, data_offset = 0, extents = 0;
  std::uint64_t checksum_offset = 0, checksum_bytes = 0;  // 0: a drive without checksums (checksum_blocks.h)

  bool checksums() const { return checksum_bytes != 0; }
  std::uint64_t log_area(unsigned which) const { return log_offset + which * log_bytes; }
  std::uint64_t extent_offset(std::uint64_t extent) const { return data_offset + extent * extent_bytes; }
  bool operator==(const superblock&) const = default;
};

// Where the copies are. The last depends on the drive's size.
inline constexpr std::size_t superblock_copies = 3;
std::array<std::uint64_t, superblock_copies> superblock_places(std::uint64_t drive_bytes);

// How a drive of this size is divided, with room for checksums of its data or without. too small: no_space.
result<superblock> plan_drive(std::uint64_t drive_bytes, std::uint32_t logical_block, std::uint32_t extent_bytes,
                              bool checksums);

void encode(const superblock& sb, std::uint64_t place, std::span<std::byte, 4096> out);
// not_ours: no signature. bad_checksum, corrupt, too_new: ours, and not to be used.
result<superblock> decode_superblock(std::span<const std::byte, 4096> raw, std::uint64_t place);

}  // namespace vds::array::format
