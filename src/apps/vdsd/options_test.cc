#include "apps/vdsd/options.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "apps/vdsd/process_launcher.h"

namespace vds::vdsd {
namespace {

class config : public ::testing::Test {
 protected:
  ~config() override { std::filesystem::remove(path_); }
  status read(const std::string& text) {
    std::FILE* f = std::fopen(path_.c_str(), "w");
    std::fputs(text.c_str(), f);
    std::fclose(f);
    into = {};
    return read_config(path_, into);
  }
  std::string path_ = (std::filesystem::temp_directory_path() / ("vdsd-config-" + std::to_string(::getpid()))).string();
  options into;
};

TEST_F(config, says_group_limits_and_providers) {
  ASSERT_TRUE(read(R"(
group = "vds"
history = 5
[limits]
call = 3
load = 4
ready = 0
threads = 8
[provider.thing]
command = "/bin/thing --fast"
clsid = "{00000000-0000-0000-0000-000000000001}"
)"));
  EXPECT_EQ(into.group, "vds");
  EXPECT_EQ(into.history, 5u);
  EXPECT_EQ(into.provider.call_limit, std::chrono::seconds(3));
  EXPECT_EQ(into.provider.load_limit, std::chrono::seconds(4));
  EXPECT_EQ(into.ready, std::chrono::seconds(0));
  EXPECT_EQ(into.provider.gate.threads, 8u);
  ASSERT_EQ(into.providers.size(), 1u);
  EXPECT_EQ(into.providers[0].name, "thing");
  EXPECT_EQ(into.providers[0].command, "/bin/thing --fast");
  EXPECT_EQ(to_string(into.providers[0].clsid), "00000000-0000-0000-0000-000000000001");
}

TEST_F(config, that_is_wrong_is_refused_with_the_line_and_the_reason) {
  const std::pair<const char*, const char*> cases[] = {
      {"group = 5", ":1: group has to be a text"},
      {"\ngruop = \"vds\"", ":2: 'gruop' is not a setting"},
      {"history = -1", ":1: history has to be a number from 0"},
      {"history = \"many\"", ":1: history has to be a number"},
      {"[limits]\ncall = 0", ":2: call has to be a number from 1 to 3600"},
      {"[limits]\ncalls = 1", ":2: 'calls' is not a setting"},
      {"limits = 5", ":1: limits has to be a table"},
      {"[provider.x]\nclsid = \"5\"", ":2: clsid is no id: 5"},
      {"[provider.x]\n", "provider x has no command"},
      {"group = ", ":1: "},
  };
  for (const auto& [text, words] : cases) {
    const auto r = read(text);
    ASSERT_FALSE(r) << text;
    EXPECT_NE(r.error().message().find(words), std::string::npos) << r.error().message();
    EXPECT_NE(r.error().message().find(path_), std::string::npos) << r.error().message();
  }
}

TEST(provider_option, names_a_command_and_perhaps_a_class) {
  const auto plain = parse_provider("sim=/bin/sim --x=y");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->name, "sim");
  EXPECT_EQ(plain->command, "/bin/sim --x=y");
  const auto with_class = parse_provider("a@00000000-0000-0000-0000-000000000007=b");
  ASSERT_TRUE(with_class);
  EXPECT_EQ(to_string(with_class->clsid), "00000000-0000-0000-0000-000000000007");
  for (const char* bad : {"", "sim", "=x", "sim=", "a@5=b"}) EXPECT_FALSE(parse_provider(bad)) << bad;
}

TEST(command, is_split_at_blanks_that_nothing_protects) {
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"a", {"a"}},
      {"  a  b ", {"a", "b"}},
      {"a 'b c' \"d e\"", {"a", "b c", "d e"}},
      {"a\\ b 'c\\d' \"e\\\"f\"", {"a b", "c\\d", "e\"f"}},
      {"a '' b", {"a", "", "b"}},
  };
  for (const auto& [text, words] : cases) {
    const auto r = split_command(text);
    ASSERT_TRUE(r) << text;
    EXPECT_EQ(*r, words) << text;
  }
  for (const char* bad : {"", "  ", "a 'b", "\"a"}) EXPECT_FALSE(split_command(bad)) << bad;
}

}  // namespace
}  // namespace vds::vdsd
