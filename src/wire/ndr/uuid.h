// uuid.h: a GUID as COM and the wire have it: three little-endian integers and eight bytes, so that a 16-byte copy
// moves it between memory and wire. (vds::guid keeps bytes in text order; this one is what a reinterpreted GUID is.)
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>

namespace vds::wire {

static_assert(std::endian::native == std::endian::little, "the NDR codec copies integers as they are in memory");

struct uuid {
  std::uint32_t data1{};
  std::uint16_t data2{};
  std::uint16_t data3{};
  std::uint8_t data4[8]{};

  bool operator==(const uuid&) const = default;
  explicit operator bool() const noexcept { return *this != uuid{}; }
};
static_assert(sizeof(uuid) == 16 && std::is_trivially_copyable_v<uuid>);

template <class Guid>
uuid to_uuid(const Guid& g) noexcept {
  static_assert(sizeof(Guid) == sizeof(uuid));
  return std::bit_cast<uuid>(g);
}

}  // namespace vds::wire

template <>
struct std::hash<vds::wire::uuid> {
  std::size_t operator()(const vds::wire::uuid& id) const noexcept {
    std::uint64_t halves[2];
    std::memcpy(halves, &id, sizeof halves);
    return halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15ULL);
  }
};
