#include "wire/orpc/orpcthis.h"

#include <algorithm>

namespace vds::wire {

namespace {

constexpr std::uint16_t com_major = 5;
constexpr std::uint16_t com_minor = 7;
constexpr std::uint32_t max_extents = 32;
constexpr std::uint32_t max_extent_bytes = 4096;

void encode_extent(ndr::encoder& to, const uuid& id, const void* data, std::uint32_t bytes) {
  const std::uint32_t room = (bytes + 7) & ~7u;
  to.u32(room);  // conformance of the struct's last member, in front of the struct
  to.id(id);
  to.u32(bytes);
  to.raw(data, bytes);
  for (std::uint32_t i = bytes; i < room; ++i) to.u8(0);
}

// Calls visit(id, data) for each extent; data lies in the message.
template <class Visit>
void decode_extents(ndr::decoder& from, Visit&& visit) {
  if (!from.referent()) return;
  const std::uint32_t size = from.u32();
  from.u32();  // reserved
  if (!from.referent()) {
    if (size != 0) from.fail(errc::protocol);
    return;
  }
  const std::uint32_t room = from.count(4);
  if (size > max_extents || room != ((size + 1) & ~1u)) return from.fail(errc::protocol);
  bool present[max_extents + 1] = {};
  for (std::uint32_t i = 0; i < room; ++i) present[i] = from.referent();
  for (std::uint32_t i = 0; i < room && from.ok(); ++i) {
    if (!present[i]) continue;
    const std::uint32_t data_room = from.count(1);
    const uuid id = from.id();
    const std::uint32_t bytes = from.u32();
    if (bytes > max_extent_bytes || data_room != ((bytes + 7) & ~7u)) return from.fail(errc::protocol);
    const auto data = from.bytes(data_room);
    if (from.ok()) visit(id, data.first(bytes));
  }
}

}  // namespace

void encode_orpc_this(ndr::encoder& to, const orpc_this& head) {
  const bool operation = static_cast<bool>(head.operation_id);
  const bool caller = !head.caller.empty();
  const std::uint32_t extents = (operation ? 1 : 0) + (caller ? 1 : 0);
  to.u16(com_major);
  to.u16(com_minor);
  to.u32(0);  // flags
  to.u32(0);  // reserved
  to.id(head.causality);
  to.referent(extents != 0);
  if (extents == 0) return;
  to.u32(extents);
  to.u32(0);
  to.referent(true);
  to.u32((extents + 1) & ~1u);
  for (std::uint32_t i = 0; i < ((extents + 1) & ~1u); ++i) to.referent(i < extents);
  if (operation) encode_extent(to, extent_operation, &head.operation_id, sizeof head.operation_id);
  if (caller)
    encode_extent(to, extent_caller, head.caller.data(),
                  static_cast<std::uint32_t>(std::min(head.caller.size(), max_caller_bytes)));
}

orpc_this decode_orpc_this(ndr::decoder& from) {
  orpc_this head;
  if (from.u16() != com_major) from.fail(errc::protocol);
  from.u16();
  from.u32();
  from.u32();
  head.causality = from.id();
  decode_extents(from, [&](const uuid& id, std::span<const std::byte> data) {
    if (id == extent_operation && data.size() == sizeof head.operation_id)
      std::memcpy(&head.operation_id, data.data(), data.size());
    else if (id == extent_caller && data.size() <= max_caller_bytes)
      head.caller.assign(reinterpret_cast<const char*>(data.data()), data.size());
  });
  return head;
}

void encode_orpc_that(ndr::encoder& to) {
  to.u32(0);
  to.referent(false);
}

void decode_orpc_that(ndr::decoder& from) {
  from.u32();
  decode_extents(from, [](const uuid&, std::span<const std::byte>) {});
}

}  // namespace vds::wire
