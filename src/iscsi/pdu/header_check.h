// header_check.h: what a received header must satisfy before a byte is allocated or read for it.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "iscsi/pdu/bhs.h"

namespace vds::iscsi {

inline constexpr std::uint32_t max_login_data = 8192;
inline constexpr std::uint32_t max_text_data = 8192;
inline constexpr std::uint8_t max_ahs_words = 255 - 3;  // as much as the field can say, in whole segments

enum class phase : std::uint8_t { login, full_feature };

// The lengths that this PDU announces are allowed: its AHS for its opcode, its data for the phase and for what we
// declared (MaxRecvDataSegmentLength). A failure ends the connection: what follows on the stream cannot be trusted.
status check_header(const bhs& header, phase where, std::uint32_t max_data_segment);

// AHS of a SCSI command: types and lengths consistent (RFC 7143 11.2.2). extended_cdb: bytes of CDB beyond the sixteen
// of the header; bidi_read_length: present if non-zero.
struct ahs_view {
  std::span<const std::byte> extended_cdb;
  std::uint32_t bidi_read_length = 0;
};
result<ahs_view> parse_ahs(std::span<const std::byte> ahs);

}  // namespace vds::iscsi
