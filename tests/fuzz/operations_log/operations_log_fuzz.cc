// An area of the operations log of anybody's making. The input is payloads (a 16-bit length before each); they are put
// into batches with right checksums, so that the fuzzer gets at the records; and the raw bytes are scanned as they are,
// too. Nothing crashes; what is read, written again, reads the same.
#include <algorithm>
#include <cstdint>

#include "base/assert.h"
#include "service/operations/log_format.h"

using namespace vds;
using namespace vds::service;

namespace {

void read(std::span<const std::byte> area) {
  const auto seen = log_format::scan(area, 7, 0);
  for (const log_format::batch& b : seen.batches) {
    const auto changes = log_format::read_changes(b.payload);
    if (!changes) continue;
    codec::bytes again;
    for (const log_format::change& c : *changes) log_format::append(again, c);
    const auto same = log_format::read_changes(again);
    always(same.has_value() && same->size() == changes->size());
    for (std::size_t i = 0; i < same->size(); ++i) {
      always((*same)[i].kind == (*changes)[i].kind && (*same)[i].record.id == (*changes)[i].record.id);
      always((*same)[i].record.owner == (*changes)[i].record.owner);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> raw(reinterpret_cast<const std::byte*>(data), size);
  read(raw);
  if (size >= log_format::block) (void)log_format::decode_head(raw.first<log_format::block>());
  std::vector<std::byte> area;
  std::uint64_t sequence = 1;
  for (auto left = raw; left.size() >= 2 && area.size() < (1 << 20);) {
    const auto n = std::min<std::size_t>(
        std::to_integer<std::size_t>(left[0]) | std::to_integer<std::size_t>(left[1]) << 8, left.size() - 2);
    const auto payload = left.subspan(2, n);
    const std::size_t at = area.size();
    area.resize(at + log_format::batch_bytes(n));
    log_format::encode_batch(7, sequence++, payload, std::span(area).subspan(at));
    left = left.subspan(2 + n);
  }
  read(area);
  return 0;
}
