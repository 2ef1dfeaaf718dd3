// codec.h: from data columns to parity, from what is left back to what is lost. A row has n data columns d[0..n-1] and
// one or two parity columns: P = d[0] ^ ... ^ d[n-1], Q = sum of 2^i * d[i] in GF(2^8) with the polynomial 0x11d.
// All columns of a call have the same length. Pure; by ISA-L.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vds::array::parity {

inline constexpr std::size_t max_data = 62;

// A row's columns: the data columns, then P, then Q if there is one. Null: not there.
using columns = std::vector<std::byte*>;

// Fills the parity columns that are not null from the data columns, all of which are there.
void encode(const columns& row, std::size_t data, std::size_t length);

// Fills the columns in `lost` (their memory is given, and their indexes, P and Q being data and data + 1) from those
// that are not null and not lost. At most as many as there are parity columns left, which the caller has made sure of.
void reconstruct(const columns& row, std::size_t data, std::span<const std::size_t> lost, std::size_t length);

// A data column changed by `difference` (old ^ new): P and Q (those that are not null) follow.
void update(std::byte* p, std::byte* q, std::size_t column, const std::byte* difference, std::size_t length);

// out ^= in
void add(std::byte* out, const std::byte* in, std::size_t length);

// The only column of a row whose P or Q does not fit, judged by what P and Q differ by; data (P), data + 1 (Q);
// SIZE_MAX when no single column explains it.
std::size_t locate(std::span<const std::byte> p_difference, std::span<const std::byte> q_difference, std::size_t data);

std::uint8_t multiply(std::uint8_t a, std::uint8_t b);
std::uint8_t power_of_two(std::size_t exponent);
std::uint8_t inverse(std::uint8_t a);

}  // namespace vds::array::parity
