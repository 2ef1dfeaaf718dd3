#include "providers/array/job_book.h"

#include <gtest/gtest.h>

namespace vds::array_provider {
namespace {

constexpr std::uint64_t mib = 1 << 20;

struct book : ::testing::Test {
  job_book them;
  monotonic::time_point at{};
  std::uint64_t wall = 1'000;
  const guid one{{1}}, two{{2}};
  void see(std::vector<job> now, monotonic::duration later = 1s) {
    at += later;
    wall += 1;
    them.observe(now, at, wall);
  }
  static job doing(const guid& id, std::uint64_t done, std::uint64_t total) {
    job j;
    j.id = id;
    j.kind = "rebuild";
    j.done = done;
    j.total = total;
    return j;
  }
};

TEST_F(book, the_rate_is_that_of_the_last_seconds_and_says_how_long_it_will_take) {
  see({doing(one, 0, 100 * mib)});
  EXPECT_EQ(them.find(one)->bytes_per_second, 0u);
  EXPECT_FALSE(them.find(one)->seconds_left);
  see({doing(one, 10 * mib, 100 * mib)});
  EXPECT_EQ(them.find(one)->bytes_per_second, 10 * mib);
  EXPECT_EQ(them.find(one)->seconds_left, 9u);
  for (int i = 0; i < 20; ++i) see({doing(one, (11 + static_cast<unsigned>(i)) * mib, 100 * mib)});
  EXPECT_EQ(them.find(one)->bytes_per_second, mib);  // the fast beginning is forgotten
  EXPECT_EQ(them.find(one)->percent(), 30u);
}

TEST_F(book, one_that_stands_still_has_no_rate_and_no_end) {
  for (int i = 0; i < 30; ++i) see({doing(one, 50 * mib, 100 * mib)});
  EXPECT_EQ(them.find(one)->bytes_per_second, 0u);
  EXPECT_FALSE(them.find(one)->seconds_left);
}

TEST_F(book, what_is_no_longer_told_has_ended_well_and_what_failed_has_not) {
  auto bad = doing(two, 3, 4);
  bad.failed = failure(errc::unavailable);
  see({doing(one, 1, 4), bad});
  see({});
  EXPECT_TRUE(them.find(one)->ended);
  EXPECT_EQ(them.find(one)->percent(), 100u);
  EXPECT_EQ(them.find(one)->begun_ns, 1'001u);
  EXPECT_EQ(them.find(one)->ended_ns, 1'002u);
  EXPECT_EQ(them.find(two)->percent(), 0u);
  EXPECT_EQ(them.all().size(), 2u);
}

TEST_F(book, the_same_work_once_more_runs_again) {
  see({doing(one, 3, 4)});
  see({});
  see({doing(one, 1, 4)});
  ASSERT_EQ(them.all().size(), 1u);
  EXPECT_FALSE(them.all().front().ended);
}

TEST_F(book, it_is_bounded_whoever_asks_however_often) {
  for (unsigned i = 0; i < 200; ++i) see({doing(guid{{static_cast<std::uint8_t>(i), 7}}, 0, 4)});
  EXPECT_EQ(them.all().size(), 1 + job_book::remembered);
  for (unsigned i = 0; i < 10'000; ++i) see({doing(one, i, 20'000)}, 1ms);
  EXPECT_GT(them.find(one)->bytes_per_second, 900u);
  EXPECT_LT(them.find(one)->bytes_per_second, 1'100u);
}

TEST_F(book, it_is_never_at_a_hundred_before_its_end) {
  see({doing(one, 100, 100)});
  EXPECT_EQ(them.find(one)->percent(), 99u);
  see({doing(two, ~0ull, ~0ull)});
  EXPECT_EQ(them.find(two)->percent(), 99u);
}

}  // namespace
}  // namespace vds::array_provider
