// pdu.h: the PDUs of connection-oriented DCE/RPC (C706 chapter 12, [MS-RPCE] 2.2.2), as far as this project speaks
// them: version 5.0, little endian, no authentication trailer (local connections; a PDU that has one is refused).
// parse() reads one whole PDU; the write functions append one. Pure: bytes in, bytes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "wire/ndr/encoder.h"
#include "wire/ndr/uuid.h"

namespace vds::wire::rpc {

using ndr::buffer;

enum class ptype : std::uint8_t {
  request = 0,
  response = 2,
  fault = 3,
  bind = 11,
  bind_ack = 12,
  bind_nak = 13,
  alter_context = 14,
  alter_context_resp = 15,
  co_cancel = 18,
  orphaned = 19,
};

namespace flag {
inline constexpr std::uint8_t first = 0x01, last = 0x02, pending_cancel = 0x04, multiplexed = 0x10,
                              did_not_execute = 0x20, maybe = 0x40, object = 0x80;
}

inline constexpr std::size_t header_bytes = 16;
inline constexpr std::size_t request_bytes = 40;       // header, hint, context, opnum, object uuid
inline constexpr std::size_t response_bytes = 24;      // header, hint, context, cancel count
inline constexpr std::uint16_t least_fragment = 1432;  // what every implementation must accept
inline constexpr std::uint16_t our_fragment = 65528;
inline constexpr std::size_t max_context_items = 64;  // in one bind

// Fault status codes.
inline constexpr std::uint32_t nca_op_range = 0x1c010002;
inline constexpr std::uint32_t nca_unknown_interface = 0x1c010003;
inline constexpr std::uint32_t nca_proto_error = 0x1c01000b;
inline constexpr std::uint32_t nca_too_busy = 0x1c010014;
inline constexpr std::uint32_t nca_unspecified = 0x1c000012;
inline constexpr std::uint32_t bad_stub_data = 1783;

struct syntax {
  uuid id;
  std::uint32_t version = 0;  // major in the low half
  bool operator==(const syntax&) const = default;
};
inline constexpr syntax ndr20{{0x8a885d04, 0x1ceb, 0x11c9, {0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}}, 2};

struct header {
  ptype type{};
  std::uint8_t flags = 0;
  std::uint16_t fragment_bytes = 0;
  std::uint16_t auth_bytes = 0;
  std::uint32_t call_id = 0;
};

struct context_item {
  std::uint16_t id = 0;
  syntax abstract;
  std::vector<syntax> transfer;
};
enum class bind_result : std::uint16_t { acceptance = 0, user_rejection = 1, provider_rejection = 2 };
struct context_result {
  bind_result result{};
  std::uint16_t reason = 0;
  syntax transfer;
};

// One parsed PDU. `stub` is a view into the bytes given to parse(); only the members that its type has are filled.
struct pdu {
  header head;
  std::uint32_t alloc_hint = 0;  // never trusted: nothing is allocated by it
  std::uint16_t context = 0;
  std::uint16_t opnum = 0;
  uuid object;
  std::uint32_t status = 0;
  std::uint16_t max_send = 0;
  std::uint16_t max_receive = 0;
  std::uint32_t association = 0;
  std::vector<context_item> items;
  std::vector<context_result> results;
  std::span<const std::byte> stub;
};

// The first 16 bytes. Fails on anything but version 5, little endian, a known size and no authentication.
result<header> parse_header(std::span<const std::byte> bytes);
// A whole PDU: bytes.size() == fragment_bytes.
result<pdu> parse(std::span<const std::byte> bytes);

void write_bind(buffer& out, ptype type, std::uint32_t call_id, std::uint32_t association,
                std::span<const context_item> items);
void write_bind_ack(buffer& out, ptype type, std::uint32_t call_id, std::uint16_t max_fragment,
                    std::uint32_t association, std::span<const context_result> results);
void write_fault(buffer& out, std::uint32_t call_id, std::uint16_t context, std::uint32_t status);

// A request or response whose stub data was written behind `request_bytes`/`response_bytes` of room at the front of
// `message`. One fragment is finished in place; more are copied to `spill`, and the view returned is what to send.
struct request_head {
  std::uint32_t call_id = 0;
  std::uint16_t context = 0;
  std::uint16_t opnum = 0;
  uuid object;
};
std::span<const std::byte> finish_request(buffer& message, const request_head& head, std::uint16_t max_fragment,
                                          buffer& spill);
std::span<const std::byte> finish_response(buffer& message, std::uint32_t call_id, std::uint16_t context,
                                           std::uint16_t max_fragment, buffer& spill);

}  // namespace vds::wire::rpc
