#include <gtest/gtest.h>

#include "base/checksum.h"
#include "base/endian.h"
#include "base/guid.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/units.h"

namespace vds {
namespace {

result<int> halved(int n) {
  if (n % 2 != 0) return errc::invalid_argument;
  return n / 2;
}

TEST(result, a_failure_tells_what_every_layer_was_doing) {
  auto r = halved(3);
  ASSERT_FALSE(r);
  const failure f = std::move(r).error().in("halving", "three").in("assembling tank");
  EXPECT_EQ(f.code(), errc::invalid_argument);
  EXPECT_EQ(f.message(), "assembling tank: halving three: invalid argument");
}

TEST(result, a_value_passes_through) { EXPECT_EQ(*halved(4), 2); }

TEST(result, errno_becomes_the_code_that_callers_branch_on) {
  EXPECT_EQ(failure_from_errno(ENOSPC, "writing").code(), errc::no_space);
  EXPECT_EQ(failure_from_errno(EIO, "writing").code(), errc::io_error);
}

TEST(guid, text_and_bytes_agree) {
  const auto id = parse_guid("{6FCEE2D3-6d90-4f91-80e2-a5c7caaca9d8}");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->bytes[0], 0x6f);
  EXPECT_EQ(to_string(*id), "6fcee2d3-6d90-4f91-80e2-a5c7caaca9d8");
  EXPECT_FALSE(parse_guid("6fcee2d3-6d90-4f91-80e2-a5c7caaca9d"));
  EXPECT_FALSE(parse_guid("6fcee2d3_6d90-4f91-80e2-a5c7caaca9d8"));
  EXPECT_FALSE(parse_guid("gfcee2d3-6d90-4f91-80e2-a5c7caaca9d8"));
}

TEST(guid, a_name_gives_the_id_that_rfc_4122_says) {
  // RFC 4122 name space for DNS; the value is the well-known one of "www.example.com".
  const auto dns = parse_guid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(to_string(name_guid(*dns, "www.example.com")), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

TEST(checksum, crc32c_is_castagnolis_and_continues) {
  const std::string_view digits = "123456789";
  const auto bytes = std::as_bytes(std::span(digits));
  EXPECT_EQ(crc32c(bytes), 0xe3069283u);
  EXPECT_EQ(crc32c(bytes.subspan(4), crc32c(bytes.first(4))), 0xe3069283u);
}

TEST(endian, integers_have_the_byte_order_of_their_type) {
  const be32 big = 0x01020304u;
  const le32 little = 0x01020304u;
  EXPECT_EQ(reinterpret_cast<const unsigned char*>(&big)[0], 1);
  EXPECT_EQ(reinterpret_cast<const unsigned char*>(&little)[0], 4);
  EXPECT_EQ(std::uint32_t{be24(0xabcdef)}, 0xabcdefu);
  static_assert(sizeof(be24) == 3 && alignof(be64) == 1);
}

TEST(random, a_seed_repeats_itself) {
  seeded_random a(7), b(7);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.below(1000), b.below(1000));
}

TEST(units, blocks_times_size_are_bytes) {
  EXPECT_EQ((block_count{8} * block_size{512}).n, 4096u);
  EXPECT_EQ(in_blocks(byte_count{8192}, block_size{4096}).n, 2u);
}

TEST(log, goes_to_standard_error_and_never_to_standard_output) {
  // In a library nobody calls log::start; what the program prints must stay its own.
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  log::warn("something is {}", "wrong");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("something is wrong"), std::string::npos);
}

}  // namespace
}  // namespace vds
