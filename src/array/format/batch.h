// batch.h: the unit of the configuration log: docs/format/config-log.md. A batch is one write: a header and records,
// padded to whole 4096-byte blocks, under one checksum; so it is there whole or not at all. Each drive carries two log
// areas; a batch says in which place of which drive area, cycle and history it belongs.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "array/format/superblock.h"

namespace vds::array::format {

struct raw_batch_header {
  std::array<char, 8> magic;
  le16 major, minor;
  le32 crc32c;  // of the whole batch, this field taken as zero
  le32 blocks;  // of 4096 bytes
  le32 payload_bytes;
  std::array<std::uint8_t, 16> array_id;
  le64 place;        // byte offset on the drive
  le64 cycle;        // of the area: each reuse of either area counts one up
  le64 index;        // ordinal within the cycle, from 0
  le64 sequence;     // of the configuration after this batch; snapshot chunks: of the one they are based on
  le64 epoch;        // membership: raised whenever it changes and at each assembly
  le64 incarnation;  // random, one per epoch: tells two histories that share an epoch apart
  le32 flags;
  le32 previous_crc;  // of the batch before, 0 for the first
  std::array<std::byte, 32> reserved;
};
static_assert(sizeof(raw_batch_header) == 128 && alignof(raw_batch_header) == 1);
static_assert(offsetof(raw_batch_header, place) == 40 && offsetof(raw_batch_header, flags) == 88);

enum batch_flag : std::uint32_t {
  chunk = 1,  // part of a snapshot, nothing by itself
  seal = 2,   // the snapshot before it is complete: from here on this area counts
};

struct batch_header {
  guid array_id;
  std::uint64_t place = 0, cycle = 0, index = 0, sequence = 0, epoch = 0, incarnation = 0;
  std::uint32_t flags = 0, previous_crc = 0;
};

inline constexpr std::uint32_t max_batch_blocks = 512;  // 2 MiB
inline constexpr std::size_t max_payload = max_batch_blocks * format_block - sizeof(raw_batch_header);
constexpr std::size_t batch_bytes(std::size_t payload) {
  return (payload + sizeof(raw_batch_header) + format_block - 1) / format_block * format_block;
}

struct decoded_batch {
  batch_header header;
  std::uint32_t crc = 0;
  std::size_t bytes = 0;  // of the whole batch
  std::span<const std::byte> payload;
};

// The bytes to write; `crc` gets what the next batch names as previous.
io::aligned_buffer encode_batch(const batch_header& header, std::span<const std::byte> payload, std::uint32_t& crc);
// The batch at the start of these bytes, when it is whole, of this array and at this place.
result<decoded_batch> decode_batch(std::span<const std::byte> in, const guid& array_id, std::uint64_t place);

// What one log area holds. Nothing in it is trusted; a scan never fails.
struct area_scan {
  bool sealed = false;  // a complete snapshot is there: `last` and the payloads describe a configuration
  std::uint64_t cycle = 0;
  std::uint64_t next_index = 0;
  std::size_t tail = 0;  // where the valid chain ends
  std::uint32_t last_crc = 0;
  batch_header last;  // of the chain, when sealed
  // The newest batch found anywhere in the area, chained or not: proof of what this drive once knew.
  struct witness {
    std::uint64_t epoch = 0, incarnation = 0, sequence = 0;
    bool operator==(const witness&) const = default;
  };
  std::optional<witness> newest;
  std::uint64_t highest_cycle = 0;                   // of any valid batch
  std::vector<std::span<const std::byte>> payloads;  // of the chain, in order; into the scanned bytes
};
area_scan scan_area(std::span<const std::byte> area, const guid& array_id, std::uint64_t place);

}  // namespace vds::array::format
