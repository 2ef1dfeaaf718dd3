#include <gtest/gtest.h>

#include <map>
#include <set>

#include "array/layout/allocator.h"
#include "array/layout/parity_map.h"
#include "array/layout/planner.h"
#include "array/layout/plex_map.h"
#include "array/layout/shape.h"
#include "array/layout/turns.h"
#include "base/random.h"

namespace vds::array::layout {
namespace {

TEST(extent_set, behaves_as_a_set_of_numbers_would) {
  seeded_random random(3);
  extent_set set;
  std::set<std::uint32_t> model;
  for (int i = 0; i < 5000; ++i) {
    const auto start = static_cast<std::uint32_t>(random.below(60)),
               count = static_cast<std::uint32_t>(random.below(9));
    bool overlaps = false, contains = true;
    for (auto e = start; e < start + count; ++e) {
      overlaps = overlaps || model.contains(e);
      contains = contains && model.contains(e);
    }
    ASSERT_EQ(set.overlaps(start, count), overlaps);
    if (count > 0) {
      ASSERT_EQ(set.contains(start, count), contains);
    }
    const bool add = random.below(2) == 0;
    for (auto e = start; e < start + count; ++e) add ? void(model.insert(e)) : void(model.erase(e));
    add ? set.add(start, count) : set.remove(start, count);
    ASSERT_EQ(set.size(), model.size());
    std::uint64_t end = 0;
    for (const auto& [at, n] : set) {
      ASSERT_TRUE(end == 0 || at > end) << "neighbours are merged";
      end = at + n;
    }
  }
}

TEST(allocator, gives_one_run_if_it_can_and_never_dirty_extents) {
  allocator a;
  a.add_drive(1, 10, true);
  a.mark_dirty({1, 2, 2});
  EXPECT_EQ(a.take(1, 5), (std::vector<run>{{1, 4, 5}}));
  EXPECT_EQ(a.take(1, 3), (std::vector<run>{{1, 0, 2}, {1, 9, 1}}));
  EXPECT_EQ(a.clean(1), 0U);
  a.wiped({1, 2, 2});
  EXPECT_EQ(a.take(1, 2), (std::vector<run>{{1, 2, 2}}));
}

TEST(plex_map, puts_each_byte_of_a_stripe_in_one_place) {
  const std::uint32_t extent = 65536;
  plex p{16384, {{{1, 0, 2}}, {{2, 5, 1}, {2, 9, 1}}, {{3, 0, 2}}}};
  std::set<std::tuple<std::uint32_t, std::uint64_t>> seen;
  const std::uint64_t size = 3 * 2 * extent;
  for (std::uint64_t at = 0; at < size; at += 4096) {
    const auto pieces = map(p, extent, at, 4096);
    ASSERT_EQ(pieces.size(), 1U);
    const auto& piece = pieces[0];
    EXPECT_EQ(piece.slot, 1 + at / 16384 % 3);
    ASSERT_TRUE(seen.emplace(piece.slot, piece.extent * std::uint64_t{extent} + piece.within).second);
  }
  std::uint64_t total = 0;
  for (const auto& piece : map(p, extent, 1000, size - 2000)) {
    EXPECT_EQ(piece.at, total);
    total += piece.bytes;
  }
  EXPECT_EQ(total, size - 2000);
}

TEST(shape, gives_each_byte_one_place_and_continues_ranges_of_a_group) {
  const std::uint32_t extent = 65536, unit = 16384;
  plex p{unit, {}};
  for (std::uint32_t i = 0; i < 8; ++i) p.columns.push_back({{i, 0, 1}});
  for (const auto& [type, groups, data] : {std::tuple{lun_type::raid50, 2U, 3U}, {lun_type::raid60, 2U, 2U}}) {
    const auto s = shape_of(type, {p}, groups);
    ASSERT_EQ(s.groups.size(), groups);
    EXPECT_EQ(s.chunk_bytes, unit * data);
    EXPECT_EQ(s.extents_of_data(), groups * data);
    const std::uint64_t size = s.extents_of_data() * extent;
    std::set<std::pair<std::size_t, std::uint64_t>> seen;
    for (std::uint64_t at = 0; at < size; at += 4096) {
      const auto shares = spread(s, at, 4096);
      ASSERT_EQ(shares.size(), 1U);
      ASSERT_TRUE(seen.emplace(shares[0].group, shares[0].offset).second);
    }
    std::uint64_t total = 0;
    for (const auto& one : spread(s, 1000, size - 2000)) {
      std::uint64_t bytes = 0;
      for (const auto& part : one.parts) bytes += part.bytes;
      EXPECT_EQ(bytes, one.bytes);
      total += bytes;
    }
    EXPECT_EQ(total, size - 2000);
  }
}

TEST(parity_map, puts_parity_on_every_member_in_turn_and_is_its_own_inverse) {
  for (const unsigned parity : {1U, 2U}) {
    const parity_map map{6, parity};
    std::set<std::size_t> of_p;
    for (std::uint64_t row = 0; row < 12; ++row) {
      of_p.insert(map.member_of(row, map.data()));
      std::set<std::size_t> members;
      for (std::size_t c = 0; c < 6; ++c) {
        members.insert(map.member_of(row, c));
        EXPECT_EQ(map.column_of(row, map.member_of(row, c)), c);
      }
      EXPECT_EQ(members.size(), 6U);
    }
    EXPECT_EQ(of_p.size(), 6U);
  }
}

TEST(planner, uses_what_is_asked_for) {
  struct row {
    lun_type type;
    std::uint64_t extents;
    std::vector<drive_room> given;
    std::vector<drive_room> all;
    std::optional<errc> fails;
    std::vector<std::uint32_t> slots;  // of all plexes and columns, in order
  };
  const std::vector<drive_room> three = {{1, 10}, {2, 20}, {3, 5}};
  const std::vector<drive_room> six = {{1, 20}, {2, 20}, {3, 20}, {4, 20}, {5, 10}, {6, 3}};
  const row rows[] = {
      {lun_type::simple, 8, {}, three, {}, {2}},
      {lun_type::simple, 8, {{3, 5}, {1, 10}}, three, {}, {1}},
      {lun_type::simple, 30, {}, three, errc::no_space, {}},
      {lun_type::span, 12, {{3, 5}, {1, 10}}, three, {}, {3, 1}},
      {lun_type::span, 35, {}, three, {}, {2, 1, 3}},
      {lun_type::span, 36, {}, three, errc::no_space, {}},
      {lun_type::stripe, 9, {}, three, {}, {2, 1, 3}},
      {lun_type::stripe, 20, {}, three, {}, {2, 1}},
      {lun_type::stripe, 2, {{1, 10}}, three, errc::unavailable, {}},
      {lun_type::mirror, 10, {}, three, {}, {2, 1}},
      {lun_type::mirror, 12, {}, three, {}, {2, 1, 3}},
      {lun_type::mirror, 5, {{3, 5}}, three, {}, {3, 2}},
      {lun_type::mirror, 16, {}, three, errc::no_space, {}},
      {lun_type::mirror, 1, {}, {{1, 10}}, errc::unavailable, {}},
      {lun_type::automatic, 5, {}, three, {}, {2, 1}},
      {lun_type::automatic, 18, {}, three, {}, {2}},
      {lun_type::automatic, 30, {}, three, {}, {2, 1}},
      {lun_type::automatic_fault_tolerant, 18, {}, three, errc::no_space, {}},
      {lun_type::raid6, 1, {}, three, errc::unavailable, {}},
      {lun_type::parity, 10, {}, three, {}, {2, 1, 3}},
      {lun_type::parity, 11, {}, three, errc::no_space, {}},
      {lun_type::parity, 8, {{3, 5}, {1, 10}, {2, 20}}, three, {}, {3, 1, 2}},
      {lun_type::parity, 8, {{3, 5}, {1, 10}}, three, errc::unavailable, {}},
      {lun_type::raid6, 8, {}, six, {}, {1, 2, 3, 4, 5, 6}},
      {lun_type::raid6, 30, {}, six, {}, {1, 2, 3, 4, 5}},
      {lun_type::raid10, 9, {}, six, {}, {1, 3, 5, 2, 4, 6}},
      {lun_type::raid10, 18, {}, six, {}, {1, 3, 2, 4}},
      {lun_type::raid10, 4, {{1, 20}, {2, 20}, {3, 20}, {4, 20}, {5, 20}}, six, errc::invalid_argument, {}},
      {lun_type::raid50, 12, {}, six, {}, {1, 2, 3, 4, 5, 6}},
      {lun_type::raid50, 13, {}, six, errc::no_space, {}},
      {lun_type::raid60, 1, {}, six, errc::unavailable, {}},
  };
  for (const auto& r : rows) {
    SCOPED_TRACE(std::string(to_string(r.type)) + " of " + std::to_string(r.extents));
    lun_spec s;
    s.type = r.type;
    s.size = byte_count{r.extents << 20};
    for (const auto& d : r.given) s.drives.push_back(guid{{static_cast<std::uint8_t>(d.slot)}});
    const auto p = plan_lun(s, r.given, r.all, 1 << 20);
    if (r.fails) {
      ASSERT_FALSE(p);
      EXPECT_EQ(p.error().code(), *r.fails);
      continue;
    }
    ASSERT_TRUE(p) << p.error().message();
    std::vector<std::uint32_t> slots;
    for (const auto& plex : p->plexes)
      for (const auto& column : plex)
        for (const auto& share : column) slots.push_back(share.slot);
    EXPECT_EQ(slots, r.slots);
  }
}

TEST(turns, are_taken_by_weight_the_heaviest_first_and_nobody_is_left_out) {
  turns t;
  std::map<guid, unsigned> weights = {{guid{{1}}, 1}, {guid{{2}}, 16}, {guid{{3}}, 4}};
  const auto weight = [&weights](const guid& id) { return weights.at(id); };
  for (const auto& [id, w] : weights) t.add(id);
  EXPECT_EQ(t.next(weight), guid{{2}});
  std::map<guid, int> had;
  for (int i = 0; i < 2100; ++i) {
    const auto who = *t.next(weight);
    ++had[who];
    t.had(who, 1 << 20, weights.at(who));
  }
  EXPECT_NEAR(had[guid{{1}}], 100, 2);
  EXPECT_NEAR(had[guid{{2}}], 1600, 2);
  EXPECT_NEAR(had[guid{{3}}], 400, 2);
  t.remove(guid{{2}});
  t.remove(guid{{3}});
  EXPECT_EQ(t.next(weight), guid{{1}});
  t.remove(guid{{1}});
  EXPECT_EQ(t.next(weight), std::nullopt);
}

}  // namespace
}  // namespace vds::array::layout
