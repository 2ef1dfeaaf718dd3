// Lost members are rebuilt and drives replaced, with data compared and further drives lost. Power cuts on the way:
// tests/crash/rebuild_cut_test.cc.
#include <gtest/gtest.h>

#include <map>

#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

struct kind {
  lun_type type;
  std::size_t drives;
};
// What can lose a drive, on as few drives as it takes.
constexpr kind redundant[] = {{lun_type::mirror, 2}, {lun_type::parity, 3}, {lun_type::raid6, 4},
                              {lun_type::raid10, 4}, {lun_type::raid50, 6}, {lun_type::raid60, 8}};

result<lun_info> make(rig& r, const kind& k, std::uint64_t bytes) { return r.create_on(k.drives, k.type, bytes); }

bool uses(rig& r, const guid& lun, std::size_t drive) {
  const auto info = r.array->lun(lun);
  const auto id = r.drive_id(drive);
  return std::find(info->drives.begin(), info->drives.end(), id) != info->drives.end();
}

TEST(rebuild, a_hot_spare_takes_over_and_the_next_loss_costs_nothing_either) {
  for (const auto& k : redundant) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives + 1, 8 << 20);
    ASSERT_TRUE(r.boot());
    ASSERT_TRUE(r.ex.run(r.array->set_spare(r.drive_id(k.drives), true)));
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(lun) << lun.error().message();
    ASSERT_TRUE(r.fill(lun->id, 3));
    const auto survived = r.array->lun(lun->id)->survives_drive_losses;
    r.drives[0]->vanish();
    ASSERT_TRUE(r.fill(lun->id, 4));  // which notices
    r.ex.run();
    EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
    EXPECT_EQ(r.array->lun(lun->id)->survives_drive_losses, survived);
    EXPECT_TRUE(uses(r, lun->id, k.drives));
    EXPECT_FALSE(r.array->lun(lun->id)->work);
    r.drives[1]->vanish();
    EXPECT_TRUE(r.holds(lun->id, 4));
  }
}

TEST(rebuild, a_spare_takes_no_luns_and_what_has_luns_is_no_spare) {
  rig r(3, 8 << 20);
  ASSERT_TRUE(r.boot());
  const guid spare = r.drive_id(2);
  ASSERT_TRUE(r.ex.run(r.array->set_spare(spare, true)));
  EXPECT_TRUE(r.array->drive(spare)->spare);
  auto lun = r.create(lun_type::mirror, 1 << 20);
  ASSERT_TRUE(lun);
  EXPECT_FALSE(uses(r, lun->id, 2));
  EXPECT_EQ(r.create(lun_type::mirror, 1 << 20, 3).error().code(), errc::unavailable);
  EXPECT_EQ(r.ex.run(r.array->set_spare(r.drive_id(0), true)).error().code(), errc::busy);
  EXPECT_EQ(r.ex.run(r.array->set_spare(guid{{9}}, true)).error().code(), errc::not_found);
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_TRUE(r.array->drive(spare)->spare) << "it is kept on the drives";
  ASSERT_TRUE(r.ex.run(r.array->set_spare(spare, false)));
  EXPECT_FALSE(r.array->drive(spare)->spare);
  EXPECT_TRUE(r.create(lun_type::mirror, 1 << 20, 3));
}

TEST(rebuild, recovering_uses_whatever_drive_has_room_and_says_when_there_is_nothing_to_do) {
  rig r(4, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::parity, 3}, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 1));
  EXPECT_EQ(r.ex.run(r.array->recover_lun(lun->id)).error().code(), errc::invalid_argument);
  r.drives[2]->vanish();
  ASSERT_TRUE(r.fill(lun->id, 2));
  r.ex.run();
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::degraded) << "nobody asked, and there is no spare";
  std::uint64_t last = 0;
  ASSERT_TRUE(r.ex.run(r.array->recover_lun(lun->id, [&](const progress& p) {
    EXPECT_GT(p.done.n, last);
    EXPECT_LE(p.done.n, p.total.n);
    last = p.done.n;
  })));
  EXPECT_GT(last, 0U);
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  EXPECT_TRUE(r.holds(lun->id, 2));
  r.drives[0]->vanish();
  EXPECT_TRUE(r.holds(lun->id, 2));
  r.ex.run();
  EXPECT_EQ(r.ex.run(r.array->recover_lun(lun->id)).error().code(), errc::no_space);
}

TEST(rebuild, a_drive_is_replaced_while_it_works_whatever_the_lun) {
  for (const auto type : {lun_type::simple, lun_type::stripe, lun_type::mirror, lun_type::parity, lun_type::raid6}) {
    SCOPED_TRACE(to_string(type));
    rig r(5, 8 << 20);
    ASSERT_TRUE(r.boot());
    const kind k{type, type == lun_type::simple ? 1U : 4U};
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(lun) << lun.error().message();
    ASSERT_TRUE(r.fill(lun->id, 7));
    const guid source = r.drive_id(0);
    EXPECT_EQ(r.ex.run(r.array->replace_drive(source, source)).error().code(), errc::invalid_argument);
    ASSERT_TRUE(r.ex.run(r.array->replace_drive(source, r.drive_id(4))));
    r.ex.run();
    EXPECT_TRUE(r.array->drive_uses(source).empty());
    EXPECT_TRUE(uses(r, lun->id, 4));
    ASSERT_TRUE(r.ex.run(r.array->remove_drive(source)));
    EXPECT_TRUE(r.holds(lun->id, 7));
    EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  }
}

// What they say of themselves (whether LUNs are there, how much is free) is asked for again when they are told to
// differ.
TEST(rebuild, both_drives_are_told_to_be_other_ones_when_what_was_on_one_is_on_the_other) {
  rig r(3, 8 << 20);
  ASSERT_TRUE(r.boot());
  ASSERT_TRUE(make(r, {lun_type::mirror, 2}, 1 << 20));
  const guid source = r.drive_id(0), target = r.drive_id(2);
  std::map<guid, bool> in_use;  // as known to somebody who asks when he is told to
  r.told = [&](const array_event& e) {
    if (e.what == array_event::kind::drive_modified) in_use[e.object] = r.array->drive(e.object)->in_use;
  };
  ASSERT_TRUE(r.ex.run(r.array->replace_drive(source, target)));
  r.ex.run();
  EXPECT_EQ(in_use, (std::map<guid, bool>{{source, false}, {target, true}}));
}

TEST(rebuild, a_target_that_is_in_use_or_too_small_is_refused) {
  rig r(3, 8 << 20);
  r.add_medium(3 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2}, 4 << 20);
  ASSERT_TRUE(lun) << lun.error().message();
  EXPECT_EQ(r.ex.run(r.array->replace_drive(r.drive_id(0), r.drive_id(1))).error().code(), errc::busy);
  EXPECT_EQ(r.ex.run(r.array->replace_drive(r.drive_id(0), r.drive_id(3))).error().code(), errc::no_space);
}

TEST(rebuild, a_limit_is_kept) {
  rig r(3, 8 << 20);
  r.rebuild_bytes_per_second = 1 << 20;
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2}, 2 << 20);
  ASSERT_TRUE(r.fill(lun->id, 1));
  ASSERT_TRUE(r.ex.run(r.array->replace_drive(r.drive_id(0), r.drive_id(2))));
  r.ex.advance(1s);
  const auto work = r.array->lun(lun->id)->work;
  ASSERT_TRUE(work);
  EXPECT_LE(work->done.n, (1U << 20) + (1U << 16));
  EXPECT_GT(work->done.n, 1U << 19);
  r.ex.advance(3s);
  EXPECT_TRUE(r.array->drive_uses(r.drive_id(0)).empty());
}

TEST(rebuild, a_drive_that_was_away_is_used_again_and_holds_everything_afterwards) {
  for (const auto& k : redundant) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 3));
    const auto survived = r.array->lun(lun->id)->survives_drive_losses;
    r.drives[0]->vanish();
    ASSERT_TRUE(r.fill(lun->id, 4));
    ASSERT_TRUE(r.shut_down());
    ASSERT_TRUE(r.boot());
    const guid old = r.drive_id(0);
    EXPECT_EQ(r.state(0), drive_state::stale);
    EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::degraded);
    const auto joined = r.ex.run(r.array->rejoin_drive(old));
    ASSERT_TRUE(joined) << joined.error().message();
    r.ex.run();
    EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
    EXPECT_EQ(r.array->lun(lun->id)->survives_drive_losses, survived);
    EXPECT_EQ(r.array->drive(old).error().code(), errc::not_found);
    EXPECT_EQ(r.drive_id(0), joined->id);
    EXPECT_TRUE(uses(r, lun->id, 0));
    r.drives[1]->vanish();
    EXPECT_TRUE(r.holds(lun->id, 4));
  }
}

TEST(rebuild, a_drive_is_not_overwritten_while_it_may_hold_the_last_copy) {
  rig r(3, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2}, 1 << 20);
  auto flat = make(r, {lun_type::simple, 1}, 1 << 20);
  ASSERT_TRUE(r.fill(flat->id, 5));
  const guid old = r.drive_id(0);
  EXPECT_EQ(r.ex.run(r.array->rejoin_drive(old)).error().code(), errc::unavailable);  // it works
  EXPECT_EQ(r.ex.run(r.array->rejoin_drive(guid{{9}})).error().code(), errc::not_found);
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot({1, 2}));
  ASSERT_TRUE(r.fill(lun->id, 6));
  EXPECT_EQ(r.ex.run(r.array->rejoin_drive(old)).error().code(), errc::unavailable);  // it is not here
  ASSERT_TRUE(r.ex.run(r.array->add_drive(r.open(0), {})));
  EXPECT_EQ(r.ex.run(r.array->rejoin_drive(old)).error().code(), errc::busy);
  ASSERT_TRUE(r.ex.run(r.array->delete_lun(flat->id)));
  ASSERT_TRUE(r.ex.run(r.array->rejoin_drive(old)));
  r.ex.run();
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  EXPECT_TRUE(r.holds(lun->id, 6));
}

TEST(rebuild, what_has_priority_goes_first_and_gets_its_share) {
  rig r(3, 16 << 20);
  r.rebuild_bytes_per_second = 1 << 20;
  r.rebuild_batch_bytes = 1 << 17;
  ASSERT_TRUE(r.boot());
  lun_hints urgent;
  urgent.rebuild_priority = 8;  // nine shares to one
  const auto patient = make(r, {lun_type::mirror, 2}, 4 << 20), hasty = make(r, {lun_type::mirror, 2}, 4 << 20);
  ASSERT_TRUE(patient && hasty && r.fill(patient->id, 1) && r.fill(hasty->id, 2));
  ASSERT_TRUE(r.ex.run(r.array->set_hints(hasty->id, urgent)));
  ASSERT_TRUE(r.ex.run(r.array->replace_drive(r.drive_id(0), r.drive_id(2))));
  const auto done = [&r](const guid& id) {
    const auto lun = r.array->lun(id);
    return lun->work ? lun->work->done.n : std::uint64_t{0};
  };
  r.ex.advance(100ms);
  EXPECT_EQ(done(patient->id), 0U) << "the other one goes first";
  r.ex.advance(2900ms);
  const auto much = done(hasty->id), little = done(patient->id);
  EXPECT_GE(much, 5 * little);
  EXPECT_GT(little, 0U) << "a share is not nothing";
  EXPECT_LE(much + little, (3U << 20) + (1U << 17)) << "the limit is for all together";
  // From now on it is the other one that is urgent.
  ASSERT_TRUE(r.ex.run(r.array->set_hints(hasty->id, {})));
  ASSERT_TRUE(r.ex.run(r.array->set_hints(patient->id, urgent)));
  r.ex.advance(2s);
  EXPECT_GE(done(patient->id) - little, 3 * (done(hasty->id) - much));
  r.ex.advance(10s);
  EXPECT_TRUE(r.array->drive_uses(r.drive_id(0)).empty());
  EXPECT_TRUE(r.holds(patient->id, 1) && r.holds(hasty->id, 2));
}

TEST(rebuild, a_spare_that_took_over_gives_back_when_told_to_and_stands_by_again) {
  rig r(4, 8 << 20);
  ASSERT_TRUE(r.boot());
  const guid lost = r.drive_id(0), spare = r.drive_id(2), fresh = r.drive_id(3);
  ASSERT_TRUE(r.ex.run(r.array->set_spare(spare, true)));
  const auto lun = make(r, {lun_type::mirror, 2}, 1 << 20);
  ASSERT_TRUE(lun && r.fill(lun->id, 1));
  r.events.clear();
  r.drives[0]->vanish();
  ASSERT_TRUE(r.fill(lun->id, 2));
  r.ex.run();
  EXPECT_TRUE(r.array->drive(spare)->in_use && r.array->drive(spare)->spare);
  EXPECT_TRUE(std::any_of(r.events.begin(), r.events.end(), [&](const auto& e) {
    return e.what == array_event::kind::drive_modified && e.object == spare;
  }));
  ASSERT_TRUE(r.ex.run(r.array->remove_drive(lost)));
  ASSERT_TRUE(r.ex.run(r.array->replace_drive(spare, fresh)));
  r.ex.run();
  EXPECT_FALSE(r.array->drive(spare)->in_use);
  EXPECT_TRUE(r.array->drive(spare)->spare) << "it stands by again";
  EXPECT_TRUE(uses(r, lun->id, 3));
  EXPECT_TRUE(r.holds(lun->id, 2));
}

TEST(rebuild, an_id_that_no_drive_has_any_more_is_no_spares) {
  rig r(3, 8 << 20);
  ASSERT_TRUE(r.boot());
  const auto spares = [&r] { return r.array->setting("array/spares").value_or(array::array::bytes()).size() / 16; };
  ASSERT_TRUE(r.ex.run(r.array->set_spare(r.drive_id(2), true)));
  ASSERT_TRUE(r.shut_down() && r.boot({0, 1}));
  ASSERT_TRUE(r.create(lun_type::mirror, 1 << 20));  // the array goes on without it
  ASSERT_TRUE(r.shut_down() && r.boot());
  ASSERT_EQ(r.state(2), drive_state::stale);
  const auto joined = r.ex.run(r.array->rejoin_drive(r.drive_id(2)));
  ASSERT_TRUE(joined) << joined.error().message();
  r.ex.run();
  EXPECT_TRUE(r.array->drive(r.drive_id(2))->spare) << "it is one again, under its new id";
  EXPECT_EQ(spares(), 1U);
  ASSERT_TRUE(r.ex.run(r.array->remove_drive(r.drive_id(2))));
  EXPECT_EQ(spares(), 0U);
}

}  // namespace
}  // namespace vds::array::testing
