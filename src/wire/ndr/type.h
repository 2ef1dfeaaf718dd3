// type.h: descriptions of C types for the NDR codec. One description says both how a value lies in memory and how it
// looks on the wire; marshal.h interprets it to encode, decode and release. tools/idlc generates one table per struct,
// so that all checks on hostile input stand in one place and the generated code is data.
// Invariant: every description is constant and lives for ever.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/ndr/uuid.h"

namespace vds::wire::ndr {

struct field;
struct arm;

enum class shape : std::uint8_t {
  u8,
  u16,
  u32,
  u64,
  enum16,         // 32 bits in memory, 16 on the wire, 0 to 0x7fff
  wchar,          // one wchar_t, one UTF-16 unit on the wire
  guid,           // GUID
  record,         // struct: fields
  array,          // of[count] in place
  text,           // wchar_t[count] in place: UTF-16 up to the first NUL, then zeros
  wide_string,    // [unique, string] wchar_t*
  narrow_string,  // [unique, string] char*
  pointer,        // [unique] of*
  counted,        // [unique, size_is(field at place)] of*; the field is 32 bits wide
  interface_,     // [unique] interface pointer, an MInterfacePointer on the wire
  choice,         // union: switch_is(enum16 at place), arms; on the wire the discriminant is sent again
};

struct type {
  shape form;
  std::uint8_t alignment;  // on the wire
  bool defers;             // something of it follows after the flat part
  bool empty_default;      // choice: an unknown discriminant has an empty arm (otherwise it is an error)
  std::uint32_t size;      // in memory
  std::uint32_t least;     // bytes its flat part has on the wire at the least
  std::uint32_t count;     // array, text: elements; record: fields; choice: arms
  std::uint32_t place;     // counted, choice: offset, from the enclosing struct, of the count or discriminant
  const type* of;          // array, pointer, counted
  const field* fields;     // record
  const arm* arms;         // choice
  const uuid* iid;         // interface_
  const char* name;        // as the IDL has it, for messages
};

struct field {
  std::uint32_t offset;  // from the enclosing struct; of a choice and of a counted pointer too
  const type* is;
};

struct arm {  // of a choice; offset counts from the enclosing struct as well
  std::int32_t value;
  std::uint32_t offset;
  const type* is;  // null: empty
};

inline constexpr type u8_type{.form = shape::u8,
                              .alignment = 1,
                              .defers = false,
                              .empty_default = false,
                              .size = 1,
                              .least = 1,
                              .count = 0,
                              .place = 0,
                              .of = nullptr,
                              .fields = nullptr,
                              .arms = nullptr,
                              .iid = nullptr,
                              .name = "u8"};

constexpr type scalar(shape form, std::uint8_t alignment, std::uint32_t size, std::uint32_t least, const char* name) {
  type t = u8_type;
  t.form = form;
  t.alignment = alignment;
  t.size = size;
  t.least = least;
  t.name = name;
  return t;
}
inline constexpr type u16_type = scalar(shape::u16, 2, 2, 2, "u16");
inline constexpr type u32_type = scalar(shape::u32, 4, 4, 4, "u32");
inline constexpr type u64_type = scalar(shape::u64, 8, 8, 8, "u64");
inline constexpr type enum16_type = scalar(shape::enum16, 2, 4, 2, "enum16");
inline constexpr type wchar_type = scalar(shape::wchar, 2, sizeof(wchar_t), 2, "wchar");
inline constexpr type guid_type = scalar(shape::guid, 4, 16, 16, "guid");

// The builders of everything else. Alignment and least are what tools/idlc worked out.
constexpr type record_type(const char* name, std::uint8_t alignment, std::uint32_t size, std::uint32_t least,
                           const field* fields, std::uint32_t count, bool defers) {
  type t = scalar(shape::record, alignment, size, least, name);
  t.fields = fields;
  t.count = count;
  t.defers = defers;
  return t;
}
constexpr type array_type(const type& of, std::uint32_t count) {
  type t = scalar(shape::array, of.alignment, of.size * count, of.least * count, of.name);
  t.of = &of;
  t.count = count;
  t.defers = of.defers;
  return t;
}
constexpr type text_type(std::uint32_t count) {
  type t = scalar(shape::text, 2, sizeof(wchar_t) * count, 2 * count, "text");
  t.count = count;
  return t;
}
constexpr type pointer_like(shape form, const char* name) {
  type t = scalar(form, 4, sizeof(void*), 4, name);
  t.defers = true;
  return t;
}
inline constexpr type wide_string_type = pointer_like(shape::wide_string, "string");
inline constexpr type narrow_string_type = pointer_like(shape::narrow_string, "narrow string");
constexpr type pointer_type(const type& of) {
  type t = pointer_like(shape::pointer, of.name);
  t.of = &of;
  return t;
}
constexpr type counted_type(const type& of, std::uint32_t count_offset) {
  type t = pointer_like(shape::counted, of.name);
  t.of = &of;
  t.place = count_offset;
  return t;
}
constexpr type interface_type(const uuid& iid, const char* name) {
  type t = pointer_like(shape::interface_, name);
  t.iid = &iid;
  return t;
}
constexpr type choice_type(std::uint8_t alignment, std::uint32_t discriminant_offset, const arm* arms,
                           std::uint32_t count, bool empty_default, bool defers) {
  type t = scalar(shape::choice, alignment, 0, 2, "union");
  t.place = discriminant_offset;
  t.arms = arms;
  t.count = count;
  t.empty_default = empty_default;
  t.defers = defers;
  return t;
}

}  // namespace vds::wire::ndr
