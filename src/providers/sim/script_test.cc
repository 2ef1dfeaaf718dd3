#include "providers/sim/script.h"

#include <gtest/gtest.h>

namespace vds::sim {
namespace {

TEST(script, says_in_lines_what_to_lie_about) {
  const auto told = parse_script(
      "# a comment\n"
      "on IVdsSubSystem::CreateLun hang 250\n"
      "on GetProperties return 0x8004242b   # for every object\n"
      "\n"
      "on start crash\n"
      "async wrong_type\n"
      "enum endless\n"
      "create_ms 7\n"
      "luns 3");
  ASSERT_TRUE(told) << told.error().message();
  const action* create = told->on("IVdsSubSystem::CreateLun");
  ASSERT_NE(create, nullptr);
  EXPECT_EQ(create->kind, action_kind::hang);
  EXPECT_EQ(create->hang_for, std::chrono::milliseconds(250));
  const action* properties = told->on("IVdsLun::GetProperties");
  ASSERT_NE(properties, nullptr);
  EXPECT_EQ(properties->kind, action_kind::answer);
  EXPECT_EQ(static_cast<std::uint32_t>(properties->answer), 0x8004242bu);
  EXPECT_NE(told->on("start"), nullptr);
  EXPECT_EQ(told->on("IVdsLun::Delete"), nullptr);
  EXPECT_EQ(told->async, async_lie::wrong_type);
  EXPECT_EQ(told->enumeration, enum_lie::endless);
  EXPECT_EQ(told->create, std::chrono::milliseconds(7));
  EXPECT_EQ(told->luns, 3u);
}

TEST(script, a_name_alone_does_not_match_the_end_of_another) {
  const auto told = parse_script("on Properties crash\n");
  ASSERT_TRUE(told);
  EXPECT_EQ(told->on("IVdsLun::GetProperties"), nullptr);
}

TEST(script, what_it_does_not_know_is_refused_with_its_line) {
  for (const char* wrong : {"on", "on X", "on X fly", "on X return", "on X return 0x", "on X return 0x123456789",
                            "on X hang soon", "async politely", "enum", "create_ms -1", "luns many", "nonsense 1"}) {
    const auto told = parse_script("luns 1\n" + std::string(wrong));
    ASSERT_FALSE(told) << wrong;
    EXPECT_NE(told.error().message().find("line 2"), std::string::npos) << told.error().message();
  }
}

}  // namespace
}  // namespace vds::sim
