#include "array/assembly/quorum.h"

#include <gtest/gtest.h>

namespace vds::array::assembly {
namespace {

guid id(int n) { return guid{{static_cast<std::uint8_t>(n)}}; }
std::vector<guid> ids(std::initializer_list<int> list) {
  std::vector<guid> out;
  for (int n : list) out.push_back(id(n));
  return out;
}

// A drive whose log is readable to its end.
candidate drive(int n, std::uint64_t epoch, std::uint64_t incarnation, std::uint64_t sequence,
                std::vector<guid> members, std::vector<format::ancestor> ancestors = {}) {
  candidate c;
  c.drive = id(n);
  c.name = "drive " + std::to_string(n);
  c.superblock_epoch = epoch;
  c.witness = format::area_scan::witness{epoch, incarnation, sequence};
  c.loadable = true;
  c.sequence = sequence;
  c.epoch = {epoch, incarnation, std::move(ancestors)};
  c.members = std::move(members);
  return c;
}

TEST(quorum, the_newest_configuration_with_most_of_its_members_wins) {
  const auto all = ids({1, 2, 3});
  const auto c = choose({drive(1, 1, 9, 5, all), drive(2, 1, 9, 6, all), drive(3, 1, 9, 5, all)}, false);
  ASSERT_TRUE(c);
  EXPECT_EQ(c->from, 1U);
  EXPECT_EQ(c->members.size(), 3U);
}

TEST(quorum, exactly_half_refuses_and_more_than_half_does_not) {
  const auto all = ids({1, 2, 3, 4});
  EXPECT_EQ(choose({drive(1, 1, 9, 5, all), drive(2, 1, 9, 5, all)}, false).error().code(), errc::unavailable);
  EXPECT_TRUE(choose({drive(1, 1, 9, 5, all), drive(2, 1, 9, 5, all), drive(4, 1, 9, 5, all)}, false));
  EXPECT_TRUE(choose({drive(1, 1, 9, 5, all), drive(2, 1, 9, 5, all)}, true));
}

TEST(quorum, a_survivor_of_two_runs_alone_and_its_stale_fellow_never) {
  const auto survivor = drive(1, 2, 8, 7, ids({1}), {{1, 9, 6}});
  const auto stale = drive(2, 1, 9, 6, ids({1, 2}));
  EXPECT_EQ(choose({survivor, stale}, false)->members, std::vector<std::size_t>{0});
  EXPECT_TRUE(choose({survivor}, false));
  EXPECT_EQ(choose({stale}, false).error().code(), errc::unavailable);
}

TEST(quorum, an_assembly_that_reached_one_drive_does_not_outvote_the_others_that_went_on) {
  // Drive 1 was assembled alone twice by a machine that crashed each time; 2 and 3 went on without it and wrote.
  const auto all = ids({1, 2, 3});
  const auto lone = drive(1, 4, 77, 7, all, {{2, 9, 5}, {3, 76, 6}});
  const auto b = drive(2, 3, 55, 9, ids({2, 3}), {{2, 9, 5}}), c = drive(3, 3, 55, 9, ids({2, 3}), {{2, 9, 5}});
  const auto chosen = choose({lone, b, c}, false);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->from, 1U);
  EXPECT_EQ(chosen->members, (std::vector<std::size_t>{1, 2}));
  EXPECT_FALSE(choose({lone, b}, false));
}

TEST(quorum, a_drive_that_proves_a_newer_damaged_configuration_is_not_outvoted_by_itself) {
  auto only = drive(1, 1, 9, 5, ids({1}));
  only.witness->sequence = 8;  // whole batches behind a damaged one
  EXPECT_FALSE(choose({only}, false));
  EXPECT_FALSE(choose({only}, true));
  only = drive(1, 1, 9, 5, ids({1}));
  only.superblock_epoch = 2;  // the log lost its last epoch
  EXPECT_FALSE(choose({only}, false));
}

TEST(quorum, a_drive_with_a_damaged_log_still_counts_when_its_past_is_known) {
  auto damaged = drive(2, 1, 9, 4, {});
  damaged.loadable = false;
  const auto all = ids({1, 2, 3});
  EXPECT_EQ(choose({drive(1, 1, 9, 5, all), damaged}, false)->members.size(), 2U);
  damaged.witness.reset();
  EXPECT_FALSE(choose({drive(1, 1, 9, 5, all), damaged}, false));
}

TEST(quorum, nothing_readable_is_refused_with_words) {
  auto c = drive(1, 1, 9, 5, ids({1}));
  c.loadable = false;
  EXPECT_EQ(choose({c}, true).error().code(), errc::corrupt);
  EXPECT_FALSE(choose({}, false));
}

}  // namespace
}  // namespace vds::array::assembly
