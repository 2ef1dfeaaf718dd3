// Command lines about work: plans of it, what arrays do by themselves.
#include <gmock/gmock.h>

#include "apps/vds/testing/command_line.h"

namespace vds::cli {
namespace {

using ::testing::HasSubstr;

TEST_F(command_line, a_dry_run_shows_the_plan_and_changes_nothing) {
  store.add_lun(1, "tank");
  store.plan.type = 13;
  store.plan.size_bytes = 1ull << 30;
  store.plan.steps = {{{}, 33, 1, 0, 0, 0, -1, -1, 1}, {test_id(1, 0xd0), 32, 3, 1ull << 30, 0, 0, 0, 0, 0}};
  for (const char* line : {"lun create --size 1G --dry-run", "lun delete tank --dry-run",
                           "lun extend tank --by 1G --dry-run", "drive replace drive1 drive2 --dry-run"}) {
    const auto got = vds(line);
    EXPECT_EQ(got.status, 0) << line << got.err;
    EXPECT_THAT(got.out, HasSubstr("takes 1 GiB")) << line;
    EXPECT_THAT(got.out, HasSubstr("- > - > 1")) << line;
    const auto doc = vds_json(line);
    EXPECT_EQ(doc["possible"], true);
    EXPECT_EQ(doc["steps"][0]["object"], nullptr);
    EXPECT_EQ(doc["steps"][0]["survives_drive_losses_before"], nullptr);
    EXPECT_EQ(doc["steps"][1]["bytes_taken"], 1ull << 30);
  }
  EXPECT_TRUE(store.calls.empty());
  EXPECT_TRUE(store.operations.empty());
  EXPECT_EQ(store.luns.size(), 1u);
  store.plan.hresult = hresult_of(0x8004240f);
  store.plan.hresult_name = "VDS_E_NOT_ENOUGH_SPACE";
  const auto refused = vds("lun create --size 1G --dry-run");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("VDS_E_NOT_ENOUGH_SPACE"));
}

TEST_F(command_line, work_that_an_array_does_by_itself_is_listed_with_its_rate_and_what_it_waits_for) {
  operation_view v;
  v.id = test_id(9, 0xe0);
  v.kind = "rebuild";
  v.state = 1;
  v.bytes_done = 1ull << 30;
  v.bytes_total = 4ull << 30;
  v.bytes_per_second = 256ull << 20;
  v.seconds_left = 12;
  v.waiting_for = "another rebuild onto the same drive";
  store.operations.push_back(v);
  EXPECT_THAT(vds("op list").out, HasSubstr("12 s"));
  const auto shown = vds("op show " + to_string(v.id)).out;
  EXPECT_THAT(shown, HasSubstr("256 MiB/s"));
  EXPECT_THAT(shown, HasSubstr("another rebuild onto the same drive"));
  EXPECT_EQ(vds_json("op list")[0]["seconds_left"], 12);
}

TEST_F(command_line, a_scrub_is_waited_for_like_an_operation) {
  store.add_lun(1, "tank");
  EXPECT_EQ(vds("lun scrub tank").status, 0);
  EXPECT_EQ(store.operations.back().kind, "scrub");
  const auto begun = vds("lun scrub tank --no-wait");
  EXPECT_EQ(begun.out, to_string(store.operations.back().id) + "\n");
}

TEST_F(command_line, all_luns_are_scrubbed_one_after_the_other) {
  store.add_lun(1, "tank");
  store.add_lun(2, "pond");
  EXPECT_EQ(vds("lun scrub").status, 2);
  EXPECT_EQ(vds("lun scrub tank --all").status, 2);
  EXPECT_EQ(vds("lun scrub --all --no-wait").status, 2);
  EXPECT_TRUE(store.operations.empty());
  const auto all = vds("lun scrub --all");
  EXPECT_EQ(all.status, 0) << all.err;
  EXPECT_THAT(all.out, AllOf(HasSubstr("tank"), HasSubstr("pond")));
  ASSERT_EQ(store.operations.size(), 2u);
  EXPECT_EQ(vds_json("lun scrub --all").size(), 2u);
}

}  // namespace
}  // namespace vds::cli
