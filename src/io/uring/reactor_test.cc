#include "io/uring/reactor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <future>
#include <optional>

#include "io/uring/ring_setup.h"
#include "rt/sync.h"

namespace vds::io {
namespace {

std::unique_ptr<reactor_thread> started() {
  auto t = reactor_thread::start("test");
  EXPECT_TRUE(t) << t.error().message();
  return std::move(*t);
}

TEST(reactor, runs_what_any_thread_posts_in_the_order_of_that_thread) {
  auto t = started();
  std::vector<std::thread> posters;
  std::vector<std::vector<int>> seen(4);
  std::promise<void> all;
  int left = 4 * 1000;  // touched on the reactor only
  for (std::size_t p = 0; p < 4; ++p) {
    posters.emplace_back([&, p] {
      for (int i = 0; i < 1000; ++i) {
        t->reactor().post([&, p, i] {
          EXPECT_TRUE(t->reactor().on_this_thread());
          seen[p].push_back(i);
          if (--left == 0) all.set_value();
        });
      }
    });
  }
  for (auto& p : posters) p.join();
  all.get_future().wait();
  for (const auto& s : seen) EXPECT_TRUE(std::is_sorted(s.begin(), s.end()));
}

TEST(reactor, a_posted_ping_pong_between_two_reactors_never_loses_a_wake_up) {
  auto a = started();
  auto b = started();
  const int rounds = rt::block_on(a->reactor(), [&]() -> rt::task<int> {
    int n = 0;
    for (; n < 5000; ++n) {
      const int back = co_await rt::run_on(a->reactor(), b->reactor(), [n]() -> rt::task<int> {
        // The capture lives in run_on's frame, which outlives this task.
        co_return n;
      });
      EXPECT_EQ(back, n);
    }
    co_return n;
  });
  EXPECT_EQ(rounds, 5000);
}

TEST(reactor, timers_fire_in_order_of_time_and_not_when_cancelled) {
  auto t = started();
  const auto order = rt::block_on(t->reactor(), [&]() -> rt::task<std::vector<int>> {
    std::vector<int> fired;
    auto& r = t->reactor();
    const auto start = r.now();
    r.run_at(start + 20ms, [&] { fired.push_back(2); });
    r.run_at(start + 10ms, [&] { fired.push_back(1); });
    const auto cancelled = r.run_at(start + 15ms, [&] { fired.push_back(9); });
    EXPECT_TRUE(r.cancel_timer(cancelled));
    EXPECT_FALSE(r.cancel_timer(cancelled));
    co_await r.sleep_until(start + 30ms);
    EXPECT_GE(r.now(), start + 30ms);
    co_return fired;
  });
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(reactor, an_idle_reactor_uses_no_processor_time) {
  auto t = started();
  auto thread_time = [&] {
    return rt::block_on(t->reactor(), []() -> rt::task<std::pair<long, std::uint64_t>> {
      rusage u{};
      ::getrusage(RUSAGE_THREAD, &u);
      co_return std::pair(u.ru_nvcsw + u.ru_nivcsw, std::uint64_t{0});
    });
  };
  const auto before = thread_time();
  // The time of idling is the point here, not a condition to wait for.
  std::this_thread::sleep_for(200ms);
  const auto after = thread_time();
  EXPECT_LE(after.first - before.first, 6);  // switches: one sleep and one wake-up, some slack for the machine
}

TEST(reactor, stopping_ends_sleepers_in_the_kernel_and_work_posted_before) {
  auto r = reactor::create();
  ASSERT_TRUE(r) << r.error().message();
  int ran = 0;
  (*r)->post([&] { ++ran; });
  std::thread thread([&] { (*r)->run(); });
  (*r)->stop();
  thread.join();
  EXPECT_EQ(ran, 1);
}

TEST(reactor, when_the_kernel_refuses_io_uring_the_failure_says_why_and_what_to_do) {
  // A child whose seccomp filter refuses io_uring_setup, as container runtimes do.
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* offsetof(seccomp_data, nr) */),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{4, filter};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    auto r = reactor::create();
    const std::string text = r ? "made" : r.error().message();
    ::_exit(::write(fds[1], text.data(), text.size()) > 0 ? 0 : 1);
  }
  char text[1024] = {};
  ASSERT_GT(::read(fds[0], text, sizeof text - 1), 0);
  int exit_status = 0;
  ::waitpid(child, &exit_status, 0);
  ::close(fds[0]);
  ::close(fds[1]);
  EXPECT_THAT(std::string(text), testing::HasSubstr("refuses io_uring")) << text;
  EXPECT_NE(std::string(text).find("seccomp"), std::string::npos) << text;
}

TEST(reactor, each_reason_of_refusal_names_its_way_out) {
  EXPECT_NE(explain_refusal(EPERM, 2).message().find("kernel.io_uring_disabled=0"), std::string::npos);
  EXPECT_NE(explain_refusal(EPERM, 0).message().find("seccomp"), std::string::npos);
  EXPECT_NE(explain_refusal(ENOSYS, {}).message().find("Linux 5.15"), std::string::npos);
  EXPECT_NE(explain_refusal(ENOMEM, {}).message().find("ulimit -l"), std::string::npos);
}

}  // namespace
}  // namespace vds::io
