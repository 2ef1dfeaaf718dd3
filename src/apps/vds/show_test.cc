// The pieces that put things on a screen: text, progress, terminal, near words, times.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "apps/vds/match.h"
#include "apps/vds/names.h"
#include "apps/vds/progress.h"
#include "apps/vds/table.h"
#include "apps/vds/terminal.h"
#include "apps/vds/text.h"
#include "apps/vds/when.h"

namespace vds::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(text, what_a_terminal_would_obey_is_escaped) {
  EXPECT_EQ(printable("plain ümläut 漢字"), "plain ümläut 漢字");
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(printable("\x80\xff\xc0\xaf"), "\\x80\\xff\\xc0\\xaf");
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\u{202e}");  // right-to-left override
  EXPECT_EQ(printable("\xc2\x9b"), "\\u{9b}");        // CSI in one character
  EXPECT_EQ(printable("cut\xe2\x80"), "cut\\xe2\\x80");
}

TEST(text, columns_are_counted_not_bytes) {
  EXPECT_EQ(width("abc"), 3u);
  EXPECT_EQ(width("äöü"), 3u);
  EXPECT_EQ(width("漢字"), 4u);
  EXPECT_EQ(width("e\xcc\x81"), 1u);
  EXPECT_EQ(shorten("abcdef", 4, true), "abc…");
  EXPECT_EQ(shorten("abcdef", 5, false), "ab...");
  EXPECT_EQ(shorten("漢字漢字", 5, true), "漢字…");
  EXPECT_EQ(shorten("abc", 3, true), "abc");
}

TEST(progress, a_line_says_phase_percent_bytes_rate_and_time_left) {
  operation_view op;
  op.kind = "create_lun";
  op.state = 2;
  op.percent = 45;
  op.phase = "wiping";
  op.bytes_done = 450ull << 20;
  op.bytes_total = 1000ull << 20;
  const std::string line = progress_line(op, 50.0 * (1 << 20), 100, false);
  EXPECT_EQ(line, "create_lun  [##########--------------]   45%  wiping  450 MiB of 1000 MiB  50 MiB/s  11 s left");
  EXPECT_LE(width(line), 100u);
}

TEST(progress, never_wider_than_the_terminal_and_never_ahead_of_the_truth) {
  operation_view op;
  op.kind = "create_lun";
  op.phase = "initialising members";
  op.bytes_done = 3ull << 40;
  op.bytes_total = 2ull << 40;
  for (std::uint32_t percent : {0u, 1u, 50u, 99u, 100u, 250u}) {
    op.percent = percent;
    for (std::size_t columns = 1; columns < 160; ++columns)
      for (const bool utf8 : {false, true})
        EXPECT_LE(width(progress_line(op, 1e6, columns, utf8)), columns) << percent << " " << columns;
  }
  op.percent = 99;
  EXPECT_THAT(progress_line(op, 1e6, 120, false), HasSubstr("-]"));
}

TEST(progress, the_rate_follows_the_last_seconds_and_forgets_an_earlier_phase) {
  rate_meter m;
  const rate_meter::time t0{};
  m.note(t0, 0);
  EXPECT_FALSE(m.per_second());
  m.note(t0 + 1s, 100);
  EXPECT_NEAR(*m.per_second(), 100, 1);
  for (int i = 2; i < 20; ++i) m.note(t0 + i * 1s, 100 + static_cast<std::uint64_t>(i - 1) * 1000);
  EXPECT_NEAR(*m.per_second(), 1000, 1);
  m.note(t0 + 20s, 5);
  EXPECT_FALSE(m.per_second());
}

TEST(terminal, colour_is_for_terminals_that_want_it) {
  std::map<std::string, std::string> vars{{"TERM", "xterm"}};
  const environment_lookup env = [&](const char* n) { return vars.contains(n) ? vars[n].c_str() : nullptr; };
  EXPECT_TRUE(wants_colour("auto", true, env));
  EXPECT_FALSE(wants_colour("auto", false, env));
  EXPECT_TRUE(wants_colour("always", false, env));
  vars["NO_COLOR"] = "";
  EXPECT_TRUE(wants_colour("auto", true, env));
  vars["NO_COLOR"] = "1";
  EXPECT_FALSE(wants_colour("auto", true, env));
  vars.erase("NO_COLOR");
  vars["TERM"] = "dumb";
  EXPECT_FALSE(wants_colour("auto", true, env));
}

TEST(terminal, utf8_is_what_the_locale_says) {
  std::map<std::string, std::string> vars;
  const environment_lookup env = [&](const char* n) { return vars.contains(n) ? vars[n].c_str() : nullptr; };
  EXPECT_FALSE(wants_utf8(env));
  vars["LANG"] = "de_DE.UTF-8";
  EXPECT_TRUE(wants_utf8(env));
  vars["LC_ALL"] = "C";
  EXPECT_FALSE(wants_utf8(env));
  vars["LC_ALL"] = "C.utf8";
  EXPECT_TRUE(wants_utf8(env));
  vars["LC_ALL"] = "ja_JP.eucJP@x";
  EXPECT_FALSE(wants_utf8(env));
}

TEST(match, near_words_are_guessed_and_far_ones_not) {
  const std::string_view verbs[] = {"list", "show", "create", "delete"};
  EXPECT_EQ(nearest("craete", verbs), "create");
  EXPECT_EQ(nearest("lsit", verbs), "list");
  EXPECT_EQ(nearest("shwo", verbs), "show");
  EXPECT_EQ(nearest("remove-everything", verbs), "");
  EXPECT_EQ(nearest("", verbs), "");
}

TEST(names, a_number_without_a_name_is_unknown_and_never_its_neighbour) {
  EXPECT_EQ(name_of(words::health, 1), "healthy");
  EXPECT_EQ(name_of(words::health, 77), "unknown(77)");
  EXPECT_EQ(value_of(words::lun_type, "mirror"), 13u);
  EXPECT_FALSE(value_of(words::lun_type, "Mirror"));
  EXPECT_THAT(flags_of(words::drive_flag, 0x80000003), ::testing::ElementsAre("hotspare", "assigned", "0x80000000"));
}

TEST(when, times_and_durations) {
  EXPECT_EQ(utc(0), "");
  EXPECT_EQ(utc(1'700'000'000'123'456'789), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(print_duration(400ms), "0.4 s");
  EXPECT_EQ(print_duration(59s), "59 s");
  EXPECT_EQ(print_duration(185s), "3 min 05 s");
  EXPECT_EQ(print_duration(7800s), "2 h 10 min");
  EXPECT_EQ(print_duration(99h), "4 d 3 h");
}

TEST(table, colours_do_not_disturb_the_columns_and_the_last_column_gives_way) {
  table t({{"a", "A"}, {"b", "B"}});
  t.add({{"xx", "", 0, tone::good}, {"a long text that does not fit"}});
  terminal where;
  where.colour = true;
  EXPECT_EQ(t.print({"", "", false, false}, where), "\x1b[32mxx\x1b[0m  a long text that does not fit\n");
  where.colour = false;
  where.out_is_terminal = true;
  where.columns = 20;
  EXPECT_EQ(t.print({"", "", false, false}, where), "xx  a long text t...\n");
}

}  // namespace
}  // namespace vds::cli
