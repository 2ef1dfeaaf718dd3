#include "apps/vds/size.h"

#include <gtest/gtest.h>

namespace vds::cli {
namespace {

TEST(size, letters_are_powers_of_1024_and_letters_with_b_of_1000) {
  const struct {
    const char* text;
    std::uint64_t bytes;
  } rows[] = {{"0", 0},
              {"512", 512},
              {"512B", 512},
              {"1K", 1024},
              {"1k", 1024},
              {"1KiB", 1024},
              {"1KB", 1000},
              {"10G", 10ull << 30},
              {"10 GiB", 10ull << 30},
              {"512MiB", 512ull << 20},
              {"2T", 2ull << 40},
              {"1.5G", 3ull << 29},
              {"0.5K", 512},
              {"1.001KB", 1001},
              {"15E", 15ull << 60},
              {"18446744073709551615", ~0ull}};
  for (const auto& row : rows) {
    const auto got = parse_size(row.text);
    ASSERT_TRUE(got) << row.text << ": " << got.error().message();
    EXPECT_EQ(*got, row.bytes) << row.text;
  }
}

TEST(size, what_is_no_size_is_refused_with_the_reason) {
  for (const char* text : {"", "G", "-1", "1X", "1 G B", "1GiBs", "1.2.3G", ".", "0x10", "1.0001K", "1e3", "+5", " 5"})
    EXPECT_TRUE(!parse_size(text) && parse_size(text).error() == errc::invalid_argument) << text;
  for (const char* text : {"16E", "18446744073709551616", "99999999999999999999999999999999999999999", "20000000000G"})
    EXPECT_TRUE(!parse_size(text) && parse_size(text).error() == errc::out_of_range) << text;
}

TEST(size, is_printed_short_and_in_binary_units) {
  EXPECT_EQ(print_size(0), "0 B");
  EXPECT_EQ(print_size(1023), "1023 B");
  EXPECT_EQ(print_size(1024), "1 KiB");
  EXPECT_EQ(print_size(1536), "1.5 KiB");
  EXPECT_EQ(print_size((1ull << 20) - 1), "1 MiB");
  EXPECT_EQ(print_size(10ull << 30), "10 GiB");
  EXPECT_EQ(print_size(~0ull), "16 EiB");
}

}  // namespace
}  // namespace vds::cli
