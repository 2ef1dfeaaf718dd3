// lun_address.h: the LUN field of a PDU as a number (SAM-5 4.7.7): peripheral, flat space or extended flat space
// addressing of a single level; anything else is no LUN of ours.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "iscsi/pdu/bhs.h"
#include "iscsi/scsi/lun_directory.h"

namespace vds::iscsi {

inline std::optional<std::uint32_t> lun_number(const lun_field& f) {
  const auto rest_is_zero = [&f](std::size_t from) {
    return std::all_of(f.begin() + static_cast<std::ptrdiff_t>(from), f.end(), [](std::uint8_t b) { return b == 0; });
  };
  if (f[0] == extended_flat && rest_is_zero(4))
    return std::uint32_t{f[1]} << 16 | std::uint32_t{f[2]} << 8 | std::uint32_t{f[3]};
  if (!rest_is_zero(2)) return std::nullopt;
  const int method = f[0] >> 6;
  if (method == 0 && f[0] == 0) return f[1];
  if (method == 1) return static_cast<std::uint32_t>((f[0] & 0x3f) << 8 | f[1]);
  return std::nullopt;
}

}  // namespace vds::iscsi
