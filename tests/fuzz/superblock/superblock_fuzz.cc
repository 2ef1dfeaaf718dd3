// A superblock or write-intent block of anybody's making: decoding it touches nothing beyond it, and what is accepted
// encodes to an equal one. The checksum is put right, so that the fuzzer gets behind it.
#include <cstring>

#include "array/format/intent_block.h"
#include "array/format/superblock.h"
#include "base/checksum.h"

using namespace vds;
using namespace vds::array::format;

namespace {

void with_checksum(std::array<std::byte, 4096>& raw) {
  constexpr std::size_t at = offsetof(raw_superblock, crc32c);
  static_assert(at == offsetof(raw_intent_block, crc32c));
  std::memset(raw.data() + at, 0, 4);
  store<le32>(raw.data() + at, crc32c(raw));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::array<std::byte, 4096> raw{};
  std::memcpy(raw.data(), data, std::min(size, raw.size()));
  const std::span<const std::byte, 4096> view(raw);
  (void)decode_superblock(view, 0);
  with_checksum(raw);
  const std::uint64_t place = load<le64>(raw.data() + offsetof(raw_superblock, place));
  if (const auto sb = decode_superblock(view, place)) {
    std::array<std::byte, 4096> again{};
    encode(*sb, place, again);
    const auto back = decode_superblock(again, place);
    always(back && *back == *sb);
    // What is accepted can be computed with.
    always(sb->extent_offset(sb->extents) <= sb->drive_bytes);
    for (const auto copy : superblock_places(sb->drive_bytes)) always(copy + 4096 <= sb->drive_bytes);
  }
  guid drive;
  std::memcpy(drive.bytes.data(), raw.data() + offsetof(raw_intent_block, drive_id), 16);
  const std::uint64_t intent_place = load<le64>(raw.data() + offsetof(raw_intent_block, place));
  if (const auto image = decode_intent(view, drive, intent_place)) {
    std::array<std::byte, 4096> again{};
    encode(*image, drive, intent_place, again);
    always(decode_intent(again, drive, intent_place) == *image);
  }
  return 0;
}
