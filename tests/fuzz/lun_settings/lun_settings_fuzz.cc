// What a LUN keeps for its initiators (docs/format/lun_settings.md). What can be read is written the same again.
#include <cstdint>
#include <span>

#include "iscsi/scsi/persistence.h"

using namespace vds::iscsi;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto once = decode_settings(std::as_bytes(std::span(data, size)));
  if (!once) return 0;
  const auto bytes = encode(*once);
  const auto again = decode_settings(bytes);
  if (!again || encode(*again) != bytes) __builtin_trap();
  return 0;
}
