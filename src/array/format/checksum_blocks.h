// checksum_blocks.h: what keeps the checksums of a drive's data: docs/format/checksums.md. The data area is cut into
// regions of 1008 blocks of 4096 bytes. Each region has a *sum block* (a checksum for each of its blocks) and a byte in
// a *region block*, which says whether the sum block may be believed. Region blocks have two copies, written in turn;
// the valid one of the higher generation counts. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "array/format/superblock.h"

namespace vds::array::format {

inline constexpr std::uint64_t summed_block = 4096;  // bytes that one checksum is of
inline constexpr std::uint32_t sums_per_region = 1008;
inline constexpr std::uint64_t region_bytes = sums_per_region * summed_block;
inline constexpr std::uint32_t regions_per_block = 4032;
inline constexpr std::uint64_t feature_checksums = 1;  // of the superblock's incompatible ones

// What a sum may be instead of a checksum.
inline constexpr std::uint32_t sum_of_zeros = 0;  // all zeros, or never written, which is the same
inline constexpr std::uint32_t sum_unknown = 1;   // not vouched for: a write of it failed
inline constexpr std::uint32_t sum_poisoned = 2;  // known to be wrong until all of it is written

// A region's byte. Generations count 1 to 63 and begin again; 0: no sum block was ever written, all sums are of zeros.
struct region_state {
  bool changing = false;        // the sums may be older than the data
  std::uint8_t generation = 0;  // of the sum block that belongs to it, when it is not changing
  std::uint8_t encoded() const { return static_cast<std::uint8_t>((generation << 1) | (changing ? 1 : 0)); }
  static region_state decoded(std::uint8_t byte) {
    return {(byte & 1) != 0, static_cast<std::uint8_t>(byte >> 1 & 63)};
  }
  bool operator==(const region_state&) const = default;
};
constexpr std::uint8_t next_generation(std::uint8_t of) { return static_cast<std::uint8_t>(of % 63 + 1); }

struct raw_region_block {
  std::array<char, 8> magic;  // "VDSREGIO"
  le16 major, minor;
  le32 crc32c;  // of the 4096 bytes, this field taken as zero
  std::array<std::uint8_t, 16> drive_id;
  le64 place;       // byte offset on the drive
  le64 generation;  // +1 for each write of either copy
  std::array<std::byte, 16> reserved;
  std::array<std::uint8_t, regions_per_block> states;
};
static_assert(sizeof(raw_region_block) == 4096 && alignof(raw_region_block) == 1);
static_assert(offsetof(raw_region_block, generation) == 40 && offsetof(raw_region_block, states) == 64);

struct raw_sum_block {
  std::array<char, 8> magic;  // "VDSCSUMS"
  le16 major, minor;
  le32 crc32c;  // of the 4096 bytes, this field taken as zero
  std::array<std::uint8_t, 16> drive_id;
  le64 place;  // byte offset on the drive
  std::uint8_t generation;
  std::array<std::byte, 23> reserved;
  std::array<le32, sums_per_region> sums;
};
static_assert(sizeof(raw_sum_block) == 4096 && alignof(raw_sum_block) == 1);
static_assert(offsetof(raw_sum_block, generation) == 40 && offsetof(raw_sum_block, sums) == 64);

// Where all of it is on a drive; everything in bytes from the drive's start.
struct checksum_layout {
  guid drive;
  std::uint64_t data_offset = 0, data_bytes = 0;  // what is checked
  std::uint64_t regions_offset = 0;               // both copies of region block 0, then of 1, ...
  std::uint64_t sums_offset = 0;
  std::uint32_t regions = 0;

  std::uint32_t region_blocks() const { return (regions + regions_per_block - 1) / regions_per_block; }
  std::uint64_t region_block_place(std::uint32_t block, unsigned copy) const {
    return regions_offset + (2 * std::uint64_t{block} + copy) * format_block;
  }
  std::uint64_t sum_place(std::uint32_t region) const { return sums_offset + std::uint64_t{region} * format_block; }
};
std::uint64_t checksum_bytes_for(std::uint64_t data_bytes);  // of the area, for so much data
checksum_layout checksums_of(const superblock& sb);          // that has checksums

struct region_image {
  std::uint64_t generation = 0;
  std::array<std::uint8_t, regions_per_block> states{};
};
void encode(const region_image& image, const guid& drive, std::uint64_t place, std::span<std::byte, 4096> out);
result<region_image> decode_regions(std::span<const std::byte, 4096> raw, const guid& drive, std::uint64_t place);

struct sum_image {
  std::uint8_t generation = 0;
  std::array<std::uint32_t, sums_per_region> sums{};
};
void encode(const sum_image& image, const guid& drive, std::uint64_t place, std::span<std::byte, 4096> out);
result<sum_image> decode_sums(std::span<const std::byte, 4096> raw, const guid& drive, std::uint64_t place);

// The checksum of a block of data: CRC32C over the drive's id, the block's number (little-endian, 64 bits, from the
// start of the data) and its 4096 bytes. In two steps, so that the bytes may come in pieces; the last makes room for
// the values above.
class block_sum {
 public:
  explicit block_sum(const guid& drive);
  std::uint32_t begin(std::uint64_t block) const;
  static std::uint32_t end(std::uint32_t crc) { return crc <= sum_poisoned ? crc ^ 0x80000000U : crc; }
  std::uint32_t of(std::uint64_t block, std::span<const std::byte> data) const;

 private:
  std::uint32_t drive_;
};

}  // namespace vds::array::format
