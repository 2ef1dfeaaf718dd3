// Drives that lie about what was written: found, repaired from what other drives hold, and named; without redundancy an
// error, and never a wrong byte.
#include <gtest/gtest.h>

#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

struct kind {
  lun_type type;
  std::size_t drives;
};
constexpr kind redundant[] = {
    {lun_type::mirror, 2}, {lun_type::mirror, 3}, {lun_type::parity, 3},
    {lun_type::raid6, 4},  {lun_type::raid10, 4}, {lun_type::raid50, 6},
};

result<lun_info> make(rig& r, const kind& k, std::uint64_t bytes) {
  return r.create_on(k.drives, k.type, bytes, k.type == lun_type::mirror ? static_cast<unsigned>(k.drives) : 0);
}
drive_info drive_of(rig& r, std::size_t i) { return *r.array->drive(r.drive_id(i)); }
std::uint64_t corrupt_blocks(rig& r) {
  std::uint64_t n = 0;
  for (const auto& d : r.array->drives()) n += d.corrupt_blocks;
  return n;
}
// All members, so that whoever is read from finds what its drive has.
scrub_report scrub(rig& r, const guid& lun, bool repair) {
  auto found = r.ex.run(r.array->scrub_lun(lun, repair));
  EXPECT_TRUE(found) << found.error().message();
  return found.value_or(scrub_report{});
}

TEST(checksums, drives_that_join_have_them_and_say_so) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  EXPECT_TRUE(drive_of(r, 0).checked);
  ASSERT_TRUE(r.shut_down());
  r.checksums = false;
  ASSERT_TRUE(r.boot());
  r.add_medium(8 << 20);
  ASSERT_TRUE(r.ex.run(r.array->add_drive(r.open(2), {.zeroed = true})));
  EXPECT_FALSE(drive_of(r, 2).checked);
  EXPECT_LE(drive_of(r, 2).capacity.n - drive_of(r, 0).capacity.n, 16U * r.extent_bytes) << "what they take";
  auto on_checked = r.create_on(2, lun_type::mirror, 65536), on_both = r.create_on(3, lun_type::parity, 65536);
  EXPECT_TRUE(r.array->lun(on_checked->id)->checked);
  EXPECT_FALSE(r.array->lun(on_both->id)->checked) << "one of its drives has none";
}

TEST(checksums, a_drive_without_them_goes_on_working_beside_others) {
  rig r(3, 8 << 20);
  r.checksums = false;
  ASSERT_TRUE(r.boot());
  auto lun = r.create_on(3, lun_type::parity, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 3));
  ASSERT_TRUE(r.shut_down());
  r.checksums = true;
  ASSERT_TRUE(r.boot());
  EXPECT_FALSE(drive_of(r, 0).checked);
  EXPECT_TRUE(r.holds(lun->id, 3));
  r.add_medium(8 << 20);
  ASSERT_TRUE(r.ex.run(r.array->add_drive(r.open(3), {.zeroed = true})));
  EXPECT_TRUE(drive_of(r, 3).checked);
  ASSERT_TRUE(r.ex.run(r.array->replace_drive(r.drive_id(0), r.drive_id(3))));
  r.ex.run();
  EXPECT_TRUE(r.holds(lun->id, 3));
  r.flip(lun->id, 3, 5000);
  EXPECT_TRUE(r.holds(lun->id, 3));
}

TEST(checksums, a_wrong_block_is_read_from_the_others_repaired_and_its_drive_named) {
  for (const auto& k : redundant) {
    for (std::size_t liar = 0; liar < k.drives; ++liar) {
      SCOPED_TRACE(std::string(to_string(k.type)) + ", drive " + std::to_string(liar));
      rig r(k.drives, 8 << 20);
      ASSERT_TRUE(r.boot());
      auto lun = make(r, k, 1 << 20);
      ASSERT_TRUE(lun) << lun.error().message();
      ASSERT_TRUE(r.fill(lun->id, 3));
      r.flip(lun->id, liar, 8192 + 77);
      r.flip(lun->id, liar, 65536 + 20000);
      ASSERT_TRUE(r.holds(lun->id, 3));
      const auto found = scrub(r, lun->id, true);  // what nobody read was found now
      EXPECT_EQ(found.mismatched.n, 0U);
      EXPECT_EQ(drive_of(r, liar).corrupt_blocks, 2U);
      EXPECT_EQ(drive_of(r, liar).repaired_blocks, 2U);
      EXPECT_EQ(corrupt_blocks(r), 2U) << "no other is blamed";
      std::size_t told = 0;
      for (const auto& e : r.events) told += e.what == array_event::kind::drive_modified ? 1 : 0;
      EXPECT_EQ(told, 1U);
      EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
      const auto again = scrub(r, lun->id, false);
      EXPECT_EQ(again.unreadable.n + again.mismatched.n, 0U);
      ASSERT_TRUE(r.shut_down());
      ASSERT_TRUE(r.boot());
      EXPECT_TRUE(r.holds(lun->id, 3));
      EXPECT_EQ(corrupt_blocks(r), 0U);
    }
  }
}

TEST(checksums, a_scrub_finds_and_repairs_what_nobody_reads_and_says_who_lied) {
  for (const auto& k : redundant) {
    for (std::size_t liar = 0; liar < k.drives; ++liar) {
      SCOPED_TRACE(std::string(to_string(k.type)) + ", drive " + std::to_string(liar));
      rig r(k.drives, 8 << 20);
      ASSERT_TRUE(r.boot());
      auto lun = make(r, k, 1 << 20);
      ASSERT_TRUE(r.fill(lun->id, 3));
      r.flip(lun->id, liar, 4096);
      const auto looked = scrub(r, lun->id, false);
      EXPECT_EQ(looked.unreadable.n, 4096U);
      EXPECT_EQ(looked.suspects, std::vector<guid>{r.drive_id(liar)});
      const auto repaired = scrub(r, lun->id, true);
      EXPECT_EQ(repaired.repaired.n, 4096U);
      EXPECT_EQ(repaired.suspects, std::vector<guid>{r.drive_id(liar)});
      EXPECT_EQ(drive_of(r, liar).repaired_blocks, 1U);
      const auto clean = scrub(r, lun->id, true);
      EXPECT_EQ(clean.unreadable.n + clean.mismatched.n + clean.repaired.n, 0U);
      EXPECT_TRUE(r.holds(lun->id, 3));
    }
  }
}

TEST(checksums, every_copy_may_be_wrong_somewhere_if_each_block_is_right_on_one) {
  for (const bool by_scrub : {false, true}) {
    rig r(2, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = r.create_on(2, lun_type::mirror, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 3));
    for (std::uint64_t b = 0; b < 16; ++b) r.flip(lun->id, b % 2, b * 4096 + 9);
    if (by_scrub)
      EXPECT_GT(scrub(r, lun->id, true).repaired.n, 0U);
    else
      EXPECT_TRUE(r.holds(lun->id, 3));
    const auto after = scrub(r, lun->id, true);
    EXPECT_EQ(scrub(r, lun->id, false).unreadable.n, 0U) << after.unreadable.n;
    EXPECT_TRUE(r.holds(lun->id, 3));
    EXPECT_EQ(corrupt_blocks(r), 16U);
  }
}

TEST(checksums, without_redundancy_a_wrong_block_is_an_error_and_the_rest_is_served) {
  rig r(1, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = r.create_on(1, lun_type::simple, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 3));
  r.flip(lun->id, 0, 8192 + 600);
  std::vector<std::byte> block(4096);
  auto* device = r.array->device(lun->id);
  EXPECT_EQ(r.ex.run(device->read(lba{16}, io::buffer(block))).error().code(), errc::bad_checksum);
  EXPECT_TRUE(r.ex.run(device->read(lba{8}, io::buffer(block))));
  EXPECT_EQ(r.state(0), drive_state::online) << "one block is no reason to give up the others";
  const auto found = scrub(r, lun->id, true);
  EXPECT_EQ(found.suspects, std::vector<guid>{r.drive_id(0)});
  EXPECT_EQ(found.repaired.n, 0U);
  const auto pattern = r.pattern(lun->id, 3);
  ASSERT_TRUE(r.ex.run(device->write(lba{16}, io::const_buffer(pattern).subspan(8192, 4096))));
  EXPECT_TRUE(r.holds(lun->id, 3)) << "written anew it is good again";
}

TEST(checksums, a_degraded_group_does_not_make_wrong_data_of_a_wrong_block) {
  for (const auto& k : {kind{lun_type::mirror, 2}, kind{lun_type::parity, 3}, kind{lun_type::raid10, 4}}) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 3));
    ASSERT_TRUE(r.ex.run(r.array->fail_drive(r.drive_id(0))));
    r.flip(lun->id, 1, 4096 + 1);
    const auto right = r.pattern(lun->id, 3);
    std::uint64_t errors = 0;
    for (std::uint64_t at = 0; at < right.size(); at += 4096) {
      std::vector<std::byte> block(4096);
      const auto s = r.ex.run(r.array->device(lun->id)->read(lba{at / 512}, io::buffer(block)));
      if (!s) {
        ++errors;
        EXPECT_TRUE(s.error() == errc::bad_checksum || s.error() == errc::medium_error) << s.error().message();
        continue;
      }
      ASSERT_TRUE(std::equal(block.begin(), block.end(), right.begin() + static_cast<std::ptrdiff_t>(at))) << at;
    }
    EXPECT_GE(errors, 1U);
    EXPECT_LE(errors, 2U);
  }
}

TEST(checksums, writes_of_a_part_use_no_wrong_block) {
  for (const auto& k : {kind{lun_type::parity, 3}, kind{lun_type::raid6, 4}}) {
    for (std::size_t liar = 0; liar < k.drives; ++liar) {
      SCOPED_TRACE(std::string(to_string(k.type)) + ", drive " + std::to_string(liar));
      rig r(k.drives, 8 << 20);
      ASSERT_TRUE(r.boot());
      auto lun = make(r, k, 1 << 20);
      ASSERT_TRUE(r.fill(lun->id, 3));
      auto right = r.pattern(lun->id, 3);
      for (std::uint64_t at = 0; at < 8; ++at) r.flip(lun->id, liar, at * 4096);
      for (std::uint64_t at = 0; at < 65536; at += 4096) {
        std::fill_n(right.begin() + static_cast<std::ptrdiff_t>(at), 512, std::byte{9});
        const auto part = io::const_buffer(right).subspan(at, 512);
        ASSERT_TRUE(r.ex.run(r.array->device(lun->id)->write(lba{at / 512}, part)));
      }
      const auto found = r.read_all(lun->id);
      ASSERT_TRUE(found);
      EXPECT_EQ(*found, right);
      (void)scrub(r, lun->id, true);
      const auto clean = scrub(r, lun->id, false);
      EXPECT_EQ(clean.unreadable.n + clean.mismatched.n, 0U);
      ASSERT_TRUE(r.ex.run(r.array->fail_drive(r.drive_id((liar + 1) % k.drives))));
      EXPECT_EQ(*r.read_all(lun->id), right);
    }
  }
}

TEST(checksums, lost_and_misdirected_writes_are_repaired) {
  for (const auto what : {io::fault::lose, io::fault::misdirect}) {
    for (const auto& k : redundant) {
      SCOPED_TRACE(to_string(k.type));
      rig r(k.drives, 8 << 20);
      ASSERT_TRUE(r.boot());
      auto lun = make(r, k, 1 << 20);
      ASSERT_TRUE(r.fill(lun->id, 3));
      const auto info = *r.array->lun(lun->id);
      std::uint64_t from = UINT64_MAX, to = 0;  // where the LUN is on the drive: nothing else may be hit
      for (const auto& e : info.plexes[0].extents) {
        if (e.drive != r.drive_id(0)) continue;
        from = std::min(from, e.offset.n);
        to = std::max(to, e.offset.n + e.size.n);
      }
      std::uint64_t hit = 0;
      r.drives[0]->set_misdirection(16);
      r.drives[0]->set_rule([&](const io::faulty_device::call& c) {
        const std::uint64_t at = c.at.n * 512, end = at + (c.count.n + 16) * 512;
        if (c.what != io::faulty_device::request::write || at < from || end > to || ++hit > 1) return io::fault::none;
        return what;
      });
      auto right = r.pattern(lun->id, 3);
      for (std::uint64_t at = 0; at < 1 << 20; at += 262144) {  // each row once: nothing heals by itself
        std::fill_n(right.begin() + static_cast<std::ptrdiff_t>(at), 4096, std::byte{7});
        ASSERT_TRUE(
            r.ex.run(r.array->device(lun->id)->write(lba{at / 512}, io::const_buffer(right).subspan(at, 4096))));
      }
      EXPECT_GE(hit, 1U);
      EXPECT_EQ(*r.read_all(lun->id), right);
      (void)scrub(r, lun->id, true);
      EXPECT_EQ(*r.read_all(lun->id), right);
      EXPECT_GE(drive_of(r, 0).corrupt_blocks, 1U);
      EXPECT_EQ(drive_of(r, 0).corrupt_blocks, drive_of(r, 0).repaired_blocks);
      EXPECT_EQ(corrupt_blocks(r), drive_of(r, 0).corrupt_blocks);
    }
  }
}

TEST(checksums, a_drive_taken_along_is_checked_elsewhere) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = r.create_on(2, lun_type::mirror, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 3));
  r.ex.run();  // settled
  r.power_cut();
  ASSERT_TRUE(r.boot());
  r.flip(lun->id, 0, 4096);
  r.flip(lun->id, 1, 8192);
  EXPECT_TRUE(r.holds(lun->id, 3));
  (void)scrub(r, lun->id, true);
  EXPECT_EQ(corrupt_blocks(r), 2U) << "what had settled is checked after a crash, too";
}

}  // namespace
}  // namespace vds::array::testing
