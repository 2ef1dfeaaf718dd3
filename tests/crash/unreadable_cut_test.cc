// The power goes while a mirror's lost half is rebuilt from one that cannot read a block, which an initiator writes
// meanwhile. Afterwards the block is what it was, what was written, or answers an error, and never anything else; what
// was acknowledged is there; everything around it is whole. VDS_CRASH_SEEDS=n: n seeds instead of one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "tests/crash/cut.h"

namespace vds::array::testing {
namespace {

constexpr std::uint64_t size = 4 << 16, sector = 200, sectors = 8;
using bytes = std::vector<std::byte>;

bytes old_block() {
  bytes out(sectors * 512, std::byte{0xa5});
  for (std::uint64_t s = 0; s < sectors; ++s) std::memcpy(&out[s * 512], &s, sizeof s);
  return out;
}

// Drive 0 cannot read these until they are written; the power goes at that request of all drives together.
struct faults {
  std::set<std::uint64_t> bad;
  std::uint64_t requests = 0, cut_at = 0;
  bool gone = false;

  void on(rig& r) {
    for (std::size_t d = 0; d < r.drives.size(); ++d)
      r.drives[d]->set_rule([this, &r, d](const io::faulty_device::call& c) {
        if (++requests == cut_at) {
          gone = true;
          for (auto& other : r.drives) other->power_cut();
        }
        return d == 0 ? of_block(c) : io::fault::none;
      });
  }
  io::fault of_block(const io::faulty_device::call& c) {
    using request = io::faulty_device::request;
    for (auto s = c.at.n; s < c.at.n + c.count.n; ++s) {
      if (c.what == request::read && bad.contains(s)) return io::fault::fail;
      if (c.what == request::write || c.what == request::zero) bad.erase(s);
    }
    return io::fault::none;
  }
};

void find_block(rig& r, faults& f) {
  const auto wanted = old_block();
  bytes here(wanted.size());
  for (std::uint64_t s = 0; s + sectors <= r.media[0]->geometry().blocks.n && f.bad.empty(); s += sectors) {
    if (!r.ex.run(r.drives[0]->read(lba{s}, io::buffer(here))) || here != wanted) continue;
    for (std::uint64_t i = 0; i < sectors; ++i) f.bad.insert(s + i);
  }
}

void expect_old_new_or_error(rig& r, const guid& lun, const bytes& fresh, bool acknowledged) {
  bytes now(sectors * 512);
  const auto read = r.ex.run(r.array->device(lun)->read(lba{sector}, io::buffer(now)));
  if (!read) {
    ASSERT_FALSE(acknowledged) << "what was acknowledged cannot be read: " << read.error().message();
    return;
  }
  const auto old = old_block();
  for (std::size_t at = 0; at < now.size(); at += 512) {
    const auto same = [&](const bytes& as) { return std::memcmp(&as[at], &now[at], 512) == 0; };
    ASSERT_TRUE(same(fresh) || (same(old) && !acknowledged)) << "sector " << at / 512 << " of the block";
  }
}

void expect_the_rest(rig& r, const guid& lun, const bytes& all) {
  bytes one(512);
  for (std::uint64_t s = 0; s < size / 512; ++s) {
    if (s >= sector && s < sector + sectors) continue;
    ASSERT_TRUE(r.ex.run(r.array->device(lun)->read(lba{s}, io::buffer(one)))) << "sector " << s;
    ASSERT_EQ(std::memcmp(one.data(), &all[s * 512], 512), 0) << "sector " << s;
  }
}

rt::task<void> write_block(rig& r, guid lun, const bytes& what, bool& acknowledged) {
  const auto done = co_await r.array->device(lun)->write(lba{sector}, io::const_buffer(what), io::durability::fua);
  acknowledged = done.has_value();
}
rt::task<void> take_over(rig& r) { (void)co_await r.array->set_spare(r.drive_id(2), true); }

int cut_everywhere(std::uint64_t seed, bool written) {
  int cuts = 0;
  const bytes fresh(sectors * 512, std::byte{0x77});
  for (std::uint64_t at = 1;; ++at) {
    SCOPED_TRACE("cut at request " + std::to_string(at));
    rig r(3, 4 << 20, seed * 10'000 + at);
    faults f;
    const auto once = [&] {
      ASSERT_TRUE(r.boot());
      const auto lun = r.create_on(2, lun_type::mirror, size);
      ASSERT_TRUE(lun && r.fill(lun->id, 1));
      const guid id = lun->id;
      ASSERT_TRUE(r.ex.run(r.array->device(id)->write(lba{sector}, io::const_buffer(old_block()))));
      ASSERT_TRUE(r.ex.run(r.array->device(id)->flush()));
      const auto all = *r.read_all(id);
      find_block(r, f);
      ASSERT_EQ(f.bad.size(), sectors);
      ASSERT_TRUE(r.ex.run(r.array->fail_drive(r.drive_id(1))));
      f.cut_at = at;
      f.on(r);
      bool acknowledged = false;
      rt::start(take_over(r));
      if (written) rt::start(write_block(r, id, fresh, acknowledged));
      r.ex.run();
      if (!f.gone) {
        EXPECT_EQ(r.array->lun(id)->health, lun_health::healthy);
        for (auto& d : r.drives) d->power_cut();
      }
      r.end();
      f.cut_at = 0;
      const auto booted = r.boot();
      ASSERT_TRUE(booted) << booted.error().message();
      f.on(r);
      expect_old_new_or_error(r, id, fresh, acknowledged);
      r.ex.run();  // the spare, if it is one already, takes over what is left
      expect_old_new_or_error(r, id, fresh, acknowledged);
      expect_the_rest(r, id, all);
      check_extents(*r.array, r.extent_bytes);
      for (auto& d : r.drives) d->power_cut();
      r.end();
    };
    once();
    ++cuts;
    if (::testing::Test::HasFailure() || !f.gone) return cuts;
  }
}

void all_seeds(bool written) {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  const int seeds = text != nullptr ? std::atoi(text) : 1;
  int cuts = 0;
  for (int seed = 1; seed <= seeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    cuts += cut_everywhere(static_cast<std::uint64_t>(seed), written);
  }
  ::testing::Test::RecordProperty("cuts", cuts);
  EXPECT_GT(cuts, 10);
}

TEST(unreadable_cut, at_every_request_of_a_rebuild_that_meets_a_block_it_cannot_read) { all_seeds(false); }
TEST(unreadable_cut, at_every_request_of_one_whose_block_is_written_meanwhile) { all_seeds(true); }

}  // namespace
}  // namespace vds::array::testing
