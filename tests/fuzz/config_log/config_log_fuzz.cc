// A log area of anybody's making. The input is a list of payloads (a 16-bit length before each); they are put into
// batches with right checksums and chained, so that the fuzzer gets at the records; and the raw bytes are scanned as
// they are, too. Nothing crashes; a configuration that is accepted survives a snapshot of itself unchanged.
#include <cstring>

#include "array/assembly/config.h"
#include "array/format/batch.h"
#include "base/units.h"

using namespace vds;
using namespace vds::array;

namespace {

const guid array_id{{1}};

std::vector<std::byte> area_of(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> area;
  format::batch_header h;
  h.array_id = array_id;
  h.cycle = 1;
  h.flags = format::seal;
  while (size >= 2 && area.size() < 1_MiB) {
    const std::size_t n = std::min<std::size_t>(data[0] | data[1] << 8, size - 2);
    data += 2, size -= 2;
    h.place = area.size();
    std::uint32_t crc = 0;
    const auto batch = format::encode_batch(h, {reinterpret_cast<const std::byte*>(data), n}, crc);
    area.insert(area.end(), batch.span().begin(), batch.span().end());
    data += n, size -= n;
    h.index += 1;
    h.sequence += 1;
    h.previous_crc = crc;
  }
  return area;
}

format::bytes snapshot_of(const assembly::config& c) {
  format::bytes out;
  c.encode_head(out);
  std::map<guid, std::shared_ptr<const format::lun_record>> sorted(c.luns.begin(), c.luns.end());
  for (const auto& [id, lun] : sorted) format::append(out, *lun);
  c.encode_tail(out);
  return out;
}

void replay(std::span<const std::byte> area) {
  const auto scan = format::scan_area(area, array_id, 0);
  always(scan.tail <= area.size());
  assembly::config c;
  c.array_id = array_id;
  for (const auto payload : scan.payloads)
    if (!c.apply(payload)) return;
  const auto space = c.check();
  if (!space) return;
  const auto first = snapshot_of(c);
  assembly::config again;
  again.array_id = array_id;
  always(again.apply(first).has_value());
  always(again.check().has_value());
  always(snapshot_of(again) == first);
  always(again.encoded_bytes == c.encoded_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  replay({reinterpret_cast<const std::byte*>(data), size});
  const auto area = area_of(data, size);
  replay(area);
  return 0;
}
