// Blocks that no drive can read, met when a member is rebuilt, replaced or made equal: what is lost is they alone, and
// it is not forgotten.
#include <gtest/gtest.h>

#include <set>

#include "array/layout/byte_set.h"
#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

// Sectors of a medium that cannot be read until they are written.
struct bad_sectors {
  void on(rig& r, std::size_t drive) {
    r.drives[drive]->set_rule([this](const io::faulty_device::call& c) {
      for (std::uint64_t s = c.at.n; s < c.at.n + c.count.n; ++s) {
        if (c.what == io::faulty_device::request::read && which.contains(s)) return io::fault::fail;
        if (c.what == io::faulty_device::request::write || c.what == io::faulty_device::request::zero) which.erase(s);
      }
      return io::fault::none;
    });
  }
  std::set<std::uint64_t> which;
};

// Where on the drive that sector of the LUN is: by its content, which is nowhere else.
std::optional<std::uint64_t> find_sector(rig& r, std::size_t drive, const std::vector<std::byte>& content) {
  const auto blocks = r.media[drive]->geometry().blocks.n;
  std::vector<std::byte> one(512);
  for (std::uint64_t s = 0; s < blocks; ++s) {
    if (!r.ex.run(r.drives[drive]->read(lba{s}, io::buffer(one)))) continue;
    if (one == content) return s;
  }
  return std::nullopt;
}
std::vector<std::byte> marked(std::uint64_t sector) {
  std::vector<std::byte> out(512, std::byte{0xa5});
  std::memcpy(out.data(), &sector, sizeof sector);
  return out;
}
status put(rig& r, const guid& lun, std::uint64_t sector, const std::vector<std::byte>& what) {
  auto s = r.ex.run(r.array->device(lun)->write(lba{sector}, io::const_buffer(what)));
  return s ? r.ex.run(r.array->device(lun)->flush()) : s;
}
result<std::vector<std::byte>> get(rig& r, const guid& lun, std::uint64_t sector) {
  std::vector<std::byte> out(512);
  auto s = r.ex.run(r.array->device(lun)->read(lba{sector}, io::buffer(out)));
  if (!s) return std::move(s).error();
  return out;
}
// All but that block; of a row with parity another one may be what is lost with it.
void expect_the_rest(rig& r, const guid& lun, std::uint64_t sector) {
  const std::uint64_t first = sector / 8 * 8, sectors = r.array->lun(lun)->size.n / 512;
  unsigned others = 0;
  for (std::uint64_t s = 0; s < sectors; s += 8) {
    if (s == first) continue;
    const auto back = get(r, lun, s);
    if (!back && back.error() == errc::medium_error) {
      ++others;
      continue;
    }
    ASSERT_TRUE(back) << "sector " << s << ": " << back.error().message();
    ASSERT_EQ(*back, marked(s)) << "sector " << s;
  }
  EXPECT_LE(others, r.array->lun(lun)->type == lun_type::parity ? 1U : 0U);
}

struct kind {
  lun_type type;
  std::size_t drives;
};

TEST(unreadable, a_block_that_no_member_can_read_is_lost_alone_and_says_so_until_it_is_written) {
  constexpr std::uint64_t sector = 700;
  for (const auto& k : {kind{lun_type::mirror, 2}, kind{lun_type::parity, 3}, kind{lun_type::raid10, 4}}) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives + 1, 4 << 20);
    ASSERT_TRUE(r.boot());
    const auto lun = r.create_on(k.drives, k.type, 1 << 20);
    ASSERT_TRUE(lun);
    const guid id = lun->id;
    std::vector<std::byte> all;  // no two sectors alike, so that no parity looks like data
    for (std::uint64_t s = 0; s < (1 << 20) / 512; ++s) {
      const auto one = marked(s);
      all.insert(all.end(), one.begin(), one.end());
    }
    ASSERT_TRUE(put(r, id, 0, all));
    // The drive that has it can no longer read it, and one that could have helped is lost.
    std::size_t bad = k.drives;
    bad_sectors sectors;
    for (std::size_t d = 0; d < k.drives && bad == k.drives; ++d) {
      const auto at = find_sector(r, d, marked(sector));
      if (!at) continue;
      bad = d;
      for (std::uint64_t s = *at / 8 * 8; s < *at / 8 * 8 + 8; ++s) sectors.which.insert(s);
    }
    ASSERT_LT(bad, k.drives);
    sectors.on(r, bad);
    std::size_t lost = bad == 0 ? 1 : 0;  // of mirrors the partner: drives 0 and 1, 2 and 3, or the plexes' columns
    if (k.type == lun_type::raid10) {
      for (lost = 0; lost < k.drives; ++lost)
        if (lost != bad && find_sector(r, lost, marked(sector))) break;
    }
    ASSERT_LT(lost, k.drives);
    r.drives[lost]->vanish();
    ASSERT_TRUE(r.ex.run(r.array->fail_drive(r.drive_id(lost))));
    ASSERT_TRUE(r.ex.run(r.array->set_spare(r.drive_id(k.drives), true)));
    r.ex.run();
    EXPECT_EQ(r.array->lun(id)->health, lun_health::healthy) << "the rest is rebuilt";
    EXPECT_EQ(r.array->lun(id)->unreadable.n, 4096U);
    ASSERT_FALSE(get(r, id, sector));
    EXPECT_EQ(get(r, id, sector).error().code(), errc::medium_error);
    expect_the_rest(r, id, sector);
    r.power_cut();
    ASSERT_TRUE(r.boot());
    sectors.on(r, bad);
    r.ex.run();
    EXPECT_EQ(r.array->lun(id)->unreadable.n, 4096U) << "it was forgotten";
    ASSERT_FALSE(get(r, id, sector));
    EXPECT_EQ(get(r, id, sector).error().code(), errc::medium_error);
    expect_the_rest(r, id, sector);
    if (k.type == lun_type::parity) continue;  // a row that lacks two members takes no small write: see the design
    const std::vector<std::byte> fresh(4096, std::byte{0x77});
    ASSERT_TRUE(put(r, id, sector / 8 * 8, fresh));
    r.power_cut();
    ASSERT_TRUE(r.boot());
    r.ex.run();
    EXPECT_EQ(r.array->lun(id)->unreadable.n, 0U);
    EXPECT_EQ(*get(r, id, sector), std::vector<std::byte>(512, std::byte{0x77}));
    expect_the_rest(r, id, sector);
    r.drives[bad]->vanish();
    EXPECT_EQ(*get(r, id, sector), std::vector<std::byte>(512, std::byte{0x77})) << "the new place has it";
  }
}

TEST(unreadable, what_is_freed_takes_nothing_of_it_along) {
  rig r(3, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto lun = r.create_on(2, lun_type::mirror, 1 << 20);
  ASSERT_TRUE(lun && put(r, lun->id, 700, marked(700)));
  bad_sectors sectors;
  const auto at = find_sector(r, 0, marked(700));
  ASSERT_TRUE(at);
  sectors.which.insert(*at);
  sectors.on(r, 0);
  ASSERT_TRUE(r.ex.run(r.array->fail_drive(r.drive_id(1))));
  ASSERT_TRUE(r.ex.run(r.array->set_spare(r.drive_id(2), true)));
  r.ex.run();
  EXPECT_EQ(r.array->lun(lun->id)->unreadable.n, 4096U);
  ASSERT_TRUE(r.ex.run(r.array->delete_lun(lun->id)));
  ASSERT_TRUE(r.ex.run(r.array->set_spare(r.drive_id(2), false)));
  r.ex.run();
  lun_spec spec;
  spec.type = lun_type::simple;
  spec.size = byte_count{2 << 20};
  spec.drives = {r.drive_id(2)};
  const auto next = r.ex.run(r.array->create_lun(spec));
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_TRUE(r.reads_zeros(next->id));
  ASSERT_TRUE(r.shut_down() && r.boot());
  EXPECT_TRUE(r.reads_zeros(next->id));
  EXPECT_EQ(r.array->lun(next->id)->unreadable.n, 0U);
}

TEST(unreadable, a_drive_that_works_keeps_what_only_it_may_be_able_to_read_another_day) {
  rig r(2, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto lun = r.create_on(1, lun_type::simple, 1 << 20);
  ASSERT_TRUE(lun && put(r, lun->id, 700, marked(700)));
  bad_sectors sectors;
  const auto at = find_sector(r, 0, marked(700));
  ASSERT_TRUE(at);
  sectors.which.insert(*at);
  sectors.on(r, 0);
  ASSERT_TRUE(r.ex.run(r.array->replace_drive(r.drive_id(0), r.drive_id(1))));
  r.ex.run();
  EXPECT_FALSE(r.array->drive_uses(r.drive_id(0)).empty());
  EXPECT_EQ(r.array->lun(lun->id)->unreadable.n, 0U);
  EXPECT_FALSE(get(r, lun->id, 700));
  sectors.which.clear();
  EXPECT_EQ(*get(r, lun->id, 700), marked(700));
  ASSERT_TRUE(r.ex.run(r.array->replace_drive(r.drive_id(0), r.drive_id(1))));
  r.ex.run();
  EXPECT_TRUE(r.array->drive_uses(r.drive_id(0)).empty());
  EXPECT_EQ(*get(r, lun->id, 700), marked(700));
}

TEST(unreadable, a_region_that_cannot_be_made_equal_is_left_alone_until_it_is_written) {
  rig r(2, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto lun = r.create_on(2, lun_type::mirror, 2 << 20);
  ASSERT_TRUE(lun && r.fill(lun->id, 1) && put(r, lun->id, 700, marked(700)));
  bad_sectors sectors[2];
  for (std::size_t d = 0; d < 2; ++d) sectors[d].which.insert(*find_sector(r, d, marked(700)));
  ASSERT_TRUE(put(r, lun->id, 650, marked(650)));  // marks the region; then the power goes
  r.power_cut();
  ASSERT_TRUE(r.boot());
  for (std::size_t d = 0; d < 2; ++d) sectors[d].on(r, d);
  r.ex.advance(1min);
  const auto requests = r.drives[0]->requests() + r.drives[1]->requests();
  r.ex.advance(10min);
  EXPECT_EQ(r.drives[0]->requests() + r.drives[1]->requests(), requests) << "nobody looks for ever";
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::resyncing);
  ASSERT_TRUE(put(r, lun->id, 700, marked(700)));
  r.ex.advance(1min);
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  r.drives[0]->vanish();
  EXPECT_EQ(*get(r, lun->id, 700), marked(700));
}

TEST(unreadable, byte_sets_behave_as_sets_of_numbers_would) {
  seeded_random random(7);
  layout::byte_set set;
  std::set<std::uint64_t> model;
  for (int i = 0; i < 5000; ++i) {
    const auto at = random.below(60), bytes = random.below(9);
    std::uint64_t overlap = 0;
    for (auto b = at; b < at + bytes; ++b) overlap += model.contains(b) ? 1 : 0;
    ASSERT_EQ(set.overlap(at, bytes), overlap);
    ASSERT_EQ(set.overlaps(at, bytes), overlap > 0);
    const bool add = random.below(2) == 0;
    for (auto b = at; b < at + bytes; ++b) {
      if (add) model.insert(b);
      if (!add) model.erase(b);
    }
    add ? set.add(at, bytes) : set.remove(at, bytes);
    std::size_t runs = 0;
    for (auto b : model) runs += model.contains(b - 1) ? 0 : 1;
    ASSERT_EQ(set.run_count(), runs) << "neighbours are not joined";
  }
}

}  // namespace
}  // namespace vds::array::testing
