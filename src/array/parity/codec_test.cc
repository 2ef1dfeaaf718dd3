// The codec beside a plain one: bytes multiplied bit by bit, equations solved by trying.
#include "array/parity/codec.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "io/aligned_buffer.h"

namespace vds::array::parity {
namespace {

std::uint8_t slow_multiply(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0, x = a;
  for (unsigned bit = 0; bit < 8; ++bit) {
    if ((b >> bit & 1U) != 0) product ^= x;
    x <<= 1;
    if ((x & 0x100U) != 0) x ^= 0x11dU;
  }
  return static_cast<std::uint8_t>(product);
}
std::uint8_t slow_power(std::size_t n) {
  std::uint8_t x = 1;
  for (std::size_t i = 0; i < n; ++i) x = slow_multiply(x, 2);
  return x;
}

struct row {
  std::size_t data, parity, length;
  std::vector<io::aligned_buffer> memory;
  std::vector<std::vector<std::byte>> truth;

  row(std::size_t d, std::size_t p, std::size_t n, random_source& random, std::size_t shift = 0)
      : data(d), parity(p), length(n), shift_(shift) {
    for (std::size_t i = 0; i < d + p; ++i) {
      memory.emplace_back(n + 64);
      random.fill(memory.back().span());
    }
    truth.resize(d + p, std::vector<std::byte>(n));
    for (std::size_t i = 0; i < d; ++i) std::memcpy(truth[i].data(), at(i), n);
    for (std::size_t b = 0; b < n; ++b) {
      std::uint8_t sum = 0, weighted = 0;
      for (std::size_t i = 0; i < d; ++i) {
        const auto v = std::to_integer<std::uint8_t>(truth[i][b]);
        sum ^= v;
        weighted ^= slow_multiply(v, slow_power(i));
      }
      truth[d][b] = std::byte{sum};
      if (p > 1) truth[d + 1][b] = std::byte{weighted};
    }
  }
  std::byte* at(std::size_t i) { return memory[i].data() + shift_; }
  columns all() {
    columns c;
    for (std::size_t i = 0; i < memory.size(); ++i) c.push_back(at(i));
    return c;
  }
  void set_all() {
    for (std::size_t i = 0; i < memory.size(); ++i) std::memcpy(at(i), truth[i].data(), length);
  }
  bool right() {
    for (std::size_t i = 0; i < memory.size(); ++i)
      if (std::memcmp(at(i), truth[i].data(), length) != 0) return false;
    return true;
  }

 private:
  std::size_t shift_;
};

TEST(codec, multiplies_as_bit_by_bit_multiplication_does) {
  for (unsigned a = 0; a < 256; ++a)
    for (unsigned b = 0; b < 256; ++b)
      ASSERT_EQ(multiply(static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b)),
                slow_multiply(static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b)));
  for (unsigned a = 1; a < 256; ++a) {
    ASSERT_EQ(multiply(static_cast<std::uint8_t>(a), inverse(static_cast<std::uint8_t>(a))), 1);
    ASSERT_EQ(power_of_two(a), slow_power(a));
  }
}

TEST(codec, encodes_and_recovers_every_combination_of_losses) {
  seeded_random random(5);
  for (const std::size_t parity : {1U, 2U}) {
    for (const std::size_t data : {2U, 3U, 4U, 7U, 20U, 62U}) {
      for (const std::size_t length : {32U, 512U, 4096U, 100U}) {
        for (const std::size_t shift : {0U, 1U}) {
          if (data > 7 && length > 512) continue;
          row r(data, parity, length, random, shift);
          encode(r.all(), data, length);
          ASSERT_TRUE(r.right()) << data << "+" << parity << " of " << length;
          for (std::size_t x = 0; x < data + parity; ++x) {
            for (std::size_t y = parity == 1 ? x : 0; y <= x; ++y) {
              r.set_all();
              std::vector<std::size_t> lost = {x};
              if (y != x) lost.push_back(y);
              for (const auto i : lost) random.fill({r.at(i), length});
              reconstruct(r.all(), data, lost, length);
              ASSERT_TRUE(r.right()) << data << "+" << parity << " without " << x << " and " << y;
            }
          }
        }
      }
    }
  }
}

TEST(codec, follows_a_changed_column) {
  seeded_random random(6);
  row r(5, 2, 512, random);
  r.set_all();
  for (std::size_t column = 0; column < 5; ++column) {
    std::vector<std::byte> fresh(512), difference(512);
    random.fill(fresh);
    for (std::size_t i = 0; i < 512; ++i) difference[i] = fresh[i] ^ r.at(column)[i];
    std::memcpy(r.at(column), fresh.data(), 512);
    update(r.at(5), r.at(6), column, difference.data(), 512);
    row again(5, 2, 512, random);
    for (std::size_t i = 0; i < 5; ++i) std::memcpy(again.at(i), r.at(i), 512);
    encode(again.all(), 5, 512);
    ASSERT_EQ(std::memcmp(again.at(5), r.at(5), 512), 0);
    ASSERT_EQ(std::memcmp(again.at(6), r.at(6), 512), 0);
  }
}

TEST(codec, names_the_column_that_lies) {
  seeded_random random(7);
  row r(6, 2, 512, random);
  for (std::size_t liar = 0; liar < 8; ++liar) {
    r.set_all();
    r.at(liar)[17] ^= std::byte{0x40};
    r.at(liar)[300] ^= std::byte{0x03};
    std::vector<std::byte> p(512), q(512);
    row good(6, 2, 512, random);
    for (std::size_t i = 0; i < 6; ++i) std::memcpy(good.at(i), r.at(i), 512);
    encode(good.all(), 6, 512);
    for (std::size_t i = 0; i < 512; ++i) p[i] = good.at(6)[i] ^ r.at(6)[i], q[i] = good.at(7)[i] ^ r.at(7)[i];
    EXPECT_EQ(locate(p, q, 6), liar);
  }
  r.set_all();
  std::vector<std::byte> p(512), q(512);
  p[0] = q[0] = std::byte{1};  // column 0
  p[1] = std::byte{1};         // and P: nobody alone
  EXPECT_EQ(locate(p, q, 6), SIZE_MAX);
}

}  // namespace
}  // namespace vds::array::parity
