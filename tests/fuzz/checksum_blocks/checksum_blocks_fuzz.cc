// A region block or sum block of anybody's making: decoding it touches nothing beyond it, and what is accepted encodes
// to an equal one. The checksum is put right, so that the fuzzer gets behind it.
#include <cstring>

#include "array/format/checksum_blocks.h"
#include "base/checksum.h"

using namespace vds;
using namespace vds::array::format;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::array<std::byte, 4096> raw{};
  std::memcpy(raw.data(), data, std::min(size, raw.size()));
  constexpr std::size_t sum_at = offsetof(raw_sum_block, crc32c);
  static_assert(sum_at == offsetof(raw_region_block, crc32c));
  guid drive;
  std::memcpy(drive.bytes.data(), raw.data() + offsetof(raw_sum_block, drive_id), 16);
  const std::uint64_t place = load<le64>(raw.data() + offsetof(raw_sum_block, place));
  (void)decode_sums(raw, drive, place);
  (void)decode_regions(raw, drive, place);
  std::memset(raw.data() + sum_at, 0, 4);
  store<le32>(raw.data() + sum_at, crc32c(raw));
  std::array<std::byte, 4096> again{};
  if (const auto image = decode_sums(raw, drive, place)) {
    always(image->generation >= 1 && image->generation <= 63);
    encode(*image, drive, place, again);
    const auto back = decode_sums(again, drive, place);
    always(back && back->generation == image->generation && back->sums == image->sums);
  }
  if (const auto image = decode_regions(raw, drive, place)) {
    encode(*image, drive, place, again);
    const auto back = decode_regions(again, drive, place);
    always(back && back->generation == image->generation && back->states == image->states);
    for (const auto s : image->states) always(region_state::decoded(s).generation <= 63);
  }
  return 0;
}
