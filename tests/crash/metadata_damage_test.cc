// Metadata cut at every block and flipped in bits all over: it opens at the last or the previous state, or is refused
// with words. VDS_CRASH_SEEDS=n looks at n times as many places.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/crash/model.h"

namespace vds::array::testing {
namespace {

unsigned thoroughness() {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  return text != nullptr ? static_cast<unsigned>(std::atoi(text)) : 1;
}

struct saved {
  std::vector<std::vector<std::byte>> images;
  std::size_t luns = 0;
};

constexpr std::uint64_t size = 4 << 20;
constexpr std::uint64_t metadata_end = 1 << 20;  // superblocks, marks, both log areas

// History: LUNs named by their ordinal, one after the other; the drives as they are at the end.
saved make(rig& r, std::size_t changes) {
  saved s;
  EXPECT_TRUE(r.boot());
  for (std::size_t i = 0; i < changes; ++i) EXPECT_TRUE(r.create(lun_type::simple, 65536));
  r.power_cut();
  for (auto& m : r.media) {
    s.images.emplace_back(size);
    m->peek(lba{0}, s.images.back());
  }
  s.luns = changes;
  return s;
}

void restore(rig& r, const saved& s) {
  for (std::size_t i = 0; i < s.images.size(); ++i) r.media[i]->poke(lba{0}, s.images[i]);
}

// A drive of its own: what it opens to is the last or the previous state, or a refusal.
void judge(rig& r, const saved& s, std::size_t& refused) {
  const auto booted = r.boot();
  if (!booted) {
    EXPECT_FALSE(booted.error().message().empty());
    ++refused;
    return;
  }
  if (r.array->drives().empty()) {
    EXPECT_FALSE(r.array->left_out_devices().empty()) << "a drive became nothing without a word";
    ++refused;
  } else {
    EXPECT_GE(r.array->lun_count() + 1, s.luns);
    EXPECT_LE(r.array->lun_count(), s.luns);
    check_extents(*r.array, r.extent_bytes);
  }
  r.power_cut();
}

TEST(metadata, flipped_in_any_bit_opens_at_the_last_or_previous_state_or_refuses) {
  for (const std::size_t changes : {3U, 20U}) {
    rig r(1, size);
    const saved s = make(r, changes);
    seeded_random chance(7);
    std::size_t refused = 0, flips = 0;
    std::vector<std::uint64_t> places;
    const std::uint64_t step = std::max<std::uint64_t>(1, 97 / thoroughness());
    for (std::uint64_t at = 0; at < metadata_end; at += 1 + chance.below(2 * step)) {
      if (s.images[0][at] == std::byte{0} && chance.below(64) != 0) continue;  // mostly where something is
      places.push_back(at);
    }
    for (const auto at : places) {
      restore(r, s);
      std::vector<std::byte> sector(512);
      r.media[0]->peek(lba{at / 512}, sector);
      sector[at % 512] ^= static_cast<std::byte>(1U << chance.below(8));
      r.media[0]->poke(lba{at / 512}, sector);
      SCOPED_TRACE("byte " + std::to_string(at));
      judge(r, s, refused);
      ++flips;
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(flips, 50U);
    EXPECT_LT(refused, flips);
  }
}

TEST(metadata, flipped_on_one_of_three_drives_loses_nothing) {
  rig r(3, size);
  const saved s = make(r, 6);
  seeded_random chance(9);
  const unsigned times = 150 * thoroughness();
  for (unsigned k = 0; k < times; ++k) {
    restore(r, s);
    std::uint64_t at = 0;
    do at = chance.below(metadata_end);
    while (s.images[1][at] == std::byte{0});
    std::vector<std::byte> sector(512);
    r.media[1]->peek(lba{at / 512}, sector);
    sector[at % 512] ^= static_cast<std::byte>(1U << chance.below(8));
    r.media[1]->poke(lba{at / 512}, sector);
    SCOPED_TRACE("byte " + std::to_string(at));
    const auto booted = r.boot();
    ASSERT_TRUE(booted) << booted.error().message();
    ASSERT_EQ(r.array->lun_count(), s.luns);
    r.power_cut();
  }
}

TEST(metadata, overwritten_from_any_block_on_opens_at_the_last_or_previous_state_or_refuses) {
  rig r(1, size);
  const saved s = make(r, 5);
  std::size_t refused = 0;
  for (std::uint64_t from = 0; from < metadata_end / 512; from += from % 8 == 7 || thoroughness() > 1 ? 1 : 7) {
    restore(r, s);
    const std::vector<std::byte> zeros(metadata_end - from * 512);
    r.media[0]->poke(lba{from}, zeros);
    SCOPED_TRACE("from sector " + std::to_string(from));
    const auto booted = r.boot();
    if (!booted || r.array->drives().empty()) {
      ++refused;
    } else {
      // Zeros are not a torn write but the loss of everything written: an older state may look whole on one drive.
      EXPECT_LE(r.array->lun_count(), s.luns);
      check_extents(*r.array, r.extent_bytes);
    }
    if (booted) r.power_cut();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(refused, 0U);
}

TEST(metadata, a_log_without_room_refuses_new_luns_and_keeps_the_old_ones) {
  rig r(1, 64 << 20);
  ASSERT_TRUE(r.boot());
  std::size_t made = 0;
  failure why(errc::internal);
  for (;; ++made) {
    lun_spec s;
    s.type = lun_type::simple;
    s.size = byte_count{65536};
    s.unmask.assign(40, std::string(200, 'x'));
    auto lun = r.ex.run(r.array->create_lun(s));
    if (lun) continue;
    why = lun.error();
    break;
  }
  EXPECT_EQ(why.code(), errc::no_space);
  EXPECT_GT(made, 10U);
  check_extents(*r.array, r.extent_bytes);
  const auto id = r.array->lun_ids()[0];
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(r.ex.run(r.array->set_name(id, std::to_string(i))));
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->lun_count(), made);
  EXPECT_EQ(r.array->lun(id)->name, "299");
  ASSERT_TRUE(r.ex.run(r.array->delete_lun(id)));
}

}  // namespace
}  // namespace vds::array::testing
