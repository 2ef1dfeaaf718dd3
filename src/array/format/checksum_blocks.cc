#include "array/format/checksum_blocks.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/units.h"

namespace vds::array::format {
namespace {
constexpr std::array<char, 8> regions_magic = {'V', 'D', 'S', 'R', 'E', 'G', 'I', 'O'};
constexpr std::array<char, 8> sums_magic = {'V', 'D', 'S', 'C', 'S', 'U', 'M', 'S'};

template <class Raw>
std::uint32_t checksum_of(Raw raw) {
  raw.crc32c = 0;
  return crc32c(std::as_bytes(std::span(&raw, 1)));
}
template <class Raw>
void begin(Raw& raw, const std::array<char, 8>& magic, const guid& drive, std::uint64_t place) {
  raw.magic = magic;
  raw.major = format_major;
  raw.drive_id = drive.bytes;
  raw.place = place;
}
template <class Raw>
void finish(Raw& raw, std::span<std::byte, 4096> out) {
  raw.crc32c = checksum_of(raw);
  std::memcpy(out.data(), &raw, sizeof raw);
}
template <class Raw>
result<Raw> checked(std::span<const std::byte, 4096> in, const std::array<char, 8>& magic, const guid& drive,
                    std::uint64_t place) {
  Raw raw;
  std::memcpy(&raw, in.data(), sizeof raw);
  if (raw.magic != magic) return errc::not_ours;
  if (checksum_of(raw) != raw.crc32c) return errc::bad_checksum;
  if (raw.major != format_major) return errc::too_new;
  if (raw.drive_id != drive.bytes || raw.place != place) return errc::corrupt;
  return raw;
}
std::uint64_t regions_for(std::uint64_t data_bytes) { return (data_bytes + region_bytes - 1) / region_bytes; }
std::uint64_t region_blocks_for(std::uint64_t regions) { return (regions + regions_per_block - 1) / regions_per_block; }
}  // namespace

std::uint64_t checksum_bytes_for(std::uint64_t data_bytes) {
  const std::uint64_t regions = regions_for(data_bytes);
  return (2 * region_blocks_for(regions) + regions) * format_block;
}

checksum_layout checksums_of(const superblock& sb) {
  checksum_layout l;
  l.drive = sb.drive_id;
  l.data_offset = sb.data_offset;
  l.data_bytes = sb.extents * sb.extent_bytes;
  l.regions = static_cast<std::uint32_t>(regions_for(l.data_bytes));
  l.regions_offset = sb.checksum_offset;
  l.sums_offset = sb.checksum_offset + 2 * region_blocks_for(l.regions) * format_block;
  return l;
}

void encode(const region_image& image, const guid& drive, std::uint64_t place, std::span<std::byte, 4096> out) {
  raw_region_block raw{};
  begin(raw, regions_magic, drive, place);
  raw.generation = image.generation;
  raw.states = image.states;
  finish(raw, out);
}

result<region_image> decode_regions(std::span<const std::byte, 4096> in, const guid& drive, std::uint64_t place) {
  auto raw = checked<raw_region_block>(in, regions_magic, drive, place);
  if (!raw) return std::move(raw).error();
  region_image image;
  image.generation = raw->generation;
  image.states = raw->states;
  for (const auto s : image.states)
    if (region_state::decoded(s).encoded() != s) return errc::corrupt;
  return image;
}

void encode(const sum_image& image, const guid& drive, std::uint64_t place, std::span<std::byte, 4096> out) {
  raw_sum_block raw{};
  begin(raw, sums_magic, drive, place);
  raw.generation = image.generation;
  std::copy(image.sums.begin(), image.sums.end(), raw.sums.begin());
  finish(raw, out);
}

result<sum_image> decode_sums(std::span<const std::byte, 4096> in, const guid& drive, std::uint64_t place) {
  auto raw = checked<raw_sum_block>(in, sums_magic, drive, place);
  if (!raw) return std::move(raw).error();
  if (raw->generation == 0 || raw->generation > 63) return errc::corrupt;
  sum_image image;
  image.generation = raw->generation;
  std::copy(raw->sums.begin(), raw->sums.end(), image.sums.begin());
  return image;
}

block_sum::block_sum(const guid& drive) : drive_(crc32c(std::as_bytes(std::span(drive.bytes)))) {}

std::uint32_t block_sum::begin(std::uint64_t block) const {
  const le64 number = block;
  return crc32c(std::as_bytes(std::span(&number, 1)), drive_);
}

std::uint32_t block_sum::of(std::uint64_t block, std::span<const std::byte> data) const {
  return end(crc32c(data, begin(block)));
}

}  // namespace vds::array::format
