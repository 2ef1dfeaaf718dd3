#include "array/format/intent_block.h"

#include "base/checksum.h"

namespace vds::array::format {
namespace {
constexpr std::array<char, 8> magic = {'V', 'D', 'S', 'I', 'N', 'T', 'N', 'T'};
std::uint32_t checksum_of(raw_intent_block raw) {
  raw.crc32c = 0;
  return crc32c(std::as_bytes(std::span(&raw, 1)));
}
}  // namespace

void encode(const intent_image& bits, const guid& drive, std::uint64_t place, std::span<std::byte, 4096> out) {
  raw_intent_block raw{};
  raw.magic = magic;
  raw.major = format_major;
  raw.drive_id = drive.bytes;
  raw.place = place;
  raw.bits = bits;
  raw.crc32c = checksum_of(raw);
  std::memcpy(out.data(), &raw, sizeof raw);
}

result<intent_image> decode_intent(std::span<const std::byte, 4096> in, const guid& drive, std::uint64_t place) {
  raw_intent_block raw;
  std::memcpy(&raw, in.data(), sizeof raw);
  if (raw.magic != magic) return errc::not_ours;
  if (checksum_of(raw) != raw.crc32c) return errc::bad_checksum;
  if (raw.major != format_major) return errc::too_new;
  if (raw.drive_id != drive.bytes || raw.place != place) return errc::corrupt;
  return raw.bits;
}

}  // namespace vds::array::format
