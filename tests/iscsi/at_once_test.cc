// Commands that are done where they are received (session/immediate_commands.cc) against the same commands on the long
// way: LUN 0 is a device that has to be waited for, LUN 1 one that does everything at once. Nobody may be able to tell.
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

struct both_ways : ::testing::Test {
  both_ways() {
    waits = &r.add_lun(0, {true, {}}, blocks);
    quick = std::make_unique<io::memory_device>(r.ex(), "quick", block_size{512}, block_count{blocks});
    EXPECT_TRUE(r.target.publish(rig::description(1, *quick), {true, {}}));
  }
  ~both_ways() override { EXPECT_TRUE(r.ex().run(r.target.unpublish(1))); }

  std::unique_ptr<initiator> log_in(login_options o = {}) {
    auto i = r.log_in(o);
    r.run(i->clear_attentions(1));
    return i;
  }
  // The same on both; what each said.
  outcome same(initiator& i, std::vector<int> cdb, bytes out = {}, std::uint32_t in = 0) {
    const outcome a = r.run(i.run(0, cdb, out, in)), b = r.run(i.run(1, cdb, out, in));
    EXPECT_EQ(a.status, b.status) << "operation " << cdb[0];
    EXPECT_EQ(a.data, b.data) << "operation " << cdb[0];
    EXPECT_EQ(a.sense, b.sense) << "operation " << cdb[0];
    EXPECT_EQ(a.residual_flags, b.residual_flags) << "operation " << cdb[0];
    EXPECT_EQ(a.residual, b.residual) << "operation " << cdb[0];
    return b;
  }
  void same_media() {
    bytes a(blocks * 512), b(blocks * 512);
    EXPECT_TRUE(r.ex().run(waits->drive.flush()));
    waits->medium.peek(lba{0}, a);
    quick->peek(lba{0}, b);
    EXPECT_EQ(a, b);
  }

  static constexpr std::uint64_t blocks = 2048;
  rig r;
  rig::device* waits;
  std::unique_ptr<io::memory_device> quick;
};

std::vector<int> cdb10(int code, int flags, std::uint64_t at, std::size_t count) {
  return {code,
          flags,
          static_cast<int>(at >> 24 & 0xff),
          static_cast<int>(at >> 16 & 0xff),
          static_cast<int>(at >> 8 & 0xff),
          static_cast<int>(at & 0xff),
          0,
          static_cast<int>(count >> 8),
          static_cast<int>(count & 0xff),
          0};
}

TEST_F(both_ways, give_the_same_answers_and_leave_the_same_blocks) {
  seeded_random random(7);
  for (const bool digests : {false, true}) {
    login_options o;
    o.header_digest = o.data_digest = digests;
    o.initial_r2t = digests;
    o.max_recv = digests ? 5000 : 65536;
    auto i = log_in(o);
    for (int round = 0; round < 600; ++round) {
      const std::uint64_t at = random.below(blocks + 8);
      const std::size_t count = random.below(round % 7 == 0 ? 300 : 20);
      const int fua = random.below(4) == 0 ? 8 : 0;
      // Mostly what the CDB says; sometimes less or more is expected.
      std::size_t bytes_there = count * 512;
      if (random.below(6) == 0) bytes_there = random.below(12000);
      if (random.below(2) == 0)
        same(*i, cdb10(0x2a, fua, at, count), pattern(bytes_there, round));
      else
        same(*i, cdb10(0x28, fua, at, count), {}, static_cast<std::uint32_t>(bytes_there));
    }
    same_media();
  }
}

TEST_F(both_ways, hear_of_attentions_and_reservations) {
  auto i = log_in();
  login_options o;
  o.isid = {0x80, 9, 9, 9, 9, 9};
  auto other = log_in(o);
  const bytes data = pattern(4096, 1);
  EXPECT_EQ(same(*other, {0x16, 0, 0, 0, 0, 0}).status, 0);  // RESERVE(6)
  EXPECT_EQ(same(*i, cdb10(0x2a, 0, 0, 8), data).status, 0x18);
  EXPECT_EQ(same(*i, cdb10(0x28, 0, 0, 8), {}, 4096).status, 0x18);
  EXPECT_EQ(same(*other, {0x17, 0, 0, 0, 0, 0}).status, 0);
  EXPECT_EQ(same(*i, cdb10(0x2a, 0, 0, 8), data).status, 0);
  for (const std::uint16_t lun : {0, 1}) EXPECT_EQ(r.run(other->manage(task_function::logical_unit_reset, lun)), 0);
  EXPECT_EQ(same(*i, cdb10(0x28, 0, 0, 8), {}, 4096).status, 2) << "reset, by a unit attention";
  EXPECT_EQ(same(*i, cdb10(0x28, 0, 0, 8), {}, 4096).data, data) << "once";
}

TEST_F(both_ways, take_many_commands_in_one_stroke) {
  for (const bool digests : {false, true}) {
    login_options o;
    o.header_digest = o.data_digest = digests;
    o.initial_r2t = true;  // all of it immediate
    auto i = log_in(o);
    std::vector<std::uint32_t> tags;
    for (std::size_t n = 0; n < 100; ++n)  // more than the small buffer of a connection, and than one stroke
      tags.push_back(r.run(i->begin(n % 2 == 0 ? 1 : 0, cdb10(0x2a, 0, 8 * n, 8), pattern(4096, static_cast<int>(n)))));
    for (const auto tag : tags) EXPECT_EQ(r.run(i->finish(tag)).status, 0);
    tags.clear();
    for (std::size_t n = 0; n < 100; ++n)
      tags.push_back(r.run(i->begin(n % 2 == 0 ? 1 : 0, cdb10(0x28, 0, 8 * n, 8), {}, 4096)));
    for (std::size_t n = 0; n < 100; ++n)
      EXPECT_EQ(r.run(i->finish(tags[n])).data, pattern(4096, static_cast<int>(n))) << n;
  }
}

TEST_F(both_ways, wait_behind_what_they_overlap) {
  login_options o;
  o.initial_r2t = true;  // the write is there with all of its data before the read comes
  auto i = log_in(o);
  waits->slow.stall([](stalling_device::request what) { return what == stalling_device::request::write; });
  const auto first = r.run(i->begin(0, cdb10(0x2a, 0, 4, 8), pattern(4096, 1)));
  const auto second = r.run(i->begin(0, cdb10(0x28, 0, 8, 8), {}, 4096));
  EXPECT_EQ(r.run(i->write(1, 8, pattern(4096, 2))).status, 0) << "another LUN does not wait";
  waits->slow.let_go();
  EXPECT_EQ(r.run(i->finish(first)).status, 0);
  const bytes written = pattern(4096, 1), back = r.run(i->finish(second)).data;
  EXPECT_TRUE(std::equal(written.begin() + 2048, written.end(), back.begin()));
}

}  // namespace
}  // namespace vds::iscsi::testing
