// stripe_batch.h: what is in a drive's stripe journal: docs/format/stripe-journal.md. A journal is two head blocks,
// written in turn, and a ring of batches. A batch is one write: a header that lists pieces, and their bytes; under one
// checksum. A piece is what an entry (one update of some rows of a parity group) writes to this drive.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "array/format/superblock.h"

namespace vds::array::format {

inline constexpr std::size_t stripe_heads = 2;
inline constexpr std::uint64_t stripe_ring_at = stripe_heads * format_block;  // of the area
inline constexpr std::size_t max_stripe_pieces = 500;                         // of a batch

struct raw_stripe_head {
  std::array<char, 8> magic;  // VDSSTHED
  le16 major, minor;
  le32 crc32c;  // of the 4096 bytes, this field taken as zero
  std::array<std::uint8_t, 16> drive_id;
  le64 generation;  // the higher of the two valid ones counts
  le64 nonce;       // of this journal; batches of another are not its
  le64 retired;     // entries below are in place, durably, on every drive
  std::array<std::byte, 4096 - 56> reserved;
};
static_assert(sizeof(raw_stripe_head) == 4096 && alignof(raw_stripe_head) == 1);

struct raw_stripe_batch {
  std::array<char, 8> magic;  // VDSSTBAT
  le16 major, minor;
  le32 crc32c;  // of the whole batch, this field taken as zero
  le32 blocks;  // of 4096 bytes, header and content
  le32 pieces;
  le64 nonce;
  le64 place;  // byte offset in the area
  std::array<std::byte, 24> reserved;
};
static_assert(sizeof(raw_stripe_batch) == 64 && alignof(raw_stripe_batch) == 1);

struct raw_stripe_piece {
  le64 entry;
  std::array<std::uint8_t, 16> lun;
  le64 members;  // a bit for each member of the group that this entry changes
  le64 offset;   // in the member
  le32 bytes;
  le16 group;
  std::uint8_t member;
  std::uint8_t flags;  // 1: zeros, no content
  std::array<std::byte, 16> reserved;
};
static_assert(sizeof(raw_stripe_piece) == 64 && alignof(raw_stripe_piece) == 1);

struct stripe_head {
  std::uint64_t generation = 0, nonce = 0, retired = 0;
  bool operator==(const stripe_head&) const = default;
};
void encode(const stripe_head& head, const guid& drive, std::span<std::byte, 4096> out);
result<stripe_head> decode_stripe_head(std::span<const std::byte, 4096> in, const guid& drive);

struct stripe_piece {
  std::uint64_t entry = 0;
  guid lun;
  std::uint64_t members = 0, offset = 0;
  std::uint32_t bytes = 0;
  std::uint16_t group = 0;
  std::uint8_t member = 0;
  bool zeros = false;
  std::vector<std::span<std::byte>> content;  // when written: `bytes` in all, unless zeros
  std::span<const std::byte> found;           // when read
};

constexpr std::size_t stripe_header_bytes(std::size_t pieces) {
  return (sizeof(raw_stripe_batch) + pieces * sizeof(raw_stripe_piece) + format_block - 1) / format_block *
         format_block;
}
std::uint64_t stripe_batch_bytes(std::span<const stripe_piece> pieces);

// The header blocks of a batch; behind them the pieces' content follows, in order, padded to a whole block.
// padding: a block of zeros' worth is enough.
io::aligned_buffer encode_stripe_header(std::span<const stripe_piece> pieces, std::uint64_t nonce, std::uint64_t place);
// All pieces of whole batches in an area, in the order of the ring's places. Nothing in it is trusted; never fails.
std::vector<stripe_piece> scan_stripes(std::span<const std::byte> area, std::uint64_t nonce);

}  // namespace vds::array::format
