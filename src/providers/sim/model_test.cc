#include "providers/sim/model.h"

#include <gtest/gtest.h>

namespace vds::sim {
namespace {

guid an_id() { return *parse_guid("5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a12"); }

std::uint64_t used(const model& m) {
  std::uint64_t sum = 0;
  for (const drive_state& d : m.drives()) sum += d.used;
  return sum;
}

script small() {
  script s;
  s.drives = 3;
  s.drive_bytes = 100;
  return s;
}

TEST(model, what_a_lun_takes_it_gives_back) {
  model m(an_id(), small(), system_random());
  const auto mirror = m.create({.type = VDS_LT_MIRROR, .size = 60, .drives = {}, .unmasking_list = {}});
  ASSERT_TRUE(mirror);
  EXPECT_EQ(mirror->taken.size(), 2u);
  EXPECT_EQ(used(m), 120u);
  ASSERT_TRUE(m.remove(mirror->id));
  EXPECT_EQ(used(m), 0u);
  EXPECT_FALSE(m.remove(mirror->id));
}

TEST(model, the_largest_size_it_names_is_the_largest_it_takes) {
  for (const VDS_LUN_TYPE type : {VDS_LT_SIMPLE, VDS_LT_MIRROR, VDS_LT_DEFAULT}) {
    model m(an_id(), small(), system_random());
    const std::uint64_t most = m.max_size(type, {});
    ASSERT_GT(most, 0u);
    EXPECT_FALSE(m.check({.type = type, .size = most + 1, .drives = {}, .unmasking_list = {}}));
    EXPECT_TRUE(m.create({.type = type, .size = most, .drives = {}, .unmasking_list = {}}));
  }
}

TEST(model, its_first_ids_are_the_same_in_every_life) {
  script s = small();
  s.luns = 2;
  const model a(an_id(), s, system_random()), b(an_id(), s, system_random());
  EXPECT_EQ(a.subsystem(), b.subsystem());
  ASSERT_EQ(a.luns().size(), 2u);
  EXPECT_EQ(a.luns()[0].id, b.luns()[0].id);
  EXPECT_EQ(a.drives()[2].id, b.drives()[2].id);
}

TEST(model, refuses_what_it_cannot_do) {
  model m(an_id(), small(), system_random());
  EXPECT_EQ(m.create({.type = VDS_LT_RAID6, .size = 1, .drives = {}, .unmasking_list = {}}).error(),
            errc::not_supported);
  EXPECT_EQ(m.create({.type = VDS_LT_SIMPLE, .size = 0, .drives = {}, .unmasking_list = {}}).error(),
            errc::invalid_argument);
  EXPECT_EQ(m.create({.type = VDS_LT_SIMPLE, .size = 1, .drives = {an_id()}, .unmasking_list = {}}).error(),
            errc::not_found);
  EXPECT_EQ(m.create({.type = VDS_LT_SIMPLE, .size = 301, .drives = {}, .unmasking_list = {}}).error(), errc::no_space);
}

}  // namespace
}  // namespace vds::sim
