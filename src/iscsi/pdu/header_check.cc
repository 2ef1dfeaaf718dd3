#include "iscsi/pdu/header_check.h"

#include <fmt/format.h>

namespace vds::iscsi {
namespace {

failure refused(const bhs& header, const char* why) {
  return {errc::protocol, fmt::format("PDU with opcode {:#04x}: {}", header.opcode_byte & 0x3f, why)};
}

// May this PDU carry data at all?
bool carries_data(opcode op) {
  switch (op) {
    case opcode::nop_out:
    case opcode::scsi_command:
    case opcode::login_request:
    case opcode::text_request:
    case opcode::data_out:
      return true;
    default:
      return false;
  }
}

}  // namespace

status check_header(const bhs& header, phase where, std::uint32_t max_data_segment) {
  const opcode op = header.op();
  const std::uint32_t length = header.data_length;
  if (where == phase::login) {
    if (op != opcode::login_request) return refused(header, "before login");
    if (header.ahs_words != 0) return refused(header, "AHS in a login request");
    if (length > max_login_data) return refused(header, "login request above 8192 bytes");
    return {};
  }
  if (header.ahs_words != 0 && op != opcode::scsi_command) return refused(header, "AHS where none may be");
  if (header.ahs_words > max_ahs_words) return refused(header, "AHS too long");
  if (length > max_data_segment) return refused(header, "data segment above what was declared");
  if (length != 0 && !carries_data(op)) return refused(header, "data where none may be");
  if (op == opcode::text_request && length > max_text_data) return refused(header, "text request above 8192 bytes");
  return {};
}

result<ahs_view> parse_ahs(std::span<const std::byte> ahs) {
  ahs_view view;
  while (!ahs.empty()) {
    if (ahs.size() < 4) return failure(errc::protocol, "AHS cut short");
    const std::size_t length = load<be16>(ahs.data());  // of what follows the type
    const auto type = std::to_integer<std::uint8_t>(ahs[2]);
    if (length == 0 || length + 3 > ahs.size()) return failure(errc::protocol, "AHS longer than its room");
    switch (type) {
      case 1:  // extended CDB; the first of its bytes is reserved
        if (!view.extended_cdb.empty()) return failure(errc::protocol, "two extended CDBs");
        view.extended_cdb = ahs.subspan(4, length - 1);
        break;
      case 2:
        if (length != 5) return failure(errc::protocol, "AHS of bidirectional read length has a wrong length");
        view.bidi_read_length = load<be32>(ahs.data() + 4);
        break;
      default:
        return failure(errc::protocol, "unknown AHS type");
    }
    const std::size_t whole = padded(length + 3);
    if (whole > ahs.size()) return failure(errc::protocol, "AHS without its padding");
    ahs = ahs.subspan(whole);
  }
  return view;
}

}  // namespace vds::iscsi
