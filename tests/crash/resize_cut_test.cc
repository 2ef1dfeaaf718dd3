// The power goes while a LUN is extended or shrunk, at one request after the other, with writes under way. Afterwards
// the LUN has the old size or the new one (the new one if that was acknowledged), each sector that is left is old or
// new, what was added reads zeros, no extent is lost or owned twice, free space is empty, and one drive may go.
// VDS_CRASH_SEEDS=n: n seeds instead of one; they choose which unflushed sectors survive.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "tests/crash/cut.h"

namespace vds::array::testing {
namespace {

struct kind {
  lun_type type;
  std::size_t drives;
  bool redundant;
};
constexpr kind stripe{lun_type::stripe, 2, false}, mirror{lun_type::mirror, 2, true}, raid5{lun_type::parity, 3, true},
    raid60{lun_type::raid60, 8, true};
constexpr std::uint64_t smaller = 3 << 16, larger = 7 << 16;

rt::task<void> resize(rig& r, const guid& lun, bool grow, bool& acknowledged) {
  const byte_count by{larger - smaller};
  auto change = grow ? r.array->extend_lun(lun, by, {}, {}) : r.array->shrink_lun(lun, by, {});
  const auto done = co_await std::move(change);
  acknowledged = done.has_value();
}

void cut_everywhere(const kind& k, bool grow, std::uint64_t seed) {
  int cuts = 0;
  for (std::uint64_t at = 1;; ++at) {
    SCOPED_TRACE(std::string(to_string(k.type)) + (grow ? ", growing" : ", shrinking") + ", cut at request " +
                 std::to_string(at));
    rig r(k.drives, 4 << 20, seed * 10'000 + at);
    ASSERT_TRUE(r.boot());
    const auto lun = r.create_on(k.drives, k.type, grow ? smaller : larger);
    ASSERT_TRUE(lun) << lun.error().message();
    const guid id = lun->id;
    if (grow) {  // it was larger once: what it had there must not come back
      bool once = false;
      r.ex.run(resize(r, id, true, once));
      ASSERT_TRUE(once && r.fill(id, 5));
      ASSERT_TRUE(r.ex.run(r.array->shrink_lun(id, byte_count{larger - smaller}, {})));
      if (at % 2 != 0) r.ex.run();
    }
    ASSERT_TRUE(r.fill(id, 1));
    const auto before = *r.read_all(id);
    const auto after = r.pattern(id, 2);
    bool wrote = false, resized = false;
    const power_goes_at power(r, at);
    rt::start(write_all(r, id, std::span(after).first(smaller), wrote));
    rt::start(resize(r, id, grow, resized));
    r.ex.run();
    const bool over = !power.gone;
    if (over) {
      EXPECT_TRUE(wrote && resized);
      for (auto& d : r.drives) d->power_cut();
    }
    r.end();
    const auto booted = r.boot();
    ASSERT_TRUE(booted) << booted.error().message();
    const std::uint64_t size = r.array->lun(id)->size.n;
    ASSERT_TRUE(size == smaller || size == larger);
    if (resized) {
      ASSERT_EQ(size, grow ? larger : smaller) << "what was acknowledged was forgotten";
    }
    const auto first = r.read_all(id);
    ASSERT_TRUE(first) << first.error().message();
    for (std::size_t s = 0; s < first->size(); s += 512) {
      const auto same = [&](const std::vector<std::byte>& as) {
        return s < as.size() && std::memcmp(&as[s], &(*first)[s], 512) == 0;
      };
      const bool added = s >= before.size();
      if (added)
        ASSERT_TRUE(std::all_of(&(*first)[s], &(*first)[s] + 512, [](auto b) { return b == std::byte{0}; }))
            << "sector " << s / 512 << " shows what was there before";
      else
        ASSERT_TRUE((s < smaller && same(after)) || (same(before) && !(wrote && s < smaller))) << "sector " << s / 512;
    }
    r.ex.run();  // makes equal
    ASSERT_TRUE(*r.read_all(id) == *first) << "reads alternate";
    check_extents(*r.array, r.extent_bytes);
    free_space_is_empty(r);
    if (k.redundant) {
      r.drives[at % k.drives]->vanish();
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

void all_seeds(const kind& k, bool grow) {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  const int seeds = text != nullptr ? std::atoi(text) : 1;
  for (int seed = 1; seed <= seeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    cut_everywhere(k, grow, static_cast<std::uint64_t>(seed));
  }
}

TEST(resize_cut, at_every_request_while_a_stripe_grows) { all_seeds(stripe, true); }
TEST(resize_cut, at_every_request_while_a_mirror_grows) { all_seeds(mirror, true); }
TEST(resize_cut, at_every_request_while_raid5_grows) { all_seeds(raid5, true); }
TEST(resize_cut, at_every_request_while_raid60_grows) { all_seeds(raid60, true); }
TEST(resize_cut, at_every_request_while_a_stripe_shrinks) { all_seeds(stripe, false); }
TEST(resize_cut, at_every_request_while_a_mirror_shrinks) { all_seeds(mirror, false); }
TEST(resize_cut, at_every_request_while_raid5_shrinks) { all_seeds(raid5, false); }
TEST(resize_cut, at_every_request_while_raid60_shrinks) { all_seeds(raid60, false); }

}  // namespace
}  // namespace vds::array::testing
