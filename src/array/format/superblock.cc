#include "array/format/superblock.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "array/format/checksum_blocks.h"
#include "array/format/intent_block.h"
#include "base/checksum.h"
#include "base/units.h"

namespace vds::array::format {
namespace {
constexpr std::array<char, 8> magic = {'V', 'D', 'S', 'D', 'R', 'I', 'V', 'E'};
constexpr std::uint64_t head_bytes = 128_KiB, tail_bytes = 64_KiB;

std::uint32_t checksum_of(raw_superblock raw) {
  raw.crc32c = 0;
  return crc32c(std::as_bytes(std::span(&raw, 1)));
}

// Each part lies behind the one before, on whole blocks, and the last one ends before the last copy.
bool sensible(const superblock& sb) {
  const auto whole = [](std::uint64_t n) { return n % format_block == 0; };
  constexpr std::uint64_t limit = std::uint64_t{1} << 60;  // keeps every sum below within 64 bits
  const auto fields = {sb.intent_offset, sb.intent_bytes, sb.log_offset,      sb.log_bytes,
                       sb.data_offset,   sb.drive_bytes,  sb.checksum_offset, sb.checksum_bytes};
  if (std::any_of(fields.begin(), fields.end(), [](std::uint64_t n) { return n > limit; })) return false;
  if (!whole(sb.intent_offset) || !whole(sb.intent_bytes) || !whole(sb.log_offset) || !whole(sb.log_bytes) ||
      !whole(sb.data_offset) || !whole(sb.checksum_offset) || !whole(sb.checksum_bytes))
    return false;
  if (!std::has_single_bit(sb.extent_bytes) || sb.extent_bytes < 64_KiB || sb.extent_bytes > 1_GiB) return false;
  if (!std::has_single_bit(sb.logical_block) || sb.logical_block < 512 || sb.logical_block > 4096) return false;
  if (sb.extents == 0 || sb.extents > UINT32_MAX || sb.log_bytes < 128_KiB || sb.log_bytes > 256_MiB) return false;
  std::uint64_t parts_end = sb.log_offset + 2 * sb.log_bytes;
  if (sb.checksums()) {
    if (sb.checksum_offset < parts_end || sb.checksum_bytes < checksum_bytes_for(sb.extents * sb.extent_bytes))
      return false;
    parts_end = sb.checksum_offset + sb.checksum_bytes;
  }
  return sb.intent_offset >= head_bytes && sb.intent_bytes / format_block >= intent_blocks_for(sb.extents) &&
         sb.log_offset >= sb.intent_offset + sb.intent_bytes && sb.data_offset >= parts_end &&
         sb.data_offset + sb.extents * sb.extent_bytes + tail_bytes <= sb.drive_bytes;
}
}  // namespace

std::array<std::uint64_t, superblock_copies> superblock_places(std::uint64_t drive_bytes) {
  const std::uint64_t last = drive_bytes < tail_bytes ? 0 : round_down(drive_bytes, format_block) - format_block;
  return {0, 64_KiB, last};
}

result<superblock> plan_drive(std::uint64_t drive_bytes, std::uint32_t logical_block, std::uint32_t extent_bytes,
                              bool checksums) {
  superblock sb;
  sb.drive_bytes = drive_bytes;
  sb.logical_block = logical_block;
  sb.extent_bytes = extent_bytes;
  sb.intent_offset = head_bytes;
  sb.intent_bytes = intent_blocks_for(drive_bytes / extent_bytes) * format_block;
  sb.log_offset = round_up(sb.intent_offset + sb.intent_bytes, 64_KiB);
  // 16 MiB hold some 70,000 LUNs; larger drives can be part of larger arrays.
  sb.log_bytes = std::max(std::clamp(round_up(drive_bytes / 64, 64_KiB), 256_KiB, 16_MiB),
                          std::min(round_up(drive_bytes / 2048, 64_KiB), 64_MiB));
  std::uint64_t parts_end = sb.log_offset + 2 * sb.log_bytes;
  if (checksums) {
    sb.checksum_offset = parts_end;
    sb.checksum_bytes = checksum_bytes_for(drive_bytes);
    parts_end += sb.checksum_bytes;
  }
  sb.data_offset = round_up(parts_end, std::max<std::uint64_t>(1_MiB, extent_bytes));
  const std::uint64_t taken = sb.data_offset + tail_bytes;
  if (drive_bytes > taken) sb.extents = std::min<std::uint64_t>((drive_bytes - taken) / extent_bytes, UINT32_MAX);
  if (sb.extents == 0)
    return failure(errc::no_space,
                   fmt::format("a drive needs at least {} bytes, this one has {}", taken + extent_bytes, drive_bytes));
  return sb;
}

void encode(const superblock& sb, std::uint64_t place, std::span<std::byte, 4096> out) {
  raw_superblock raw{};
  raw.magic = magic;
  raw.major = format_major;
  raw.generation = sb.generation;
  raw.place = place;
  raw.array_id = sb.array_id.bytes;
  raw.drive_id = sb.drive_id.bytes;
  raw.drive_bytes = sb.drive_bytes;
  raw.logical_block = sb.logical_block;
  raw.extent_bytes = sb.extent_bytes;
  raw.slot = sb.slot;
  raw.epoch = sb.epoch;
  raw.intent_offset = sb.intent_offset;
  raw.intent_bytes = sb.intent_bytes;
  raw.log_offset = sb.log_offset;
  raw.log_bytes = sb.log_bytes;
  raw.data_offset = sb.data_offset;
  raw.extents = sb.extents;
  raw.incompatible = sb.checksums() ? feature_checksums : 0;
  raw.checksum_offset = sb.checksum_offset;
  raw.checksum_bytes = sb.checksum_bytes;
  raw.crc32c = checksum_of(raw);
  std::memcpy(out.data(), &raw, sizeof raw);
}

result<superblock> decode_superblock(std::span<const std::byte, 4096> in, std::uint64_t place) {
  raw_superblock raw;
  std::memcpy(&raw, in.data(), sizeof raw);
  if (raw.magic != magic) return errc::not_ours;
  if (checksum_of(raw) != raw.crc32c) return failure(errc::bad_checksum, "superblock");
  if (raw.major != format_major)
    return failure(errc::too_new, fmt::format("superblock of version {}, this program knows {}",
                                              static_cast<unsigned>(raw.major), format_major));
  if (const std::uint64_t unknown = raw.incompatible & ~feature_checksums; unknown != 0)
    return failure(errc::too_new, fmt::format("superblock with unknown features {:#x}", unknown));
  if (raw.place != place) return failure(errc::corrupt, "superblock that belongs elsewhere on the drive");
  superblock sb;
  sb.array_id.bytes = raw.array_id;
  sb.drive_id.bytes = raw.drive_id;
  sb.generation = raw.generation;
  sb.epoch = raw.epoch;
  sb.drive_bytes = raw.drive_bytes;
  sb.logical_block = raw.logical_block;
  sb.extent_bytes = raw.extent_bytes;
  sb.slot = raw.slot;
  sb.intent_offset = raw.intent_offset;
  sb.intent_bytes = raw.intent_bytes;
  sb.log_offset = raw.log_offset;
  sb.log_bytes = raw.log_bytes;
  sb.data_offset = raw.data_offset;
  sb.extents = raw.extents;
  if ((raw.incompatible & feature_checksums) != 0) {
    sb.checksum_offset = raw.checksum_offset;
    sb.checksum_bytes = raw.checksum_bytes;
    if (!sb.checksums()) return failure(errc::corrupt, "superblock with checksums that are nowhere");
  }
  if (!sensible(sb) || !sb.array_id || !sb.drive_id)
    return failure(errc::corrupt, "superblock whose parts do not fit together");
  return sb;
}

}  // namespace vds::array::format
