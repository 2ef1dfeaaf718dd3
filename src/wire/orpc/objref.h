// objref.h: the marshalled form of an interface pointer ([MS-DCOM] 2.2.18): OBJREF_STANDARD with its STDOBJREF. The
// string bindings are carried for form: on a local connection the exporter is always the peer. Pure.
#pragma once

#include <optional>
#include <span>

#include "wire/ndr/decoder.h"
#include "wire/ndr/encoder.h"

namespace vds::wire {

struct std_objref {
  std::uint32_t flags = 0;
  std::uint32_t public_refs = 0;
  std::uint64_t oxid = 0;
  std::uint64_t oid = 0;
  uuid ipid;
  bool operator==(const std_objref&) const = default;
};

struct objref {
  uuid iid;
  std_objref standard;
  bool operator==(const objref&) const = default;
};

void append_objref(ndr::buffer& out, const objref& ref);
// nullopt: not a well-formed OBJREF_STANDARD (handlers, custom marshalling and extensions are refused).
std::optional<objref> parse_objref(std::span<const std::byte> bytes);

// As a member of NDR structures.
void encode(ndr::encoder& to, const std_objref& ref);
std_objref decode_std_objref(ndr::decoder& from);

// DUALSTRINGARRAY with one empty local binding, and the check of a peer's.
void encode_bindings(ndr::encoder& to);
bool decode_bindings(ndr::decoder& from);

// The IRemUnknown of whoever has this OXID. A rule of ours, instead of asking an object resolver (docs/protocol.md).
constexpr uuid rem_unknown_of(std::uint64_t oxid) {
  uuid ipid{0, 0, 0x5244, {}};
  for (int i = 0; i < 8; ++i) ipid.data4[i] = static_cast<std::uint8_t>(oxid >> (8 * i));
  return ipid;
}

}  // namespace vds::wire
