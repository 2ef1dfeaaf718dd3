// Scrubbing finds what drives hold wrongly or cannot read, and repairs it.
#include <gtest/gtest.h>

#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

struct kind {
  lun_type type;
  std::size_t drives;
};
constexpr kind redundant[] = {
    {lun_type::mirror, 3}, {lun_type::parity, 3}, {lun_type::raid6, 4}, {lun_type::raid10, 4}};

result<lun_info> make(rig& r, const kind& k, std::uint64_t bytes) {
  return r.create_on(k.drives, k.type, bytes, k.type == lun_type::mirror ? static_cast<unsigned>(k.drives) : 0);
}
scrub_report scrub(rig& r, const guid& lun, bool repair) {
  auto found = r.ex.run(r.array->scrub_lun(lun, repair));
  EXPECT_TRUE(found) << found.error().message();
  return found.value_or(scrub_report{});
}
// Flips every byte of a sector of the LUN's extent on that drive.
void damage(rig& r, const guid& lun, std::size_t drive, std::uint64_t at) {
  const guid id = r.drive_id(drive);
  const auto info = *r.array->lun(lun);
  for (const auto& p : info.plexes) {
    for (const auto& e : p.extents) {
      if (e.drive != id) continue;
      std::vector<std::byte> sector(512);
      const lba place{(e.offset.n + at) / 512};
      ASSERT_TRUE(r.ex.run(r.drives[drive]->read(place, io::buffer(sector))));
      for (auto& b : sector) b = ~b;
      ASSERT_TRUE(r.ex.run(r.drives[drive]->write(place, io::const_buffer(sector), io::durability::fua)));
      return;
    }
  }
  FAIL() << "the LUN is not on that drive";
}

TEST(scrubbing, finds_nothing_where_nothing_is_wrong) {
  for (const auto& k : redundant) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 3));
    std::uint64_t last = 0, total = 0;
    auto found = r.ex.run(r.array->scrub_lun(lun->id, true, [&](const progress& p) {
      EXPECT_GE(p.done.n, last);
      last = p.done.n;
      total = p.total.n;
    }));
    ASSERT_TRUE(found);
    EXPECT_GT(found->checked.n, 1u << 20);
    EXPECT_EQ(found->checked.n, total);
    EXPECT_EQ(last, total);
    EXPECT_EQ(found->mismatched.n + found->unreadable.n + found->repaired.n, 0U);
    EXPECT_TRUE(found->suspects.empty());
  }
}

TEST(scrubbing, finds_a_lie_repairs_it_and_names_who_lied_where_that_can_be_proven) {
  for (const auto& k : redundant) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    r.checksums = false;  // with them a lie is not read at all: checksum_test.cc
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 3));
    // Where only two copies disagree, nobody can say who is right: the first is believed.
    const std::size_t liar = k.type == lun_type::raid10 ? 1 : k.drives - 1;
    ASSERT_NO_FATAL_FAILURE(damage(r, lun->id, liar, 8192));
    const auto looked = scrub(r, lun->id, false);
    EXPECT_EQ(looked.mismatched.n, 4096U);
    EXPECT_EQ(looked.repaired.n, 0U);
    const auto repaired = scrub(r, lun->id, true);
    EXPECT_EQ(repaired.mismatched.n, 4096U);
    EXPECT_GT(repaired.repaired.n, 0U);
    if (k.type == lun_type::mirror || k.type == lun_type::raid6) {
      ASSERT_EQ(repaired.suspects.size(), 1U);
      EXPECT_EQ(repaired.suspects[0], r.drive_id(liar));
    }
    EXPECT_EQ(scrub(r, lun->id, false).mismatched.n, 0U);
    if (k.type != lun_type::parity) {  // RAID 5 believes its data, and so makes the parity fit
      EXPECT_TRUE(r.holds(lun->id, 3));
    }
  }
}

TEST(scrubbing, rewrites_what_a_drive_cannot_read) {
  for (const auto& k : redundant) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 3));
    const guid id = r.drive_id(1);
    lba bad{};
    const auto info = *r.array->lun(lun->id);
    for (const auto& p : info.plexes)
      for (const auto& e : p.extents)
        if (e.drive == id && bad.n == 0) bad = lba{e.offset.n / 512 + 40};
    bool rewritten = false;
    r.drives[1]->set_rule([&](const io::faulty_device::call& c) {
      const bool there = c.at.n <= bad.n && bad.n < c.at.n + c.count.n;
      if (there && c.what == io::faulty_device::request::write) rewritten = true;
      return there && !rewritten && c.what == io::faulty_device::request::read ? io::fault::fail : io::fault::none;
    });
    const auto found = scrub(r, lun->id, true);
    EXPECT_GT(found.unreadable.n, 0U);
    EXPECT_TRUE(rewritten);
    ASSERT_EQ(found.suspects.size(), 1U);
    EXPECT_EQ(found.suspects[0], id);
    EXPECT_EQ(scrub(r, lun->id, true).unreadable.n, 0U);
    EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
    EXPECT_TRUE(r.holds(lun->id, 3));
  }
}

TEST(scrubbing, stops_when_told_and_when_the_lun_goes) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2}, 2 << 20);
  rt::cancel_source cancel;
  int reports = 0;
  const auto stopped = r.ex.run(r.array->scrub_lun(
      lun->id, true,
      [&](const progress&) {
        if (++reports == 3) cancel.request();
      },
      cancel.token()));
  EXPECT_EQ(stopped.error().code(), errc::cancelled);
  EXPECT_EQ(reports, 3);
  std::optional<status> deleted;
  const auto gone = r.ex.run(r.array->scrub_lun(lun->id, true, [&](const progress&) {
    if (deleted) return;
    deleted = status(errc::busy);
    rt::start([](rig& g, guid l, std::optional<status>& d) -> rt::task<void> { d = co_await g.array->delete_lun(l); }(
                                                               r, lun->id, deleted));
  }));
  EXPECT_FALSE(gone);
  r.ex.run();
  EXPECT_TRUE(*deleted);
  EXPECT_EQ(r.ex.run(r.array->scrub_lun(guid{{9}}, true)).error().code(), errc::not_found);
}

}  // namespace
}  // namespace vds::array::testing
