#include "array/parity/codec.h"

#include <isa-l/erasure_code.h>
#include <isa-l/raid.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"

namespace vds::array::parity {
namespace {

struct field {
  std::array<std::uint8_t, 512> exp{};  // doubled, so that sums of two logarithms need no modulo
  std::array<std::uint8_t, 256> log{};
  constexpr field() {
    unsigned x = 1;
    for (unsigned i = 0; i < 255; ++i) {
      exp[i] = exp[i + 255] = static_cast<std::uint8_t>(x);
      log[x] = static_cast<std::uint8_t>(i);
      x <<= 1;
      if ((x & 0x100) != 0) x ^= 0x11d;
    }
  }
};
constexpr field gf;

unsigned char* raw(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }

bool aligned(const std::byte* p) { return reinterpret_cast<std::uintptr_t>(p) % 32 == 0; }

// outputs[r] = sum of coefficients[r * k + i] * inputs[i]
void combine(std::vector<unsigned char>& coefficients, std::vector<unsigned char*>& inputs,
             std::vector<unsigned char*>& outputs, std::size_t length) {
  const int k = static_cast<int>(inputs.size()), rows = static_cast<int>(outputs.size());
  std::vector<unsigned char> tables(32UL * inputs.size() * outputs.size());
  ec_init_tables(k, rows, coefficients.data(), tables.data());
  ec_encode_data(static_cast<int>(length), k, rows, tables.data(), inputs.data(), outputs.data());
}

}  // namespace

std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  return a == 0 || b == 0 ? std::uint8_t{0} : gf.exp[std::size_t{gf.log[a]} + gf.log[b]];
}
std::uint8_t power_of_two(std::size_t exponent) { return gf.exp[exponent % 255]; }
std::uint8_t inverse(std::uint8_t a) {
  always(a != 0);
  return gf.exp[255U - gf.log[a]];
}

void encode(const columns& row, std::size_t data, std::size_t length) {
  std::byte* p = row[data];
  std::byte* q = row.size() > data + 1 ? row[data + 1] : nullptr;
  const bool fast = length % 32 == 0 && std::all_of(row.begin(), row.end(), aligned);
  std::vector<void*> vectors(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(data));
  if (fast && p != nullptr && q != nullptr && data >= 2) {
    vectors.push_back(p);
    vectors.push_back(q);
    pq_gen(static_cast<int>(vectors.size()), static_cast<int>(length), vectors.data());
    return;
  }
  if (fast && p != nullptr && q == nullptr && data >= 2) {
    vectors.push_back(p);
    xor_gen(static_cast<int>(vectors.size()), static_cast<int>(length), vectors.data());
    return;
  }
  std::vector<unsigned char> coefficients;
  std::vector<unsigned char*> in, out;
  for (std::size_t i = 0; i < data; ++i) in.push_back(raw(row[i]));
  if (p != nullptr) {
    out.push_back(raw(p));
    coefficients.insert(coefficients.end(), data, 1);
  }
  if (q != nullptr) {
    out.push_back(raw(q));
    for (std::size_t i = 0; i < data; ++i) coefficients.push_back(power_of_two(i));
  }
  if (!out.empty()) combine(coefficients, in, out, length);
}

void reconstruct(const columns& row, std::size_t data, std::span<const std::size_t> lost, std::size_t length) {
  const auto is_lost = [&](std::size_t i) { return std::find(lost.begin(), lost.end(), i) != lost.end(); };
  std::vector<std::size_t> lost_data;
  for (const auto i : lost)
    if (i < data) lost_data.push_back(i);
  const bool has_p = row[data] != nullptr && !is_lost(data);
  const bool has_q = row.size() > data + 1 && row[data + 1] != nullptr && !is_lost(data + 1);
  always(lost_data.size() <= std::size_t{has_p} + std::size_t{has_q});
  if (!lost_data.empty()) {
    std::vector<unsigned char*> in, out;
    std::vector<std::size_t> known;
    for (std::size_t i = 0; i < data; ++i) {
      if (is_lost(i)) continue;
      known.push_back(i);
      in.push_back(raw(row[i]));
    }
    for (const auto i : lost_data) out.push_back(raw(row[i]));
    std::vector<unsigned char> c;
    if (lost_data.size() == 1 && has_p) {  // x = P + the others
      c.assign(known.size() + 1, 1);
      in.push_back(raw(row[data]));
    } else if (lost_data.size() == 1) {  // 2^x * x = Q + sum of 2^i * i
      const std::uint8_t scale = inverse(power_of_two(lost_data[0]));
      for (const auto i : known) c.push_back(multiply(scale, power_of_two(i)));
      c.push_back(scale);
      in.push_back(raw(row[data + 1]));
    } else {
      // x + y = P + the others =: A; 2^x * x + 2^y * y = Q + weighted others =: B; so x = (2^y * A + B) / (2^x + 2^y)
      const std::uint8_t gx = power_of_two(lost_data[0]), gy = power_of_two(lost_data[1]);
      const std::uint8_t scale = inverse(gx ^ gy);
      for (const auto i : known) c.push_back(multiply(scale, gy ^ power_of_two(i)));
      c.push_back(multiply(scale, gy));
      c.push_back(scale);
      const std::size_t half = c.size();
      for (std::size_t i = 0; i + 1 < half; ++i) c.push_back(c[i] ^ 1);  // y = A + x
      c.push_back(c[half - 1]);
      in.push_back(raw(row[data]));
      in.push_back(raw(row[data + 1]));
    }
    combine(c, in, out, length);
  }
  columns rest(row.begin(), row.end());
  bool any = false;
  for (std::size_t i = data; i < row.size(); ++i) {
    if (is_lost(i))
      any = true;
    else
      rest[i] = nullptr;  // not to be touched
  }
  if (any) encode(rest, data, length);
}

void update(std::byte* p, std::byte* q, std::size_t column, const std::byte* difference, std::size_t length) {
  if (p != nullptr) add(p, difference, length);
  if (q == nullptr) return;
  unsigned char coefficient = power_of_two(column);
  std::array<unsigned char, 32> table{};
  ec_init_tables(1, 1, &coefficient, table.data());
  unsigned char* out = raw(q);
  ec_encode_data_update(static_cast<int>(length), 1, 1, 0, table.data(), raw(const_cast<std::byte*>(difference)), &out);
}

void add(std::byte* out, const std::byte* in, std::size_t length) {
  std::size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    std::uint64_t a = 0, b = 0;
    std::memcpy(&a, out + i, 8);
    std::memcpy(&b, in + i, 8);
    a ^= b;
    std::memcpy(out + i, &a, 8);
  }
  for (; i < length; ++i) out[i] ^= in[i];
}

std::size_t locate(std::span<const std::byte> p_difference, std::span<const std::byte> q_difference, std::size_t data) {
  std::size_t found = SIZE_MAX;
  for (std::size_t i = 0; i < p_difference.size(); ++i) {
    const auto p = std::to_integer<std::uint8_t>(p_difference[i]), q = std::to_integer<std::uint8_t>(q_difference[i]);
    if (p == 0 && q == 0) continue;
    std::size_t here = 0;
    if (q == 0)
      here = data;
    else if (p == 0)
      here = data + 1;
    else
      here = (std::size_t{gf.log[q]} + 255 - gf.log[p]) % 255;
    if (p != 0 && q != 0 && here >= data) return SIZE_MAX;
    if (found != SIZE_MAX && found != here) return SIZE_MAX;
    found = here;
  }
  return found;
}

}  // namespace vds::array::parity
