// endian.h: integers in the byte order of a format, as trivially copyable types without alignment, so that a format is
// a struct. le32 in a struct of a drive's format, be32 in one of SCSI or iSCSI.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vds {

template <std::unsigned_integral T>
constexpr T byte_swap(T v) noexcept {
  if constexpr (sizeof(T) == 1)
    return v;
  else if constexpr (sizeof(T) == 2)
    return __builtin_bswap16(v);
  else if constexpr (sizeof(T) == 4)
    return __builtin_bswap32(v);
  else
    return __builtin_bswap64(v);
}

template <std::unsigned_integral T, std::endian Order>
class ordered {
 public:
  constexpr ordered() = default;
  constexpr ordered(T v) noexcept { *this = v; }  // NOLINT(google-explicit-constructor): it is an integer
  constexpr ordered& operator=(T v) noexcept {
    if constexpr (Order != std::endian::native) v = byte_swap(v);
    bytes_ = std::bit_cast<std::array<std::byte, sizeof(T)>>(v);
    return *this;
  }
  constexpr operator T() const noexcept {  // NOLINT(google-explicit-constructor)
    const T v = std::bit_cast<T>(bytes_);
    return Order == std::endian::native ? v : byte_swap(v);
  }

 private:
  std::array<std::byte, sizeof(T)> bytes_{};
};

using le16 = ordered<std::uint16_t, std::endian::little>;
using le32 = ordered<std::uint32_t, std::endian::little>;
using le64 = ordered<std::uint64_t, std::endian::little>;
using be16 = ordered<std::uint16_t, std::endian::big>;
using be32 = ordered<std::uint32_t, std::endian::big>;
using be64 = ordered<std::uint64_t, std::endian::big>;

// 24-bit big-endian, as in DataSegmentLength and SCSI counts.
class be24 {
 public:
  constexpr be24() = default;
  constexpr be24(std::uint32_t v) noexcept  // NOLINT(google-explicit-constructor)
      : bytes_{static_cast<std::byte>(v >> 16), static_cast<std::byte>(v >> 8), static_cast<std::byte>(v)} {}
  constexpr operator std::uint32_t() const noexcept {  // NOLINT(google-explicit-constructor)
    return std::to_integer<std::uint32_t>(bytes_[0]) << 16 | std::to_integer<std::uint32_t>(bytes_[1]) << 8 |
           std::to_integer<std::uint32_t>(bytes_[2]);
  }

 private:
  std::array<std::byte, 3> bytes_{};
};

// Reads or writes a T of that order at p; the caller has checked the room.
template <class Ordered>
auto load(const std::byte* p) noexcept {
  Ordered v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class Ordered>
void store(std::byte* p, Ordered v) noexcept {
  std::memcpy(p, &v, sizeof v);
}

}  // namespace vds
