#include <gtest/gtest.h>

#include <string>

#include "rt/cancel.h"
#include "rt/executor.h"
#include "rt/manual_executor.h"
#include "rt/sync.h"
#include "rt/task.h"

namespace vds::rt {
namespace {

task<int> answer() { co_return 42; }
task<result<int>> failing() { co_return errc::io_error; }

TEST(task, a_value_or_a_failure_reaches_the_awaiter) {
  manual_executor ex;
  EXPECT_EQ(ex.run(answer()), 42);
  auto r = ex.run(failing());
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code(), errc::io_error);
}

TEST(task, a_million_nested_awaits_do_not_use_up_the_stack) {
  manual_executor ex;
  const int sum = ex.run([]() -> task<int> {
    int s = 0;
    for (int i = 0; i < 1'000'000; ++i) s += co_await answer() - 41;
    co_return s;
  }());
  EXPECT_EQ(sum, 1'000'000);
}

TEST(manual_executor, time_jumps_to_the_next_timer_and_cancelled_ones_never_run) {
  manual_executor ex;
  std::string order;
  ex.run_at(ex.executor::now() + 3s, [&] { order += 'c'; });
  const auto id = ex.run_at(ex.executor::now() + 2s, [&] { order += 'b'; });
  ex.run_at(ex.executor::now() + 1s, [&] { order += 'a'; });
  EXPECT_TRUE(ex.cancel_timer(id));
  EXPECT_FALSE(ex.cancel_timer(id));
  ex.run();
  EXPECT_EQ(order, "ac");
}

TEST(manual_executor, the_same_seed_gives_the_same_order) {
  const auto order_of = [](std::uint64_t seed) {
    manual_executor ex(seed);
    std::string order;
    for (char c = 'a'; c <= 'z'; ++c) ex.post([&order, c] { order += c; });
    ex.run();
    return order;
  };
  EXPECT_EQ(order_of(1), order_of(1));
  EXPECT_NE(order_of(1), order_of(2));
}

TEST(mutex, waiters_go_in_order_and_never_together) {
  manual_executor ex;
  mutex m(ex);
  std::string order;
  const auto worker = [](manual_executor& e, mutex& mu, std::string& o, char c) -> task<bool> {
    auto held = co_await mu.take();
    o += c;
    co_await e.sleep_for(1ms);
    o += c;
    co_return true;
  };
  std::vector<task<bool>> all;
  for (char c = 'a'; c <= 'c'; ++c) all.push_back(worker(ex, m, order, c));
  ex.run(when_all(std::move(all)));
  EXPECT_EQ(order, "aabbcc");
}

TEST(gate, closing_waits_for_the_holders_and_lets_nobody_in) {
  manual_executor ex;
  gate g(ex);
  bool closed = false;
  {
    auto held = g.hold();
    ASSERT_TRUE(held);
    start([](gate& gg, bool& c) -> task<void> {
      co_await gg.close();
      c = true;
    }(g, closed));
    ex.run();
    EXPECT_FALSE(closed);
    EXPECT_FALSE(g.hold());
  }
  ex.run();
  EXPECT_TRUE(closed);
}

TEST(when_all, values_come_in_the_order_of_the_tasks) {
  manual_executor ex(3);
  const auto later = [](manual_executor& e, int n) -> task<int> {
    co_await e.sleep_for(std::chrono::milliseconds(10 - n));
    co_return n;
  };
  std::vector<task<int>> all;
  for (int i = 0; i < 5; ++i) all.push_back(later(ex, i));
  EXPECT_EQ(ex.run(when_all(std::move(all))), (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(ex.run(when_all(std::vector<task<int>>{})).empty());
}

TEST(unique_function, owns_what_it_captured_whatever_its_size) {
  auto p = std::make_unique<int>(5);
  unique_function<int()> small = [q = std::move(p)] { return *q; };
  std::array<char, 200> big{};
  big[199] = 7;
  unique_function<int()> large = [big, s = std::move(small)]() mutable { return big[199] + s(); };
  auto moved = std::move(large);
  EXPECT_EQ(moved(), 12);
  EXPECT_FALSE(large);  // NOLINT(bugprone-use-after-move): says so
}

TEST(cancel, a_token_sees_its_sources_request) {
  cancel_source source;
  auto token = source.token();
  EXPECT_FALSE(token.requested());
  source.request();
  EXPECT_TRUE(token.requested());
  EXPECT_FALSE(cancel_token().requested());
}

}  // namespace
}  // namespace vds::rt
