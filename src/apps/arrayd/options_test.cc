#include "apps/arrayd/options.h"

#include <gtest/gtest.h>

namespace vds::arrayd {
namespace {

TEST(options, sizes_are_powers_of_1024_with_or_without_iB) {
  EXPECT_EQ(parse_size("1G")->n, 1_GiB);
  EXPECT_EQ(parse_size("512MiB")->n, 512_MiB);
  EXPECT_EQ(parse_size("4096")->n, 4096u);
  EXPECT_EQ(parse_size("2T")->n, 2_TiB);
  for (const char* bad : {"", "G", "1X", "1GB", "-1G", "1G ", "99999999999999999999", "9999999P"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(options, drive_sets_are_a_count_and_a_size) {
  EXPECT_EQ(parse_drive_set("6x1G")->count, 6u);
  EXPECT_EQ(parse_drive_set("6x1G")->size.n, 1_GiB);
  for (const char* bad : {"", "6", "x1G", "0x1G", "6x", "6x1K", "1001x1G", "6 x1G", "-1x1G"}) {
    EXPECT_FALSE(parse_drive_set(bad)) << bad;
  }
}

TEST(options, wrong_usage_ends_with_status_2_and_help_with_0) {
  const auto status = [](std::vector<const char*> args) {
    args.insert(args.begin(), "vds-arrayd");
    return parse_command_line(static_cast<int>(args.size()), const_cast<char**>(args.data())).exit_status;
  };
  EXPECT_EQ(status({"--dir", "/x"}), 2);
  EXPECT_EQ(status({"--dir", "/x", "--socket", "/y", "--drives", "lots"}), 2);
  EXPECT_EQ(status({"--dir", "/x", "--socket", "/y", "--reactors", "0"}), 2);
  EXPECT_EQ(status({"--help"}), 0);
  EXPECT_EQ(status({"--dir", "/x", "--socket", "/y", "--drives", "6x1G"}), -1);
}

}  // namespace
}  // namespace vds::arrayd
