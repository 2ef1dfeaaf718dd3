#include "wire/rpc/pdu.h"

#include <algorithm>
#include <cstring>

#include "wire/ndr/decoder.h"

namespace vds::wire::rpc {

namespace {

constexpr std::uint8_t version = 5;
constexpr std::uint8_t little_endian_ascii = 0x10;

bool has_minimum(ptype type, std::uint16_t fragment_bytes) {
  std::size_t least = header_bytes;
  switch (type) {
    case ptype::request:
    case ptype::response:
      least = response_bytes;
      break;
    case ptype::fault:
      least = 32;
      break;
    case ptype::bind:
    case ptype::alter_context:
    case ptype::bind_ack:
    case ptype::alter_context_resp:
      least = 28;
      break;
    case ptype::bind_nak:
      least = 18;
      break;
    case ptype::co_cancel:
    case ptype::orphaned:
      break;
    default:
      return false;
  }
  return fragment_bytes >= least;
}

syntax read_syntax(ndr::decoder& in) {
  syntax s;
  s.id = in.id();
  s.version = in.u32();
  return s;
}

void read_bind(ndr::decoder& in, pdu& p) {
  p.max_send = in.u16();
  p.max_receive = in.u16();
  p.association = in.u32();
  const std::size_t count = in.u8();
  in.take(3);
  if (count > max_context_items) in.fail(errc::too_large);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    context_item item;
    item.id = in.u16();
    const std::size_t transfers = in.u8();
    in.u8();
    item.abstract = read_syntax(in);
    if (transfers * 20 > in.remaining()) in.fail(errc::protocol);
    for (std::size_t k = 0; k < transfers && in.ok(); ++k) item.transfer.push_back(read_syntax(in));
    p.items.push_back(std::move(item));
  }
}

void read_bind_ack(ndr::decoder& in, pdu& p) {
  p.max_send = in.u16();
  p.max_receive = in.u16();
  p.association = in.u32();
  in.bytes(in.u16());  // secondary address
  in.align(4);
  const std::size_t count = in.u8();
  in.take(3);
  if (count > max_context_items) in.fail(errc::too_large);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    context_result r;
    r.result = static_cast<bind_result>(in.u16());
    r.reason = in.u16();
    r.transfer = read_syntax(in);
    p.results.push_back(r);
  }
}

void put_header(std::byte* to, ptype type, std::uint8_t flags, std::size_t fragment_bytes, std::uint32_t call_id) {
  const std::uint8_t fixed[8] = {version, 0, static_cast<std::uint8_t>(type), flags, little_endian_ascii, 0, 0, 0};
  std::memcpy(to, fixed, 8);
  const auto length = static_cast<std::uint16_t>(fragment_bytes);
  const std::uint16_t no_auth = 0;
  std::memcpy(to + 8, &length, 2);
  std::memcpy(to + 10, &no_auth, 2);
  std::memcpy(to + 12, &call_id, 4);
}

// Every control PDU is written whole behind a header that is filled in at the end.
template <class Body>
void write_control(buffer& out, ptype type, std::uint8_t flags, std::uint32_t call_id, Body&& body) {
  const std::size_t start = out.size();
  {
    ndr::encoder e(out);
    for (int i = 0; i < 4; ++i) e.u32(0);
    body(e);
  }
  put_header(out.data() + start, type, flags, out.size() - start, call_id);
}

void put_syntax(ndr::encoder& e, const syntax& s) {
  e.id(s.id);
  e.u32(s.version);
}

// Cuts message (room of head_bytes at the front, then stub data) into fragments; write_head fills each one's head.
template <class WriteHead>
std::span<const std::byte> cut(buffer& message, std::size_t head_bytes, std::uint16_t max_fragment, buffer& spill,
                               WriteHead&& write_head) {
  if (message.size() <= max_fragment) {
    write_head(message.data(), std::uint8_t{flag::first | flag::last}, message.size(), message.size() - head_bytes);
    return message;
  }
  // All but the last fragment carry a multiple of eight bytes.
  const std::size_t piece = (max_fragment - head_bytes) & ~std::size_t{7};
  const std::size_t total = message.size() - head_bytes;
  spill.clear();
  spill.reserve(message.size() + (total / piece + 1) * head_bytes);
  for (std::size_t at = 0; at < total; at += piece) {
    const std::size_t n = std::min(piece, total - at);
    const std::size_t start = spill.size();
    spill.resize(start + head_bytes);
    spill.insert(spill.end(), message.begin() + static_cast<std::ptrdiff_t>(head_bytes + at),
                 message.begin() + static_cast<std::ptrdiff_t>(head_bytes + at + n));
    const auto flags = static_cast<std::uint8_t>((at == 0 ? flag::first : 0) | (at + n == total ? flag::last : 0));
    write_head(spill.data() + start, flags, head_bytes + n, total - at);
  }
  return spill;
}

}  // namespace

result<header> parse_header(std::span<const std::byte> bytes) {
  if (bytes.size() < header_bytes) return failure(errc::protocol, "PDU shorter than its header");
  const auto at = [&](std::size_t i) { return std::to_integer<std::uint8_t>(bytes[i]); };
  if (at(0) != version || at(1) > 1) return failure(errc::protocol, "not DCE/RPC version 5");
  if (at(4) != little_endian_ascii) return failure(errc::protocol, "data representation is not little endian");
  header h;
  h.type = static_cast<ptype>(at(2));
  h.flags = at(3);
  std::memcpy(&h.fragment_bytes, bytes.data() + 8, 2);
  std::memcpy(&h.auth_bytes, bytes.data() + 10, 2);
  std::memcpy(&h.call_id, bytes.data() + 12, 4);
  if (h.auth_bytes != 0) return failure(errc::protocol, "authentication trailer on a local connection");
  if (!has_minimum(h.type, h.fragment_bytes)) return failure(errc::protocol, "PDU of unknown type or too short");
  return h;
}

result<pdu> parse(std::span<const std::byte> bytes) {
  auto head = parse_header(bytes);
  if (!head) return std::move(head).error();
  if (head->fragment_bytes != bytes.size()) return failure(errc::protocol, "PDU length");
  pdu p;
  p.head = *head;
  ndr::decoder in(bytes);
  in.take(header_bytes);
  switch (p.head.type) {
    case ptype::request:
      p.alloc_hint = in.u32();
      p.context = in.u16();
      p.opnum = in.u16();
      if (p.head.flags & flag::object) p.object = in.id();
      p.stub = in.bytes(in.remaining());
      break;
    case ptype::response:
      p.alloc_hint = in.u32();
      p.context = in.u16();
      in.u16();  // cancel count, reserved
      p.stub = in.bytes(in.remaining());
      break;
    case ptype::fault:
      p.alloc_hint = in.u32();
      p.context = in.u16();
      in.u16();
      p.status = in.u32();
      break;
    case ptype::bind:
    case ptype::alter_context:
      read_bind(in, p);
      break;
    case ptype::bind_ack:
    case ptype::alter_context_resp:
      read_bind_ack(in, p);
      break;
    case ptype::bind_nak:
      p.status = in.u16();
      break;
    default:
      break;
  }
  if (!in.ok()) return failure(in.error(), "PDU body");
  return p;
}

void write_bind(buffer& out, ptype type, std::uint32_t call_id, std::uint32_t association,
                std::span<const context_item> items) {
  write_control(out, type, flag::first | flag::last, call_id, [&](ndr::encoder& e) {
    e.u16(our_fragment);
    e.u16(our_fragment);
    e.u32(association);
    e.u32(static_cast<std::uint8_t>(items.size()));
    for (const context_item& item : items) {
      e.u16(item.id);
      e.u16(static_cast<std::uint8_t>(item.transfer.size()));
      put_syntax(e, item.abstract);
      for (const syntax& s : item.transfer) put_syntax(e, s);
    }
  });
}

void write_bind_ack(buffer& out, ptype type, std::uint32_t call_id, std::uint16_t max_fragment,
                    std::uint32_t association, std::span<const context_result> results) {
  write_control(out, type, flag::first | flag::last, call_id, [&](ndr::encoder& e) {
    e.u16(max_fragment);
    e.u16(max_fragment);
    e.u32(association);
    e.u16(1);  // secondary address: empty, with its NUL
    e.u8(0);
    e.align(4);
    e.u32(static_cast<std::uint8_t>(results.size()));
    for (const context_result& r : results) {
      e.u16(static_cast<std::uint16_t>(r.result));
      e.u16(r.reason);
      put_syntax(e, r.transfer);
    }
  });
}

void write_fault(buffer& out, std::uint32_t call_id, std::uint16_t context, std::uint32_t status) {
  write_control(out, ptype::fault, flag::first | flag::last, call_id, [&](ndr::encoder& e) {
    e.u32(0);
    e.u16(context);
    e.u16(0);
    e.u32(status);
    e.u32(0);
  });
}

std::span<const std::byte> finish_request(buffer& message, const request_head& head, std::uint16_t max_fragment,
                                          buffer& spill) {
  return cut(message, request_bytes, max_fragment, spill,
             [&head](std::byte* to, std::uint8_t flags, std::size_t fragment, std::size_t hint) {
               put_header(to, ptype::request, flags | flag::object, fragment, head.call_id);
               const auto alloc_hint = static_cast<std::uint32_t>(hint);
               std::memcpy(to + 16, &alloc_hint, 4);
               std::memcpy(to + 20, &head.context, 2);
               std::memcpy(to + 22, &head.opnum, 2);
               std::memcpy(to + 24, &head.object, 16);
             });
}

std::span<const std::byte> finish_response(buffer& message, std::uint32_t call_id, std::uint16_t context,
                                           std::uint16_t max_fragment, buffer& spill) {
  return cut(message, response_bytes, max_fragment, spill,
             [call_id, context](std::byte* to, std::uint8_t flags, std::size_t fragment, std::size_t hint) {
               put_header(to, ptype::response, flags, fragment, call_id);
               const auto alloc_hint = static_cast<std::uint32_t>(hint);
               const std::uint16_t none = 0;
               std::memcpy(to + 16, &alloc_hint, 4);
               std::memcpy(to + 20, &context, 2);
               std::memcpy(to + 22, &none, 2);
             });
}

}  // namespace vds::wire::rpc
