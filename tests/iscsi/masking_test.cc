// What an initiator learns of a LUN that is not unmasked to it: nothing. Every command of the table and everything else
// that names a LUN answers for it as for a number that was never used, and so do commands on other LUNs that name it.
#include "iscsi/scsi/dispatch.h"
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

const std::string stranger = "iqn.2026-01.test:stranger";

struct masked : ::testing::Test {
  masked() : own(r.add_lun(0, {false, {stranger}})), secret(r.add_lun(7, {false, {"iqn.2026-01.test:owner"}})) {
    login_options o;
    o.initiator = stranger;
    i = r.log_in(o);
  }
  rig r;
  rig::device& own;
  rig::device& secret;
  std::unique_ptr<initiator> i;
};

bool same(const outcome& x, const outcome& y) {
  return x.status == y.status && x.data == y.data && x.sense == y.sense && x.residual_flags == y.residual_flags &&
         x.residual == y.residual;
}

TEST_F(masked, no_command_tells_a_masked_lun_from_none) {
  secret.medium.poke(lba{0}, bytes(512, std::byte{0x5a}));
  for (const operation& op : operations()) {
    std::vector<int> cdb(16);
    cdb[0] = op.code;
    if (op.service_action >= 0) cdb[1] = op.service_action;
    // Room for answers, lists and one block, wherever this CDB has its length.
    if (op.cdb_length == 6) cdb[4] = 1;
    if (op.cdb_length == 10) cdb[8] = 1;
    if (op.cdb_length == 12) cdb[9] = 64;
    if (op.cdb_length == 16) cdb[13] = 1;
    const bytes out = op.writes_medium ? bytes(512) : bytes();
    const auto here = r.run(i->run(7, cdb, out, out.empty() ? 512 : 0));
    const auto nowhere = r.run(i->run(8, cdb, out, out.empty() ? 512 : 0));
    EXPECT_TRUE(same(here, nowhere)) << op.name;
    EXPECT_TRUE(here.status != 0 || op.code == 0x12 || op.code == 0xa0 || op.code == 0x03) << op.name;
  }
  for (int code = 0; code < 256; ++code) {
    const std::vector<int> cdb{code, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0};
    EXPECT_TRUE(same(r.run(i->run(7, cdb, {}, 255)), r.run(i->run(8, cdb, {}, 255)))) << code;
  }
  EXPECT_EQ(secret.slow.begun, 0u);
}

TEST_F(masked, task_management_does_not_tell_either) {
  for (const auto f : {task_function::abort_task, task_function::abort_task_set, task_function::clear_task_set,
                       task_function::logical_unit_reset, task_function::clear_aca, task_function::task_reassign})
    EXPECT_EQ(r.run(i->manage(f, 7)), r.run(i->manage(f, 8))) << static_cast<int>(f);
  // A reset of the target does not reach what this initiator cannot see.
  login_options o;
  o.initiator = "iqn.2026-01.test:owner";
  auto owner = r.log_in(o);
  r.run(owner->clear_attentions(7));
  EXPECT_EQ(r.run(i->manage(task_function::target_warm_reset, 0)), 0);
  EXPECT_EQ(r.run(owner->run(7, {0, 0, 0, 0, 0, 0})).status, 0);
}

TEST_F(masked, report_luns_and_log_pages_count_only_what_is_shown) {
  const auto luns = r.run(i->run(0, {0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, {}, 256));
  EXPECT_EQ(luns.data.size(), 16u);
  secret.medium.poke(lba{0}, bytes(512));
  const auto log = r.run(i->run(0, {0x4d, 0, 0x59, 0, 0, 0, 0, 1, 0, 0}, {}, 256));
  EXPECT_EQ(log.status, 0);
}

// SAM-5 4.7.7: what does not fit into 14 bits has another form of address.
TEST_F(masked, numbers_beyond_flat_space_have_an_address_too) {
  const access mine{false, {stranger}};
  r.add_lun(255, mine), r.add_lun(256, mine), r.add_lun(16383, mine), r.add_lun(16384, mine);
  auto& far = r.add_lun(99999, mine);
  const auto luns = r.run(i->run(0, {0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, {}, 256));
  ASSERT_EQ(luns.status, 0);
  const std::vector<std::uint32_t> numbers = {0, 255, 256, 16383, 16384, 99999};
  ASSERT_EQ(luns.data.size(), 8 + 8 * numbers.size());
  for (std::size_t n = 0; n < numbers.size(); ++n) {
    lun_field told;
    std::memcpy(told.data(), &luns.data[8 + 8 * n], told.size());
    EXPECT_EQ(told, lun_address(numbers[n])) << numbers[n];
  }
  r.run(i->clear_attentions(99999));
  const auto data = pattern(512, 3);
  EXPECT_EQ(r.run(i->write(99999, 5, data, true)).status, 0);
  EXPECT_EQ(r.run(i->read(99999, 5, 1)).data, data);
  bytes there(512);
  far.medium.peek(lba{5}, there);
  EXPECT_EQ(there, data);
  EXPECT_EQ(r.run(i->manage(task_function::logical_unit_reset, 99999)), 0);
  EXPECT_NE(r.run(i->manage(task_function::logical_unit_reset, 100000)), 0);
  EXPECT_TRUE(
      same(r.run(i->run(100000, {0x12, 0, 0, 0, 96, 0}, {}, 96)), r.run(i->run(8, {0x12, 0, 0, 0, 96, 0}, {}, 96))));
}

// CVE-2020-28374, through a whole session.
TEST_F(masked, extended_copy_does_not_reach_it) {
  secret.medium.poke(lba{0}, bytes(512, std::byte{0x5a}));
  const auto copy = [&](std::uint8_t number, bool from_it) {
    bytes list(16 + 2 * 32 + 28);
    list[0] = std::byte{1};
    store(&list[2], be16(64));
    store(&list[8], be32(28));
    for (int t : {0, 1}) {
      std::byte* d = &list[16 + 32 * static_cast<std::size_t>(t)];
      d[0] = std::byte{0xe4};
      d[4] = std::byte{1};
      d[5] = std::byte{3};
      d[7] = std::byte{16};
      d[8] = std::byte{0x60};
      d[23] = static_cast<std::byte>(t == 0 ? 0 : number);
      d[30] = std::byte{2};
    }
    std::byte* s = &list[80];
    s[0] = std::byte{2};
    s[3] = std::byte{24};
    s[from_it ? 5 : 7] = std::byte{1};
    s[11] = std::byte{1};
    return r.run(i->run(0, {0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<int>(list.size()), 0, 0}, list));
  };
  for (const bool from_it : {true, false}) {
    EXPECT_TRUE(same(copy(7, from_it), copy(8, from_it)));
    EXPECT_EQ(copy(7, from_it).key(), 0xa);
  }
  bytes block(512);
  own.medium.peek(lba{0}, block);
  EXPECT_EQ(block, bytes(512));
  secret.medium.peek(lba{0}, block);
  EXPECT_EQ(block, bytes(512, std::byte{0x5a}));
  EXPECT_EQ(secret.slow.begun, 0u);
  // Unmasked, it can.
  EXPECT_TRUE(r.run(r.target.set_access(7, {true, {}})));
  r.run(i->clear_attentions(0));
  EXPECT_EQ(copy(7, true).status, 0);
}

// CVE-2024-8178: buffers that were answered had not been written.
TEST_F(masked, every_byte_of_every_answer_is_written_by_us) {
  for (const operation& op : operations()) {
    if (op.writes_medium) continue;
    std::vector<int> cdb(16);
    cdb[0] = op.code;
    if (op.service_action >= 0) cdb[1] = op.service_action;
    if (op.cdb_length == 6) cdb[4] = 255;
    if (op.cdb_length == 10) cdb[7] = cdb[8] = op.code == 0x28 ? 1 : 2;
    if (op.cdb_length == 12) cdb[8] = 2;
    if (op.cdb_length == 16) cdb[12] = 2;
    const auto once = r.run(i->run(0, cdb, {}, 4096)), again = r.run(i->run(0, cdb, {}, 4096));
    EXPECT_EQ(once.data, again.data) << op.name;
  }
}

// One unit attention for one change, to each nexus, once.
TEST_F(masked, a_change_is_told_once_to_each_nexus) {
  login_options o;
  o.initiator = stranger;
  o.isid[5] = 9;
  auto second = r.log_in(o);
  const std::vector<int> ready{0, 0, 0, 0, 0, 0};
  own.medium.resize(block_count{20000});
  EXPECT_TRUE(r.target.resized(0));
  r.ex().run_ready();
  for (initiator* each : {i.get(), second.get()}) {
    EXPECT_EQ(r.run(each->run(0, ready)).code(), 0x2a09);
    EXPECT_EQ(r.run(each->run(0, ready)).status, 0);
    const auto size = r.run(each->run(0, {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, {}, 32));
    EXPECT_EQ(std::uint64_t{load<be64>(size.data.data())}, 19999u);
  }
  EXPECT_TRUE(r.target.resized(0));  // nothing new
  r.ex().run_ready();
  EXPECT_EQ(r.run(i->run(0, ready)).status, 0);
  r.add_lun(3);
  for (initiator* each : {i.get(), second.get()}) {
    EXPECT_EQ(r.run(each->run(0, ready)).code(), 0x3f0e);
    EXPECT_EQ(r.run(each->run(0, ready)).status, 0);
  }
  r.add_lun(4, {false, {"iqn.2026-01.test:owner"}});  // not theirs: not told
  EXPECT_EQ(r.run(i->run(0, ready)).status, 0);
}

}  // namespace
}  // namespace vds::iscsi::testing
