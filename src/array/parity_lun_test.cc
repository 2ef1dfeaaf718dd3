// LUNs with parity on drives that fail: compared, byte by byte, with a plain copy in memory.
#include <gtest/gtest.h>

#include "array/engine/lun_device.h"
#include "array/engine/parity.h"
#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

struct level {
  lun_type type;
  std::size_t drives;
  unsigned tolerates;
  unsigned plexes = 0;
};
const level levels[] = {{lun_type::parity, 3, 1}, {lun_type::parity, 5, 1}, {lun_type::raid6, 4, 2},
                        {lun_type::raid6, 6, 2},  {lun_type::raid10, 4, 1}, {lun_type::raid10, 6, 2, 3},
                        {lun_type::raid50, 6, 1}, {lun_type::raid60, 8, 2}};

// A LUN and what it should hold.
struct pair {
  rig r;
  guid id;
  std::vector<std::byte> model;

  pair(const level& l, std::uint64_t seed, std::uint64_t bytes = 700 * 1024, std::uint32_t stripe = 16384,
       bool checksums = true)
      : r(l.drives, 8 << 20, seed) {
    r.checksums = checksums;
    EXPECT_TRUE(r.boot());
    lun_spec s;
    s.type = l.type;
    s.size = byte_count{bytes};
    s.plexes = l.plexes;
    s.stripe_bytes = stripe;
    auto lun = r.ex.run(r.array->create_lun(s));
    EXPECT_TRUE(lun) << lun.error().message();
    id = lun->id;
    EXPECT_EQ(lun->type, l.type);
    model.resize(lun->size.n);
    EXPECT_EQ(lun->survives_drive_losses, l.tolerates);
  }
  engine::lun_device& device() { return dynamic_cast<engine::lun_device&>(*r.array->device(id)); }
  rt::task<status> write(std::uint64_t at, std::uint64_t bytes, bool zeros) {
    std::vector<std::byte> data(bytes);
    if (!zeros) r.random.fill(data);
    std::memcpy(model.data() + at, data.data(), bytes);
    auto* d = r.array->device(id);
    if (zeros)
      co_return co_await d->write_zeroes(lba{at / 512}, block_count{bytes / 512}, true, io::durability::cached);
    co_return co_await d->write(lba{at / 512}, io::const_buffer(data));
  }
  void some_writes(int count) {
    for (int i = 0; i < count; ++i) {
      const std::uint64_t kinds[] = {1, 8, 8, 32, 64, 200, 400};
      const std::uint64_t blocks = std::min<std::uint64_t>(kinds[r.random.below(7)], model.size() / 512);
      std::uint64_t at = r.random.below(model.size() / 512 - blocks + 1);
      if (r.random.below(2) == 0) at = at / 64 * 64;
      auto s = r.ex.run(write(at * 512, blocks * 512, r.random.below(8) == 0));
      ASSERT_TRUE(s) << s.error().message();
    }
  }
  void check() {
    auto bytes = r.read_all(id);
    ASSERT_TRUE(bytes) << bytes.error().message();
    ASSERT_TRUE(*bytes == model);
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t blocks = 1 + r.random.below(100), at = r.random.below(model.size() / 512 - blocks + 1);
      std::vector<std::byte> part(blocks * 512);
      ASSERT_TRUE(r.ex.run(r.array->device(id)->read(lba{at}, io::buffer(part))));
      ASSERT_EQ(std::memcmp(part.data(), model.data() + at * 512, part.size()), 0);
    }
  }
  engine::check_report scrub(bool repair) {
    engine::check_report all;
    for (const auto& g : device().groups()) {
      for (std::uint32_t o = 0; o < g->shape().extents(); ++o) {
        auto one = r.ex.run(g->verify_extent(o, repair));
        EXPECT_TRUE(one);
        if (one) all.add(*one);
      }
    }
    return all;
  }
};

std::string name_of(const level& l) { return std::string(to_string(l.type)) + " on " + std::to_string(l.drives); }

TEST(parity_lun, holds_what_was_written_and_its_parity_fits) {
  for (const auto& l : levels) {
    SCOPED_TRACE(name_of(l));
    pair p(l, 11);
    EXPECT_TRUE(p.r.reads_zeros(p.id));
    p.some_writes(60);
    p.check();
    const auto report = p.scrub(false);
    EXPECT_EQ(report.mismatched, 0U);
    EXPECT_GT(report.bytes, p.model.size());
    EXPECT_EQ(p.r.array->lun(p.id)->health, lun_health::healthy);
    ASSERT_TRUE(p.r.shut_down());
    ASSERT_TRUE(p.r.boot());
    p.check();
    EXPECT_EQ(p.scrub(false).mismatched, 0U);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(parity_lun, loses_drives_one_after_the_other_and_goes_on) {
  for (const auto& l : levels) {
    for (std::size_t first = 0; first < l.drives; ++first) {
      SCOPED_TRACE(name_of(l) + ", drive " + std::to_string(first));
      pair p(l, 20 + first);
      p.some_writes(20);
      for (unsigned lost = 0; lost < l.tolerates; ++lost) {
        p.r.drives[(first + lost) % l.drives]->vanish();
        p.some_writes(20);
        p.check();
        EXPECT_EQ(p.r.array->lun(p.id)->health, lun_health::degraded);
        EXPECT_GE(p.r.array->lun(p.id)->survives_drive_losses, l.tolerates - lost - 1);  // more, in another group
      }
      std::vector<std::size_t> rest;
      for (std::size_t i = 0; i < l.drives; ++i)
        if ((i + l.drives - first) % l.drives >= l.tolerates) rest.push_back(i);
      ASSERT_TRUE(p.r.shut_down());
      ASSERT_TRUE(p.r.boot(rest));
      p.check();
      p.some_writes(10);
      p.check();
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(parity_lun, one_loss_more_is_an_honest_error) {
  for (const auto& l : levels) {
    if (l.type != lun_type::parity && l.type != lun_type::raid6) continue;
    SCOPED_TRACE(name_of(l));
    pair p(l, 31);
    p.some_writes(10);
    for (unsigned lost = 0; lost <= l.tolerates; ++lost) p.r.drives[lost]->vanish();
    auto* d = p.r.array->device(p.id);
    std::vector<std::byte> bytes(p.model.size());
    EXPECT_FALSE(p.r.ex.run(d->read(lba{0}, io::buffer(bytes))));
    EXPECT_FALSE(p.r.ex.run(d->write(lba{0}, io::const_buffer(bytes))));
    EXPECT_EQ(p.r.array->lun(p.id)->health, lun_health::failed);
  }
}

TEST(parity_lun, rewrites_what_a_drive_cannot_read) {
  for (const auto& l : levels) {
    if (l.type == lun_type::raid10) continue;
    SCOPED_TRACE(name_of(l));
    pair p(l, 41);
    p.some_writes(30);
    std::uint64_t failing = 0, budget = 5;
    p.r.drives[1]->set_rule([&](const io::faulty_device::call& c) {
      if (c.what != io::faulty_device::request::read || budget == 0) return io::fault::none;
      --budget;
      ++failing;
      return io::fault::fail;
    });
    p.check();
    EXPECT_GT(failing, 0U);
    budget = 3;
    p.some_writes(20);
    p.check();
    EXPECT_EQ(p.r.state(1), drive_state::online);
    EXPECT_EQ(p.r.array->lun(p.id)->health, lun_health::healthy);
    EXPECT_EQ(p.scrub(false).mismatched, 0U);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(parity_lun, a_write_that_a_drive_refuses_costs_the_drive_and_nothing_else) {
  for (const auto& l : levels) {
    SCOPED_TRACE(name_of(l));
    for (const std::uint64_t nth : {1U, 2U, 3U, 4U, 5U, 8U, 13U}) {
      pair p(l, 51 + nth);
      p.some_writes(5);
      std::uint64_t writes = 0;
      p.r.drives[0]->set_rule([&](const io::faulty_device::call& c) {
        if (c.what == io::faulty_device::request::read) return io::fault::none;
        return ++writes == nth ? io::fault::fail : io::fault::none;
      });
      p.some_writes(20);
      p.check();
      ASSERT_TRUE(p.r.shut_down());
      ASSERT_TRUE(p.r.boot());
      p.check();
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(parity_lun, scrubbing_finds_what_differs_and_two_parities_say_who_lies) {
  for (const auto& l : levels) {
    SCOPED_TRACE(name_of(l));
    pair p(l, 61, 700 * 1024, 16384, false);  // with checksums a lie is not read at all: checksum_test.cc
    p.some_writes(30);
    ASSERT_TRUE(p.r.ex.run(p.r.array->device(p.id)->flush()));
    ASSERT_TRUE(p.r.shut_down());
    // One byte in the data area of one drive.
    ASSERT_TRUE(p.r.boot());
    const auto info = p.r.array->lun(p.id);
    const auto& e = info->plexes[0].extents[0];
    std::size_t liar = 0;
    for (std::size_t i = 0; i < l.drives; ++i)
      if (p.r.drive_id(i) == e.drive) liar = i;
    std::vector<std::byte> sector(512);
    p.r.media[liar]->peek(lba{e.offset.n / 512 + 3}, sector);
    sector[5] ^= std::byte{0x10};
    p.r.media[liar]->poke(lba{e.offset.n / 512 + 3}, sector);
    auto report = p.scrub(true);
    EXPECT_GT(report.mismatched, 0U);
    EXPECT_GT(report.repaired, 0U);
    if (l.tolerates == 2) {
      EXPECT_EQ(report.suspects.size(), 1U);
      p.check();
    }
    EXPECT_EQ(p.scrub(true).mismatched, 0U);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(parity_lun, an_extent_is_rebuilt_elsewhere_while_it_is_written) {
  for (const auto& l : levels) {
    SCOPED_TRACE(name_of(l));
    pair p(l, 71);
    p.some_writes(20);
    p.r.add_medium(8 << 20);
    auto joined = p.r.ex.run(p.r.array->add_drive(p.r.open(l.drives), {.zeroed = true}));
    ASSERT_TRUE(joined);
    const auto slot = joined->slot;
    auto& device = p.device();
    auto& g = *device.groups()[0];
    p.r.drives[0]->vanish();  // the first member of the first group, or another's
    p.some_writes(5);
    std::size_t member = g.shape().members.size();
    for (std::size_t m = 0; m < g.shape().members.size(); ++m)
      if (!g.works(m)) member = m;
    if (member == g.shape().members.size()) continue;
    auto next = std::make_shared<format::lun_record>(device.record());
    const auto where = layout::place_of_member(l.type, g.shape().members.size(), 0, member);
    auto& column = next->plexes[where.plex].columns[where.column];
    std::uint32_t at = 40;  // free there: nothing else is
    column = {{slot, at, static_cast<std::uint32_t>(g.shape().extents())}};
    for (std::uint32_t o = 0; o < g.shape().extents(); ++o) {
      std::optional<status> done;
      rt::start([](engine::group& grp, std::size_t m, std::uint32_t ord, layout::extent_place to,
                   std::optional<status>& out) -> rt::task<void> {
        out = co_await grp.rebuild_extent(m, ord, to);
      }(g, member, o, {slot, at + o}, done));
      p.some_writes(3);
      p.r.ex.run();
      ASSERT_TRUE(done.has_value());
      ASSERT_TRUE(*done) << done->error().message();
      p.some_writes(2);
    }
    device.set_record(next);
    p.r.ex.run(device.settle());
    EXPECT_TRUE(g.works(member));
    p.check();
    EXPECT_EQ(p.scrub(false).mismatched, 0U);
    if (::testing::Test::HasFailure()) return;
    p.r.power_cut();  // the record was never written: nothing to shut down
  }
}

TEST(parity_lun, full_rows_read_nothing_also_when_they_arrive_in_parts) {
  pair p({lun_type::parity, 5, 1}, 81, 1 << 20);
  auto& g = dynamic_cast<engine::parity&>(*p.device().groups()[0]);
  std::uint64_t reads = 0;
  for (auto& d : p.r.drives)
    d->set_rule([&](const io::faulty_device::call& c) {
      reads += c.what == io::faulty_device::request::read ? 1 : 0;
      return io::fault::none;
    });
  ASSERT_TRUE(p.r.ex.run(p.write(0, 256 * 1024, false)));
  EXPECT_EQ(reads, 0U);
  EXPECT_EQ(g.count().full_rows, 4U);
  std::vector<status> answers;
  for (std::uint64_t i = 0; i < 8; ++i)
    rt::start([](pair& q, std::uint64_t at, std::vector<status>& out) -> rt::task<void> {
      auto s = co_await q.write(at, 8192, false);
      out.push_back(s);
    }(p, 65536 + i * 8192, answers));
  p.r.ex.run();
  ASSERT_EQ(answers.size(), 8U);
  for (const auto& s : answers) EXPECT_TRUE(s);
  EXPECT_EQ(reads, 0U);
  p.check();
}

TEST(parity_lun, small_writes_read_as_little_as_they_can) {
  pair p({lun_type::parity, 5, 1}, 91, 1 << 20);
  std::uint64_t reads = 0;
  for (auto& d : p.r.drives)
    d->set_rule([&](const io::faulty_device::call& c) {
      reads += c.what == io::faulty_device::request::read ? 1 : 0;
      return io::fault::none;
    });
  ASSERT_TRUE(p.r.ex.run(p.write(4096, 4096, false)));  // old data, old parity
  EXPECT_EQ(reads, 2U);
  reads = 0;
  ASSERT_TRUE(p.r.ex.run(p.write(65536, 3 * 16384, false)));  // the fourth column
  EXPECT_EQ(reads, 1U);
}

}  // namespace
}  // namespace vds::array::testing
