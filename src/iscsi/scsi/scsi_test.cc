#include <fmt/format.h>

#include <cctype>
#include <fstream>

#include "iscsi/scsi/testing/unit.h"

namespace vds::iscsi {
namespace {

using testing::unit;

TEST_F(unit, every_row_of_the_table_is_reported_with_its_own_cdb) {
  ready();
  const auto& all = run(a, {0xa3, 0x0c, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}).reply;
  const auto there = static_cast<std::size_t>(
      std::count_if(operations().begin(), operations().end(), [&](const operation& op) { return exists_on(op, *l); }));
  ASSERT_EQ(all.size(), 4 + 8 * there);
  for (const operation& op : operations()) {
    if (!exists_on(op, *l)) continue;
    const bool has_action = op.service_action >= 0;
    const auto& one =
        run(a, {0xa3, 0x0c, has_action ? 2 : 1, op.code, 0, has_action ? op.service_action : 0, 0, 0, 255, 255, 0, 0})
            .reply;
    ASSERT_EQ(one.size(), 4u + op.cdb_length) << op.name;
    EXPECT_EQ(std::to_integer<int>(one[1]), 3) << op.name;
    EXPECT_EQ(std::to_integer<int>(one[4]), op.code) << op.name;
  }
}

TEST_F(unit, the_documented_commands_are_those_of_the_table) {
  std::ifstream page(VDS_SOURCE_DIR "/docs/iscsi.md");
  std::vector<std::string> documented, ours;
  for (std::string line; std::getline(page, line);)
    if (line.size() > 6 && line.starts_with("| ") && std::isxdigit(line[2]) != 0 && std::isxdigit(line[3]) != 0 &&
        line[4] == 'h')
      documented.push_back(line.substr(0, line.rfind(" | ") + 2));
  for (const operation& op : operations()) {
    const std::string action = op.service_action < 0 ? "" : fmt::format("/{:02X}h", op.service_action);
    ours.push_back(fmt::format("| {:02X}h{} | {} |", op.code, action, op.name));
  }
  EXPECT_EQ(documented, ours);
}

TEST_F(unit, what_is_not_in_the_table_does_not_exist) {
  ready();
  EXPECT_EQ(run(a, {0xff}).problem->code, senses::invalid_opcode);
  EXPECT_EQ(run(a, {0x9e, 0x1f}).problem->code, senses::invalid_field_in_cdb);
  EXPECT_EQ(run(a, {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0x04}).problem->code, senses::invalid_field_in_cdb);  // NACA
}

TEST_F(unit, identity_is_as_published) {
  run(a, {0x12, 1, 0x80, 1, 0, 0});
  EXPECT_EQ(text(4, 8), "SERIAL-1");
  const auto& id = run(a, {0x12, 1, 0x83, 1, 0, 0}).reply;
  EXPECT_EQ(std::to_integer<int>(id[4]), 1);
  EXPECT_EQ(std::to_integer<int>(id[5]), 3);
  EXPECT_EQ(std::to_integer<int>(id[7]), 8);
  EXPECT_EQ(std::to_integer<int>(id[8]), 0x50);
  EXPECT_EQ(std::to_integer<int>(id[15]), 5);
}

TEST_F(unit, places_beyond_the_end_are_refused_however_they_are_written) {
  ready();
  for (const auto& cdb :
       std::vector<std::vector<int>>{{0x08, 0, 3, 0xe8, 1, 0},
                                     {0x28, 0, 0, 0, 3, 0xe7, 0, 0, 2, 0},
                                     {0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0},
                                     {0xa8, 0, 0, 0, 3, 0xe8, 0, 0, 0, 1, 0, 0},
                                     {0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 0}})
    EXPECT_EQ(run(a, cdb).problem->code, senses::lba_out_of_range);
}

TEST_F(unit, compare_and_write_writes_only_what_compares_equal) {
  ready();
  std::vector<std::byte> both(1024);
  std::fill(both.begin() + 512, both.end(), std::byte{1});
  EXPECT_EQ(run(a, {0x89, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0}, both).status, scsi_status::good);
  const auto& no = run(a, {0x89, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0}, both);
  EXPECT_EQ(no.problem->key, sense_key::miscompare);
  EXPECT_EQ(no.problem->information, 0u);
}

TEST_F(unit, a_persistent_reservation_keeps_others_out_until_it_is_preempted) {
  ready();
  auto out = [&](nexus& n, int action, int key, int action_key, int type) {
    std::vector<std::byte> list(24);
    list[7] = static_cast<std::byte>(key);
    list[15] = static_cast<std::byte>(action_key);
    return run(n, {0x5f, action, type, 0, 0, 0, 0, 0, 24, 0}, list).status;
  };
  const std::vector<int> write{0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0};
  const std::vector<std::byte> block(512);
  EXPECT_EQ(out(a, 1, 1, 0, 1), scsi_status::reservation_conflict);  // not registered
  EXPECT_EQ(out(a, 0, 0, 1, 0), scsi_status::good);
  EXPECT_EQ(out(a, 1, 1, 0, 1), scsi_status::good);
  EXPECT_EQ(run(b, write, block).status, scsi_status::reservation_conflict);
  EXPECT_EQ(run(b, {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}).status, scsi_status::good);
  EXPECT_EQ(out(b, 0, 0, 2, 0), scsi_status::good);
  EXPECT_EQ(run(b, write, block).status, scsi_status::reservation_conflict);
  EXPECT_EQ(out(b, 4, 2, 1, 3), scsi_status::good);
  EXPECT_EQ(run(b, write, block).status, scsi_status::good);
  EXPECT_EQ(run(a, write, block).problem->code, senses::registrations_preempted);
  EXPECT_EQ(run(a, write, block).status, scsi_status::reservation_conflict);
}

TEST(range_lock, writers_exclude_and_readers_share_in_order_of_asking) {
  rt::manual_executor ex;
  range_lock lock(ex);
  std::vector<int> order;
  auto user = [](range_lock& l, rt::executor& e, std::vector<int>& o, int name, lba at, block_count n,
                 bool exclusive) -> rt::task<void> {
    range_lock::held h(l, at, n, exclusive);
    co_await h;
    o.push_back(name);
    co_await e.turn();
    co_await e.turn();
    o.push_back(-name);
  };
  rt::start(user(lock, ex, order, 1, lba{0}, block_count{10}, false));
  rt::start(user(lock, ex, order, 2, lba{5}, block_count{10}, false));
  rt::start(user(lock, ex, order, 3, lba{9}, block_count{1}, true));
  rt::start(user(lock, ex, order, 4, lba{9}, block_count{1}, false));
  rt::start(user(lock, ex, order, 5, lba{20}, block_count{1}, true));
  ex.run_ready();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 5, -1, -2, -5, 3, -3, 4, -4}));
}

}  // namespace
}  // namespace vds::iscsi
