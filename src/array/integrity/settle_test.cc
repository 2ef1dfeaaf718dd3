// What becomes of checksums in memory and on the drive: marks, write-back, damage, and a cache that is too small.
#include "array/integrity/testing/checked_rig.h"

namespace vds::array::integrity::testing {
namespace {

std::uint64_t writes_of(checked_rig& r, const std::function<void()>& what) {
  std::uint64_t n = 0;
  r.drive->set_rule([&n](const io::faulty_device::call& c) {
    n += c.what == io::faulty_device::request::write ? 1 : 0;
    return io::fault::none;
  });
  what();
  r.drive->set_rule(nullptr);
  return n;
}

TEST(settling, a_write_to_a_region_that_is_marked_already_costs_no_other_write) {
  checked_rig r;
  EXPECT_EQ(writes_of(r, [&r] { ASSERT_TRUE(r.write(0, 1)); }), 2U) << "the mark, and the data";
  EXPECT_EQ(writes_of(r,
                      [&r] {
                        for (std::uint64_t i = 1; i < 100; ++i) ASSERT_TRUE(r.write(i * 8192, i));
                      }),
            99U);
  EXPECT_EQ(writes_of(r, [&r] { r.settle(); }), 2U) << "the sums, and the mark";
}

TEST(settling, writes_one_after_the_other_mark_regions_in_advance) {
  checked_rig r(1, 128 << 20);
  const auto n = writes_of(r, [&r] {
    for (std::uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(r.write(i * format::region_bytes, i));
  });
  EXPECT_LE(n, 20U + 4U);
  r.shut_down();
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_TRUE(r.holds(i * format::region_bytes, i));
}

TEST(settling, regions_that_are_written_again_stay_marked) {
  checked_rig r;
  ASSERT_TRUE(r.write(0, 1));
  const auto early = r.ex.clock().now();
  r.ex.advance(5s);
  ASSERT_TRUE(r.write(0, 2));
  EXPECT_FALSE(r.device->idle_since(early));
  ASSERT_TRUE(r.ex.run(r.device->settle(early)));
  EXPECT_FALSE(r.device->settled());
  EXPECT_TRUE(r.device->idle_since(r.ex.clock().now()));
}

TEST(settling, who_settles_is_told_when_there_is_something_and_not_for_each_write) {
  checked_rig r;
  int told = 0;
  r.device->on_unsettled([&told] { ++told; });
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(r.write(i * 4096, i));
  EXPECT_EQ(told, 1);
  r.settle();
  ASSERT_TRUE(r.write(0, 1));
  EXPECT_EQ(told, 2);
}

TEST(settling, after_a_crash_the_sums_of_what_was_being_written_are_made_from_the_data) {
  checked_rig r;
  ASSERT_TRUE(r.write(0, 1, 65536));
  ASSERT_TRUE(r.write(format::region_bytes, 1, 65536));
  r.settle();
  ASSERT_TRUE(r.write(8192, 2));
  r.flush();
  r.power_cut();
  EXPECT_TRUE(r.holds(8192, 2));
  r.flip_data(format::region_bytes + 5);
  EXPECT_TRUE(r.refuses(format::region_bytes)) << "the other region was not in doubt";
  r.settle();
  EXPECT_EQ(r.device->counts().learned, format::sums_per_region);
  r.flip_data(8192);
  EXPECT_TRUE(r.refuses(8192)) << "what was learned is checked";
  r.flip_data(8192);
  r.shut_down();
  EXPECT_TRUE(r.holds(8192, 2));
  EXPECT_TRUE(r.holds(0, 1, 8192));
}

TEST(settling, a_cache_for_two_regions_serves_a_whole_drive) {
  checked_rig r;
  r.device.reset();
  r.cached_regions = 2;
  r.open();
  const std::uint64_t regions = format::checksums_of(r.sb).regions;
  ASSERT_GE(regions, 6U);
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i + 1 < regions; ++i)
      ASSERT_TRUE(r.write(i * format::region_bytes + 4096U * round, i * 10 + static_cast<std::uint64_t>(round)));
    for (std::uint64_t i = 0; i + 1 < regions; ++i)
      for (int old = 0; old <= round; ++old)
        ASSERT_TRUE(r.holds(i * format::region_bytes + 4096U * old, i * 10 + static_cast<std::uint64_t>(old)));
    if (round == 1) r.shut_down();
  }
  r.flush();
  r.flip_data(4096);
  EXPECT_TRUE(r.refuses(4096));
}

TEST(settling, a_damaged_or_older_sum_block_is_noticed_and_made_anew) {
  for (const bool older : {false, true}) {
    checked_rig r;
    const std::uint64_t sums = format::checksums_of(r.sb).sum_place(0);
    ASSERT_TRUE(r.write(0, 1));
    r.shut_down();
    std::vector<std::byte> old(4096);
    r.medium.peek(lba{sums / 512}, old);
    ASSERT_TRUE(r.write(0, 2));
    r.shut_down();
    if (older)
      r.medium.poke(lba{sums / 512}, old);
    else
      r.flip(sums + 1000);
    EXPECT_TRUE(r.holds(0, 2)) << "good data stays readable";
    EXPECT_EQ(r.device->counts().damaged, 1U);
    EXPECT_FALSE(r.device->settled());
    r.shut_down();
    EXPECT_TRUE(r.holds(0, 2));
    EXPECT_EQ(r.device->counts().damaged, 0U);
    r.flip_data(0);
    EXPECT_TRUE(r.refuses(0));
  }
}

TEST(settling, a_sum_block_that_cannot_be_read_is_made_anew) {
  checked_rig r;
  const std::uint64_t sums = format::checksums_of(r.sb).sum_place(0);
  ASSERT_TRUE(r.write(0, 1));
  r.shut_down();
  r.drive->set_rule([sums](const io::faulty_device::call& c) {
    return c.what == io::faulty_device::request::read && c.at.n == sums / 512 ? io::fault::fail : io::fault::none;
  });
  EXPECT_TRUE(r.holds(0, 1));
  r.settle();
  r.shut_down();
  EXPECT_TRUE(r.holds(0, 1));
  EXPECT_EQ(r.device->counts().damaged, 0U);
}

TEST(settling, either_copy_of_a_region_block_may_be_damaged) {
  for (unsigned copy = 0; copy < 2; ++copy) {
    checked_rig r;
    ASSERT_TRUE(r.write(0, 1));
    r.shut_down();
    r.flip(format::checksums_of(r.sb).region_block_place(0, copy) + 100);
    r.device.reset();
    r.open();
    EXPECT_TRUE(r.holds(0, 1));
    r.settle();
    r.flip_data(0);
    EXPECT_TRUE(r.refuses(0));
  }
}

TEST(settling, without_any_region_block_everything_is_made_anew) {
  checked_rig r;
  ASSERT_TRUE(r.write(0, 1));
  r.shut_down();
  for (unsigned copy = 0; copy < 2; ++copy) r.flip(format::checksums_of(r.sb).region_block_place(0, copy) + 100);
  r.device.reset();
  r.open();
  EXPECT_TRUE(r.holds(0, 1));
  r.shut_down();
  r.flip_data(0);
  EXPECT_TRUE(r.refuses(0));
  EXPECT_TRUE(r.holds(4096, 0));
}

TEST(settling, a_drive_that_does_not_take_sums_or_marks_says_so) {
  checked_rig r;
  ASSERT_TRUE(r.write(0, 1));
  r.drive->set_rule([](const io::faulty_device::call& c) {
    return c.what == io::faulty_device::request::read ? io::fault::none : io::fault::fail;
  });
  EXPECT_FALSE(r.ex.run(r.device->settle(monotonic::time_point::max())));
  EXPECT_FALSE(r.device->settled());
  EXPECT_FALSE(r.write(format::region_bytes, 1)) << "what cannot be marked is not written";
  EXPECT_TRUE(r.holds(0, 1));
  r.drive->set_rule(nullptr);
  r.settle();
}

TEST(settling, a_failed_flush_leaves_the_marks) {
  checked_rig r;
  ASSERT_TRUE(r.write(0, 1));
  r.drive->set_rule([](const io::faulty_device::call& c) {
    return c.what == io::faulty_device::request::flush ? io::fault::fail : io::fault::none;
  });
  EXPECT_FALSE(r.ex.run(r.device->settle(monotonic::time_point::max())));
  r.drive->power_cut([](std::size_t) { return false; });
  r.device.reset();
  r.open();
  EXPECT_TRUE(r.holds(0, 0)) << "old, and readable";
}

}  // namespace
}  // namespace vds::array::integrity::testing
