// A stripe journal's area of anybody's making: scanning it touches nothing beyond it, and every piece found lies
// within. The first batch's and the head's checksums are put right, so that the fuzzer gets behind them.
#include <cstring>

#include "array/format/stripe_batch.h"
#include "base/checksum.h"

using namespace vds;
using namespace vds::array::format;

namespace {

void check(std::span<const std::byte> area, std::uint64_t nonce) {
  for (const auto& p : scan_stripes(area, nonce)) {
    if (p.zeros) continue;
    always(p.found.size() == p.bytes);
    always(p.found.data() >= area.data() + stripe_ring_at && p.found.data() + p.bytes <= area.data() + area.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> area(64 * 1024);
  std::memcpy(area.data() + stripe_ring_at, data, std::min(size, area.size() - stripe_ring_at));
  raw_stripe_batch raw;
  std::memcpy(&raw, area.data() + stripe_ring_at, sizeof raw);
  check(area, raw.nonce);
  const std::size_t bytes = std::size_t{raw.blocks} * format_block;
  if (bytes >= format_block && bytes <= area.size() - stripe_ring_at) {
    std::byte* batch = area.data() + stripe_ring_at;
    std::memset(batch + offsetof(raw_stripe_batch, crc32c), 0, 4);
    store<le32>(batch + offsetof(raw_stripe_batch, crc32c), crc32c({batch, bytes}));
    check(area, raw.nonce);
  }
  std::array<std::byte, 4096> head{};
  std::memcpy(head.data(), data, std::min(size, head.size()));
  std::memset(head.data() + offsetof(raw_stripe_head, crc32c), 0, 4);
  store<le32>(head.data() + offsetof(raw_stripe_head, crc32c), crc32c(head));
  guid drive;
  std::memcpy(drive.bytes.data(), head.data() + offsetof(raw_stripe_head, drive_id), 16);
  if (const auto decoded = decode_stripe_head(head, drive)) {
    std::array<std::byte, 4096> again{};
    encode(*decoded, drive, again);
    always(decode_stripe_head(again, drive) == *decoded);
  }
  return 0;
}
