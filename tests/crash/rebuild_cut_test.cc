// The power goes while a hot spare takes over, a drive is replaced or used again, at one request after the other, with
// writes under way. Afterwards the array finishes what it had begun; each sector is old or new, reads do not alternate,
// no extent is lost or owned twice, and one drive more may go. VDS_CRASH_SEEDS=n: n seeds instead of one; they choose
// which unflushed sectors survive.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "tests/crash/cut.h"

namespace vds::array::testing {
namespace {

struct kind {
  lun_type type;
  std::size_t drives;
};
constexpr kind mirror{lun_type::mirror, 2}, raid5{lun_type::parity, 3}, raid6{lun_type::raid6, 4},
    raid10{lun_type::raid10, 4};

result<lun_info> make(rig& r, const kind& k, std::uint64_t bytes) { return r.create_on(k.drives, k.type, bytes); }

void cut_everywhere(const kind& k, bool replace, std::uint64_t seed) {
  int cuts = 0;
  for (std::uint64_t at = 1;; ++at) {
    SCOPED_TRACE(std::string(to_string(k.type)) + (replace ? ", replacing" : ", taking over") + ", cut at request " +
                 std::to_string(at));
    rig r(k.drives + 1, 4 << 20, seed * 10'000 + at);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 18);
    ASSERT_TRUE(lun) << lun.error().message();
    const guid id = lun->id;
    ASSERT_TRUE(r.fill(id, 1));
    const auto before = *r.read_all(id);
    const auto after = r.pattern(id, 2);
    if (!replace) {
      ASSERT_TRUE(r.ex.run(r.array->set_spare(r.drive_id(k.drives), true)));
    }
    bool acknowledged = false, ordered = false;
    const power_goes_at power(r, at);
    if (replace)
      rt::start([](rig& g, std::size_t to, bool& answered) -> rt::task<void> {
        answered = (co_await g.array->replace_drive(g.drive_id(0), g.drive_id(to))).has_value();
      }(r, k.drives, ordered));
    else
      r.drives[0]->vanish();
    rt::start(write_all(r, id, after, acknowledged));  // while it goes on
    r.ex.run();
    const bool over = !power.gone;
    if (over) {
      EXPECT_TRUE(acknowledged);
      for (auto& d : r.drives) d->power_cut();
    }
    r.end();
    // Then one drive more goes, each in its turn.
    const std::size_t first_there = replace ? 0 : 1;
    const std::size_t lost = first_there + at % (k.drives + 1 - first_there);
    SCOPED_TRACE("then drive " + std::to_string(lost) + " is lost");
    std::vector<std::size_t> rest;
    for (std::size_t i = first_there; i <= k.drives; ++i) rest.push_back(i);
    const auto booted = r.boot(rest);
    ASSERT_TRUE(booted) << booted.error().message();
    if (at % 3 == 2) {  // without the LUN nothing goes on, and nobody writes again where something was left
      ASSERT_TRUE(r.ex.run(r.array->delete_lun(id)));
      free_space_is_empty(r);
      for (auto& d : r.drives)
        if (d) d->power_cut();
      r.end();
      ++cuts;
      if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
      if (over) break;
      continue;
    }
    const auto first = r.read_all(id);
    ASSERT_TRUE(first) << first.error().message();
    r.ex.run();  // takes over, or goes on replacing; and makes equal
    const auto second = r.read_all(id);
    ASSERT_TRUE(second && *second == *first) << "reads alternate";
    for (std::size_t s = 0; s < first->size(); s += 512) {
      const auto same = [&](const std::vector<std::byte>& as) { return std::memcmp(&as[s], &(*first)[s], 512) == 0; };
      ASSERT_TRUE(same(after) || (same(before) && !acknowledged)) << "sector " << s / 512;
    }
    ASSERT_EQ(r.array->lun(id)->health, lun_health::healthy);
    if (ordered && replace) {
      ASSERT_TRUE(r.array->drive_uses(r.drive_id(0)).empty()) << "an acknowledged replacement was forgotten";
    }
    check_extents(*r.array, r.extent_bytes);
    free_space_is_empty(r);
    r.drives[lost]->vanish();
    const auto third = r.read_all(id);
    ASSERT_TRUE(third) << third.error().message();
    ASSERT_TRUE(*third == *first) << "the redundancy held something else";
    for (auto& d : r.drives)
      if (d) d->power_cut();
    r.end();
    ++cuts;
    if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
    if (over) break;
  }
  ::testing::Test::RecordProperty("cuts", cuts);
  EXPECT_GT(cuts, 20);
}

// The same while a drive that was away is used again.
void cut_while_rejoining(const kind& k, std::uint64_t seed) {
  int cuts = 0;
  for (std::uint64_t at = 1;; ++at) {
    SCOPED_TRACE(std::string(to_string(k.type)) + ", rejoining, cut at request " + std::to_string(at));
    rig r(k.drives, 4 << 20, seed * 10'000 + at);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 18);
    ASSERT_TRUE(lun && r.fill(lun->id, 0));
    const guid id = lun->id;
    const guid old = r.drive_id(0);
    r.drives[0]->vanish();
    ASSERT_TRUE(r.fill(id, 1) && r.shut_down() && r.boot());
    ASSERT_EQ(r.state(0), drive_state::stale);
    const auto before = *r.read_all(id);
    const auto after = r.pattern(id, 2);
    bool wrote = false, joined = false;
    const power_goes_at power(r, at);
    rt::start([](rig& g, guid drive, bool& done) -> rt::task<void> {
      const auto answer = co_await g.array->rejoin_drive(drive);
      done = answer.has_value();
    }(r, old, joined));
    rt::start(write_all(r, id, after, wrote));
    r.ex.run();
    const bool over = !power.gone;
    if (over) {
      EXPECT_TRUE(wrote && joined);
      for (auto& d : r.drives) d->power_cut();
    }
    r.end();
    const auto booted = r.boot();
    ASSERT_TRUE(booted) << booted.error().message();
    const auto first = r.read_all(id);
    ASSERT_TRUE(first) << first.error().message();
    for (std::size_t s = 0; s < first->size(); s += 512) {
      const auto same = [&](const std::vector<std::byte>& as) { return std::memcmp(&as[s], &(*first)[s], 512) == 0; };
      ASSERT_TRUE(same(after) || (same(before) && !wrote)) << "sector " << s / 512;
    }
    r.ex.run();
    const auto second = r.read_all(id);
    ASSERT_TRUE(second && *second == *first) << "reads alternate";
    check_extents(*r.array, r.extent_bytes);
    const auto health = r.array->lun(id)->health;
    ASSERT_TRUE(health == lun_health::healthy || (health == lun_health::degraded && !joined));
    if (health == lun_health::healthy) r.drives[1 + at % (k.drives - 1)]->vanish();
    const auto third = r.read_all(id);
    ASSERT_TRUE(third && *third == *first) << "the redundancy held something else";
    for (auto& d : r.drives) d->power_cut();
    r.end();
    ++cuts;
    if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
    if (over) break;
  }
  ::testing::Test::RecordProperty("cuts", cuts);
  EXPECT_GT(cuts, 20);
}

enum class what { takeover, replacement, rejoining };

void all_seeds(const kind& k, what happens) {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  const int seeds = text != nullptr ? std::atoi(text) : 1;
  for (int seed = 1; seed <= seeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    if (happens == what::rejoining)
      cut_while_rejoining(k, static_cast<std::uint64_t>(seed));
    else
      cut_everywhere(k, happens == what::replacement, static_cast<std::uint64_t>(seed));
  }
}

TEST(rebuild_cut, at_every_request_of_a_takeover_of_a_mirror) { all_seeds(mirror, what::takeover); }
TEST(rebuild_cut, at_every_request_of_a_takeover_of_raid5) { all_seeds(raid5, what::takeover); }
TEST(rebuild_cut, at_every_request_of_a_takeover_of_raid6) { all_seeds(raid6, what::takeover); }
TEST(rebuild_cut, at_every_request_of_a_takeover_of_raid10) { all_seeds(raid10, what::takeover); }
TEST(rebuild_cut, at_every_request_of_a_replacement_in_a_mirror) { all_seeds(mirror, what::replacement); }
TEST(rebuild_cut, at_every_request_of_a_replacement_in_raid5) { all_seeds(raid5, what::replacement); }
TEST(rebuild_cut, at_every_request_of_a_replacement_in_raid6) { all_seeds(raid6, what::replacement); }

TEST(rebuild_cut, at_every_request_while_a_drive_rejoins_a_mirror) { all_seeds(mirror, what::rejoining); }
TEST(rebuild_cut, at_every_request_while_a_drive_rejoins_raid5) { all_seeds(raid5, what::rejoining); }
TEST(rebuild_cut, at_every_request_while_a_drive_rejoins_raid6) { all_seeds(raid6, what::rejoining); }

}  // namespace
}  // namespace vds::array::testing
