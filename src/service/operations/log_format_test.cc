#include "service/operations/log_format.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "service/operations/operation_log.h"
#include "service/testing/scene.h"

namespace vds::service {
namespace {

using log_format::change;
using testing::temporary_directory;

change begun(int n) {
  change c;
  c.kind = change::what::begin;
  c.record.id = name_guid(guid{{1}}, std::to_string(n));
  c.record.kind = "create_lun";
  c.record.provider = guid{{2}};
  c.record.object = guid{{3}};
  c.record.object_type = VDS_OT_SUB_SYSTEM;
  c.record.type = VDS_ASYNCOUT_CREATELUN;
  c.record.owner = "uid 1000 (anna), pid 4711";
  c.record.begun_ns = 1000 + static_cast<std::uint64_t>(n);
  return c;
}

change ended(int n) {
  change c = begun(n);
  c.kind = change::what::end;
  c.record.ended_ns = 2000;
  c.record.result = VDS_E_RETRY;
  c.record.output = guid{{9}};
  return c;
}

codec::bytes payload_of(const std::vector<change>& changes) {
  codec::bytes out;
  for (const change& c : changes) log_format::append(out, c);
  return out;
}

// Batches of one begin each, in an area; each of one block.
std::vector<std::byte> area_of(std::uint64_t first, int batches, std::size_t blocks = 8) {
  std::vector<std::byte> area(blocks * log_format::block);
  for (int i = 0; i < batches; ++i) {
    const auto payload = payload_of({begun(i)});
    log_format::encode_batch(
        7, first + static_cast<std::uint64_t>(i), payload,
        std::span(area).subspan(static_cast<std::size_t>(i) * log_format::block, log_format::block));
  }
  return area;
}

TEST(operations_log, changes_come_back_as_they_went) {
  change dropped;
  dropped.kind = change::what::drop;
  dropped.record.id = guid{{8}};
  const auto read = log_format::read_changes(payload_of({begun(1), ended(1), dropped}));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ((*read)[0].record.owner, "uid 1000 (anna), pid 4711");
  EXPECT_EQ((*read)[0].record.object_type, VDS_OT_SUB_SYSTEM);
  EXPECT_EQ((*read)[0].record.begun_ns, 1001u);
  EXPECT_EQ((*read)[1].record.result, VDS_E_RETRY);
  EXPECT_EQ((*read)[1].record.output, guid{{9}});
  EXPECT_EQ((*read)[2].kind, change::what::drop);
  EXPECT_EQ((*read)[2].record.id, guid{{8}});
}

TEST(operations_log, a_payload_cut_off_anywhere_is_refused_or_is_a_prefix) {
  const auto whole = payload_of({begun(1), ended(1), begun(2)});
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const auto read = log_format::read_changes(std::span(whole).first(cut));
    if (read) {
      EXPECT_LT(read->size(), 3u);
    }
  }
}

TEST(operations_log, after_a_tear_at_any_byte_of_the_newest_batch_the_ones_before_remain) {
  const auto whole = area_of(10, 4);
  for (std::size_t torn = 0; torn < log_format::block; torn += 7) {
    auto area = whole;
    const auto at =
        area.begin() + 3 * static_cast<std::ptrdiff_t>(log_format::block) + static_cast<std::ptrdiff_t>(torn);
    std::fill(at, area.begin() + 4 * static_cast<std::ptrdiff_t>(log_format::block), std::byte{0});
    const auto seen = log_format::scan(area, 7, 0);
    ASSERT_FALSE(seen.damaged);
    // Torn in the padding behind it, where there are zeros already, it is whole.
    ASSERT_GE(seen.batches.size(), 3u);
    EXPECT_EQ(seen.batches[2].sequence, 12u);
  }
}

TEST(operations_log, damage_before_newer_batches_is_told_from_a_torn_end) {
  auto area = area_of(10, 4);
  area[log_format::block + 100] ^= std::byte{1};
  EXPECT_TRUE(log_format::scan(area, 7, 0).damaged);
  EXPECT_TRUE(log_format::scan(area, 7, 12).damaged);
  EXPECT_FALSE(log_format::scan(area, 7, 13).damaged) << "what is behind was applied: it is of an earlier round";
}

TEST(operations_log, what_an_earlier_round_left_behind_the_end_is_not_read) {
  auto area = area_of(10, 6);
  const auto newer = area_of(100, 2);
  std::copy_n(newer.begin(), 2 * log_format::block, area.begin());
  const auto seen = log_format::scan(area, 7, 15);
  EXPECT_FALSE(seen.damaged);
  ASSERT_EQ(seen.batches.size(), 2u);
  EXPECT_EQ(seen.batches[1].sequence, 101u);
}

TEST(operations_log, batches_of_another_log_are_not_read) {
  EXPECT_TRUE(log_format::scan(area_of(1, 3), 8, 0).batches.empty());
}

TEST(operations_log, a_file_of_another_history_is_refused) {
  temporary_directory dir;
  const std::string path = dir.path() + "/log";
  operation_log::found found;
  std::uint64_t id;
  {
    auto log = operation_log::open(path, 16 << 10, {}, found);
    ASSERT_TRUE(log);
    id = (*log)->id();
    ASSERT_TRUE((*log)->append(1, payload_of({begun(1)})));
  }
  EXPECT_EQ(operation_log::open(path, 16 << 10, {id + 2, 5}, found).error().code(), errc::corrupt);
  ASSERT_TRUE(operation_log::open(path, 16 << 10, {id, 0}, found));
  EXPECT_EQ(found.changes.size(), 1u);
  EXPECT_EQ(found.last, 1u);
  ASSERT_TRUE(operation_log::open(path, 16 << 10, {id, 1}, found));
  EXPECT_TRUE(found.changes.empty());
}

TEST(operations_log, a_file_that_is_none_one_cut_short_and_one_of_a_later_version_are_refused) {
  temporary_directory dir;
  operation_log::found found;
  const std::string path = dir.path() + "/log";
  std::ofstream(path) << std::string(100, 'x');
  EXPECT_EQ(operation_log::open(path, 16 << 10, {}, found).error().code(), errc::corrupt);
  std::ofstream(path) << std::string(100'000, 'x');
  EXPECT_EQ(operation_log::open(path, 16 << 10, {}, found).error().code(), errc::corrupt);
  std::filesystem::remove(path);
  ASSERT_TRUE(operation_log::open(path, 16 << 10, {}, found));
  std::filesystem::resize_file(path, 20'000);
  EXPECT_EQ(operation_log::open(path, 16 << 10, {}, found).error().code(), errc::corrupt);
}

}  // namespace
}  // namespace vds::service
