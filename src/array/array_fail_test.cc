// A drive that somebody declares failed is as good as gone, before the call returns and after every restart.
#include <gtest/gtest.h>

#include "array/testing/rig.h"

namespace vds::array {
namespace {

TEST(array_fail_drive, it_is_never_believed_again_and_what_is_written_later_is_what_is_read) {
  for (const auto type : {lun_type::mirror, lun_type::parity, lun_type::raid6, lun_type::raid10}) {
    testing::rig r(4);
    ASSERT_TRUE(r.boot());
    const auto lun = r.create(type, 1 << 20);
    ASSERT_TRUE(lun);
    ASSERT_TRUE(r.fill(lun->id, 1));
    const guid drive = lun->drives.front();
    ASSERT_TRUE(r.ex.run(r.array->fail_drive(drive)));
    EXPECT_TRUE(r.ex.run(r.array->fail_drive(drive)));  // it is
    EXPECT_EQ(r.array->drive(drive)->state, drive_state::failed);
    EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::degraded) << to_string(type);
    EXPECT_EQ(r.array->lun(lun->id)->survives_drive_losses, lun->survives_drive_losses - 1) << to_string(type);
    EXPECT_TRUE(r.holds(lun->id, 1)) << to_string(type);
    ASSERT_TRUE(r.fill(lun->id, 2));
    r.power_cut();
    ASSERT_TRUE(r.boot());  // with all of them
    EXPECT_EQ(r.array->drive(drive)->state, drive_state::stale);
    EXPECT_TRUE(r.holds(lun->id, 2)) << to_string(type);
    ASSERT_TRUE(r.shut_down());
  }
}

TEST(array_fail_drive, the_last_one_that_works_and_one_that_is_not_there_are_refused) {
  testing::rig r(2);
  ASSERT_TRUE(r.boot());
  const guid first = r.drive_id(0), second = r.drive_id(1);
  EXPECT_EQ(r.ex.run(r.array->fail_drive(guid{{9}})).error(), errc::not_found);
  ASSERT_TRUE(r.ex.run(r.array->fail_drive(first)));
  EXPECT_EQ(r.ex.run(r.array->fail_drive(second)).error(), errc::busy);
  EXPECT_EQ(r.array->drive(second)->state, drive_state::online);
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.ex.run(r.array->fail_drive(first)).error(), errc::unavailable);  // stale: left aside already
  ASSERT_TRUE(r.shut_down());
  EXPECT_FALSE(r.boot({0}));  // alone it does not pass for the array
}

}  // namespace
}  // namespace vds::array
