// The power goes at every request of a drive's being added: afterwards it is a member that works, or none and can be
// added again.
#include <gtest/gtest.h>

#include "tests/crash/cut.h"

namespace vds::array::testing {
namespace {

TEST(join_cut, a_drive_that_is_being_added_is_a_member_that_works_or_none_at_all) {
  std::uint64_t at = 0, members = 0, none = 0;
  for (bool gone = true; gone;) {
    SCOPED_TRACE("the power goes at request " + std::to_string(++at));
    rig r(4, 8 << 20);
    ASSERT_TRUE(r.boot({0, 1, 2}));
    auto device = r.open(3);
    power_goes_at cut(r, at);
    const auto added = r.ex.run(r.array->add_drive(std::move(device), {.zeroed = true}));
    gone = cut.gone;
    if (!gone) {
      EXPECT_TRUE(added);
      break;
    }
    r.end();
    ASSERT_TRUE(r.boot());
    const auto drives = r.array->drives();
    for (const auto& d : drives) EXPECT_EQ(d.state, drive_state::online) << d.path << ": " << d.why;
    if (drives.size() == 4) {
      ++members;
      continue;
    }
    ++none;
    ASSERT_EQ(drives.size(), 3U);
    const auto again = r.ex.run(r.array->add_drive(r.open(3), {.force = true}));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(r.array->drives().size(), 4U);
  }
  EXPECT_GT(members, 0U);
  EXPECT_GT(none, 0U);
}

}  // namespace
}  // namespace vds::array::testing
