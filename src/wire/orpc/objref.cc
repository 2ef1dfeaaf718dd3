#include "wire/orpc/objref.h"

namespace vds::wire {

namespace {
constexpr std::uint32_t signature = 0x574f454d;  // "MEOW"
constexpr std::uint32_t standard_form = 1;
constexpr std::uint16_t tower_local = 0x10;  // ncalrpc
constexpr std::uint16_t most_binding_units = 1024;
}  // namespace

void encode(ndr::encoder& to, const std_objref& ref) {
  to.align(8);
  to.u32(ref.flags);
  to.u32(ref.public_refs);
  to.u64(ref.oxid);
  to.u64(ref.oid);
  to.id(ref.ipid);
}

std_objref decode_std_objref(ndr::decoder& from) {
  std_objref ref;
  from.align(8);
  ref.flags = from.u32();
  ref.public_refs = from.u32();
  ref.oxid = from.u64();
  ref.oid = from.u64();
  ref.ipid = from.id();
  return ref;
}

void encode_bindings(ndr::encoder& to) {
  to.u16(4);            // units in all
  to.u16(3);            // where security bindings begin
  to.u16(tower_local);  // one string binding: tower, empty address
  to.u16(0);
  to.u16(0);  // end of string bindings
  to.u16(0);  // end of security bindings
}

bool decode_bindings(ndr::decoder& from) {
  const std::uint16_t units = from.u16();
  const std::uint16_t security = from.u16();
  if (units > most_binding_units || security > units) from.fail(errc::protocol);
  from.bytes(std::size_t{units} * 2);
  return from.ok();
}

void append_objref(ndr::buffer& out, const objref& ref) {
  ndr::encoder e(out);
  e.u32(signature);
  e.u32(standard_form);
  e.id(ref.iid);
  encode(e, ref.standard);
  encode_bindings(e);
}

std::optional<objref> parse_objref(std::span<const std::byte> bytes) {
  ndr::decoder in(bytes);
  if (in.u32() != signature || in.u32() != standard_form) return std::nullopt;
  objref ref;
  ref.iid = in.id();
  ref.standard = decode_std_objref(in);
  if (!decode_bindings(in)) return std::nullopt;
  return ref;
}

}  // namespace vds::wire
