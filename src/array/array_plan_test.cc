// A plan is what creation then does, and takes nothing itself.
#include <gtest/gtest.h>

#include <map>

#include "array/testing/rig.h"

namespace vds::array {
namespace {

std::map<guid, std::uint64_t> free_of(const array& a) {
  std::map<guid, std::uint64_t> out;
  for (const auto& d : a.drives()) out[d.id] = d.free.n;
  return out;
}

TEST(array_plan, takes_what_creation_then_takes_for_every_type) {
  testing::rig r(8);
  ASSERT_TRUE(r.boot());
  for (const auto type : {lun_type::automatic, lun_type::automatic_fault_tolerant, lun_type::automatic_plain,
                          lun_type::simple, lun_type::span, lun_type::stripe, lun_type::mirror, lun_type::parity,
                          lun_type::raid6, lun_type::raid10, lun_type::raid50, lun_type::raid60}) {
    lun_spec spec;
    spec.type = type;
    spec.size = byte_count{(1 << 20) + 1};
    const auto before = free_of(*r.array);
    const auto plan = r.array->plan_lun(spec);
    ASSERT_TRUE(plan) << to_string(type);
    EXPECT_EQ(free_of(*r.array), before);
    const auto lun = r.ex.run(r.array->create_lun(spec));
    ASSERT_TRUE(lun);
    EXPECT_EQ(plan->type, lun->type);
    EXPECT_EQ(plan->size, lun->size);
    EXPECT_EQ(plan->survives_drive_losses, lun->survives_drive_losses) << to_string(type);
    auto after = before;
    for (const auto& s : plan->drives) after[s.drive] -= s.size.n;
    EXPECT_EQ(free_of(*r.array), after) << to_string(type);
  }
  ASSERT_TRUE(r.shut_down());
}

TEST(array_plan, fails_as_creation_would) {
  testing::rig r(3);
  ASSERT_TRUE(r.boot());
  const auto refused = [&](lun_type type, std::uint64_t bytes, std::vector<guid> drives = {}) {
    lun_spec spec;
    spec.type = type;
    spec.size = byte_count{bytes};
    spec.drives = std::move(drives);
    const auto plan = r.array->plan_lun(spec);
    const auto made = r.ex.run(r.array->create_lun(spec));
    EXPECT_FALSE(plan);
    EXPECT_FALSE(made);
    if (!plan && !made) {
      EXPECT_EQ(plan.error().code(), made.error().code());
    }
  };
  refused(lun_type::simple, 0);
  refused(lun_type::simple, std::uint64_t{1} << 40);
  refused(lun_type::simple, std::uint64_t{1} << 60);
  refused(lun_type::raid60, 1 << 20);
  refused(lun_type::simple, 1 << 20, {guid{{9}}});
  refused(lun_type::mirror, 1 << 20, {r.drive_id(0), r.drive_id(0)});
  ASSERT_TRUE(r.shut_down());
}

}  // namespace
}  // namespace vds::array
