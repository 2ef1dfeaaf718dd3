// lun_address.h: the LUN field of a PDU as a number (SAM-5 4.7.7): peripheral or flat space addressing of a single
// level; anything else is no LUN of ours.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "iscsi/pdu/bhs.h"

namespace vds::iscsi {

inline std::optional<std::uint16_t> lun_number(const lun_field& f) {
  if (std::any_of(f.begin() + 2, f.end(), [](std::uint8_t b) { return b != 0; })) return std::nullopt;
  const int method = f[0] >> 6;
  if (method == 0 && f[0] == 0) return f[1];
  if (method == 1) return static_cast<std::uint16_t>((f[0] & 0x3f) << 8 | f[1]);
  return std::nullopt;
}

}  // namespace vds::iscsi
