// units.h: bytes, blocks and places on a device, as types that do not mix. A block is the device's logical block;
// how many bytes it has is a block_size. lba + lba does not exist; lba + block_count does.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>

#include "base/assert.h"

namespace vds {

struct byte_count {
  std::uint64_t n{};
  auto operator<=>(const byte_count&) const = default;
};
struct block_count {
  std::uint64_t n{};
  auto operator<=>(const block_count&) const = default;
};
struct lba {  // a place, not a length
  std::uint64_t n{};
  auto operator<=>(const lba&) const = default;
};
struct block_size {  // bytes per block: a power of two, 512 to 4096
  std::uint32_t bytes{512};
  auto operator<=>(const block_size&) const = default;
};

constexpr byte_count operator+(byte_count a, byte_count b) { return {a.n + b.n}; }
constexpr byte_count operator-(byte_count a, byte_count b) { return {a.n - b.n}; }
constexpr block_count operator+(block_count a, block_count b) { return {a.n + b.n}; }
constexpr block_count operator-(block_count a, block_count b) { return {a.n - b.n}; }
constexpr byte_count operator*(block_count c, block_size s) { return {c.n * s.bytes}; }
constexpr byte_count operator*(lba at, block_size s) { return {at.n * s.bytes}; }  // bytes before this place
constexpr lba operator+(lba at, block_count c) { return {at.n + c.n}; }
constexpr block_count operator-(lba a, lba b) { return {a.n - b.n}; }
constexpr block_count& operator+=(block_count& a, block_count b) { return a = a + b; }
constexpr lba& operator+=(lba& at, block_count c) { return at = at + c; }

constexpr bool is_whole(byte_count b, block_size s) { return b.n % s.bytes == 0; }
// Whole blocks only: the caller has checked is_whole().
constexpr block_count in_blocks(byte_count b, block_size s) {
  always(is_whole(b, s));
  return {b.n / s.bytes};
}
constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t to) { return (n + to - 1) / to * to; }
constexpr std::uint64_t round_down(std::uint64_t n, std::uint64_t to) { return n / to * to; }

inline namespace literals {
constexpr std::uint64_t operator""_KiB(unsigned long long n) { return n << 10; }
constexpr std::uint64_t operator""_MiB(unsigned long long n) { return n << 20; }
constexpr std::uint64_t operator""_GiB(unsigned long long n) { return n << 30; }
constexpr std::uint64_t operator""_TiB(unsigned long long n) { return n << 40; }
}  // namespace literals

}  // namespace vds
