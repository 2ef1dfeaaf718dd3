// The power goes while a plex joins and is filled, or leaves, at one request after the other, with writes under way.
// Afterwards the LUN has it or not (as was acknowledged), each sector is old or new, the source is whole or gone, no
// extent is lost or owned twice, free space is empty; when the plex is filled, one drive may go.
// VDS_CRASH_SEEDS=n: n seeds instead of one; they choose which unflushed sectors survive.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "tests/crash/cut.h"

namespace vds::array::testing {
namespace {

struct kind {
  lun_type type;
  std::size_t target, source;  // drives of each
};
constexpr kind simple{lun_type::simple, 1, 1}, mirror{lun_type::mirror, 2, 1}, stripe{lun_type::stripe, 2, 2};
constexpr std::uint64_t size = 4 << 16, larger = 6 << 16;

result<lun_info> make_on(rig& r, std::size_t first, std::size_t n, lun_type type, std::uint64_t bytes) {
  lun_spec s;
  s.type = type;
  s.size = byte_count{bytes};
  if (type == lun_type::mirror) s.plexes = static_cast<unsigned>(n);
  for (std::size_t i = 0; i < n; ++i) s.drives.push_back(r.drive_id(first + i));
  return r.ex.run(r.array->create_lun(s));
}

// Everything the LUN may hold, sector by sector: `before`, or `after`; `after` for certain when that was acknowledged.
void expect_old_or_new(const std::vector<std::byte>& now, const std::vector<std::byte>& before,
                       const std::vector<std::byte>& after, bool acknowledged) {
  for (std::size_t s = 0; s < now.size(); s += 512) {
    const auto same = [&](const std::vector<std::byte>& as) { return std::memcmp(&as[s], &now[s], 512) == 0; };
    ASSERT_TRUE(same(after) || (same(before) && !acknowledged)) << "sector " << s / 512;
  }
}

rt::task<void> change(rig& r, guid lun, guid other, bool adding, bool& acknowledged) {
  auto what = adding ? r.array->add_plexes(lun, other, {}) : r.array->remove_plex(lun, other, {});
  const auto done = co_await std::move(what);
  acknowledged = done.has_value();
}

void cut_everywhere(const kind& k, bool adding, std::uint64_t seed) {
  int cuts = 0;
  for (std::uint64_t at = 1;; ++at) {
    SCOPED_TRACE(std::string(to_string(k.type)) + (adding ? ", adding" : ", removing") + ", cut at request " +
                 std::to_string(at));
    const std::size_t drives = k.target + k.source;
    rig r(drives, 4 << 20, seed * 10'000 + at);
    ASSERT_TRUE(r.boot());
    const auto lun = make_on(r, 0, k.target, k.type, size);
    const auto source_type = k.type == lun_type::mirror ? lun_type::simple : k.type;
    const auto source = make_on(r, k.target, k.source, source_type, larger);
    ASSERT_TRUE(lun && source);
    const guid id = lun->id;
    ASSERT_TRUE(r.fill(id, 1) && r.fill(source->id, 9));
    const auto source_holds = *r.read_all(source->id);
    const auto before = *r.read_all(id), after = r.pattern(id, 2);
    guid plex;
    if (!adding) {
      ASSERT_TRUE(r.ex.run(r.array->add_plexes(id, source->id, {})));
      r.ex.run();
      const auto now = r.array->lun(id);
      ASSERT_EQ(now->health, lun_health::healthy);
      plex = now->plexes[at % now->plexes.size()].id;
    }
    const std::size_t with = k.target == 2 && k.type == lun_type::mirror ? 3 : 2;
    bool wrote = false, changed = false;
    const power_goes_at power(r, at);
    rt::start(write_all(r, id, after, wrote));
    rt::start(change(r, id, adding ? source->id : plex, adding, changed));
    r.ex.run();
    const bool over = !power.gone;
    if (over) {
      EXPECT_TRUE(wrote && changed);
      for (auto& d : r.drives) d->power_cut();
    }
    r.end();
    const auto booted = r.boot();
    ASSERT_TRUE(booted) << booted.error().message();
    const auto now = r.array->lun(id);
    ASSERT_TRUE(now->plexes.size() == with || now->plexes.size() == with - 1);
    const bool has_it = now->plexes.size() == with;
    if (changed) {
      ASSERT_EQ(has_it, adding) << "what was acknowledged was forgotten";
    }
    const auto first = r.read_all(id);
    ASSERT_TRUE(first) << first.error().message();
    expect_old_or_new(*first, before, after, wrote);
    if (adding && !has_it) {
      const auto held = r.read_all(source->id);
      ASSERT_TRUE(held && *held == source_holds) << "the source did not join, and lost its data";
    } else {
      ASSERT_FALSE(r.array->lun(source->id));
    }
    r.ex.run();  // makes equal, fills
    ASSERT_EQ(r.array->lun(id)->health, lun_health::healthy);
    ASSERT_TRUE(*r.read_all(id) == *first) << "reads alternate";
    check_extents(*r.array, r.extent_bytes);
    free_space_is_empty(r);
    if (r.array->lun(id)->survives_drive_losses > 0) {
      r.drives[at % drives]->vanish();
      const auto again = r.read_all(id);
      ASSERT_TRUE(again) << again.error().message();
      ASSERT_TRUE(*again == *first) << "the redundancy held something else";
    }
    for (auto& d : r.drives) d->power_cut();
    r.end();
    ++cuts;
    if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
    if (over) break;
  }
  ::testing::Test::RecordProperty("cuts", cuts);
  EXPECT_GT(cuts, 10);
}

void all_seeds(const kind& k, bool adding) {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  const int seeds = text != nullptr ? std::atoi(text) : 1;
  for (int seed = 1; seed <= seeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    cut_everywhere(k, adding, static_cast<std::uint64_t>(seed));
  }
}

TEST(plex_cut, at_every_request_while_a_lun_gets_its_first_copy) { all_seeds(simple, true); }
TEST(plex_cut, at_every_request_while_a_mirror_gets_another) { all_seeds(mirror, true); }
TEST(plex_cut, at_every_request_while_a_stripe_becomes_raid10) { all_seeds(stripe, true); }
TEST(plex_cut, at_every_request_while_a_mirror_of_two_loses_one) { all_seeds(simple, false); }
TEST(plex_cut, at_every_request_while_a_mirror_of_three_loses_one) { all_seeds(mirror, false); }
TEST(plex_cut, at_every_request_while_raid10_becomes_a_stripe) { all_seeds(stripe, false); }

}  // namespace
}  // namespace vds::array::testing
