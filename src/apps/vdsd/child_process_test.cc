#include "apps/vdsd/child_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <future>

namespace vds::vdsd {
namespace {

constexpr auto soon = std::chrono::seconds(20);

result<std::unique_ptr<child_process>> shell(const std::string& text, monotonic::duration within = soon) {
  return child_process::start({{"sh", "-c", text}, true}, within);
}

TEST(child_process, is_there_when_it_said_ready_and_says_how_it_ended) {
  const std::pair<const char*, const char*> cases[] = {
      {"echo ready; read line < /dev/null; exit 3", "ended with status 3"},
      {"echo so; echo ready; kill -9 $$", "killed by signal 9 (Killed)"},
      {"echo ready; echo 'no disk' >&2; echo '' >&2; exit 3", "ended with status 3: no disk"},
  };
  for (const auto& [script, words] : cases) {
    auto child = shell(script);
    ASSERT_TRUE(child) << child.error().message();
    std::promise<std::string> told;
    (*child)->on_exit([&](const std::string& how) { told.set_value(how); });
    EXPECT_EQ(told.get_future().get(), words);
    EXPECT_TRUE((*child)->wait(soon));
  }
}

TEST(child_process, that_does_not_get_ready_is_a_failure_with_the_reason) {
  const std::pair<const char*, const char*> cases[] = {
      {"exit 4", "ended with status 4 before it was ready"},
      {"echo almost; exit 0", "ended with status 0 before it was ready"},
      {"echo first >&2; printf 'the licence is over' >&2; exit 5",
       "ended with status 5 before it was ready: the licence is over"},
  };
  for (const auto& [script, words] : cases) {
    const auto child = shell(script);
    ASSERT_FALSE(child);
    EXPECT_NE(child.error().message().find(words), std::string::npos) << child.error().message();
  }
  EXPECT_EQ(shell("sleep 60", std::chrono::milliseconds(50)).error().code(), errc::timed_out);
  EXPECT_EQ(child_process::start({{"/no/such/program"}, true}, soon).error().code(), errc::not_found);
}

TEST(child_process, that_is_killed_takes_what_it_started_along) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);  // inherited: open for as long as one of them lives
  EXPECT_FALSE(shell("sleep 60 & sleep 60", std::chrono::milliseconds(50)));
  ::close(ends[1]);
  pollfd p{ends[0], POLLIN, 0};
  EXPECT_EQ(::poll(&p, 1, 20'000), 1) << "somebody still has it open";
  ::close(ends[0]);
}

TEST(child_process, has_the_environment_and_the_limits_it_was_given) {
  child_options options{{"sh", "-c", "test \"$WHO\" = me || echo wrong >&2; ulimit -n >&2; echo ready; read line"}};
  options.environment = {"WHO=me"};
  options.limits.files = 77;
  auto child = child_process::start(options, soon);
  ASSERT_TRUE(child) << child.error().message();
  std::promise<std::string> told;
  (*child)->on_exit([&](const std::string& how) { told.set_value(how); });
  EXPECT_EQ(told.get_future().get(), "ended with status 1: 77");
}

TEST(child_process, ends_when_it_is_told_to) {
  auto child = shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_TRUE(child) << child.error().message();
  EXPECT_FALSE((*child)->wait(std::chrono::milliseconds(0)));
  (*child)->signal(SIGTERM);
  EXPECT_TRUE((*child)->wait(soon));
}

}  // namespace
}  // namespace vds::vdsd
