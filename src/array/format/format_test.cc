#include <gtest/gtest.h>

#include "array/assembly/config.h"
#include "array/format/batch.h"
#include "array/format/intent_block.h"
#include "array/format/records.h"
#include "array/format/stripe_batch.h"
#include "base/random.h"

namespace vds::array::format {
namespace {

superblock example(std::uint64_t bytes = 64 << 20) {
  auto sb = *plan_drive(bytes, 512, 1 << 20, false);
  sb.array_id = guid{{1}};
  sb.drive_id = guid{{2}};
  sb.generation = 7;
  sb.epoch = 3;
  return sb;
}

std::array<std::byte, 4096> encoded(const superblock& sb, std::uint64_t place) {
  std::array<std::byte, 4096> raw;
  encode(sb, place, raw);
  return raw;
}

TEST(superblock, reads_back_what_was_written) {
  for (const std::uint64_t bytes : {std::uint64_t{8} << 20, std::uint64_t{1} << 30, std::uint64_t{16} << 40}) {
    const auto sb = example(bytes);
    for (const auto place : superblock_places(bytes)) EXPECT_EQ(*decode_superblock(encoded(sb, place), place), sb);
  }
}

TEST(superblock, every_flipped_bit_is_noticed) {
  const auto raw = encoded(example(), 0);
  for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
    auto bad = raw;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    ASSERT_FALSE(decode_superblock(bad, 0)) << bit;
  }
}

TEST(superblock, in_another_place_or_of_a_later_version_is_refused) {
  const auto raw = encoded(example(), 0);
  EXPECT_EQ(decode_superblock(raw, 65536).error().code(), errc::corrupt);
  auto later = raw;
  store<le16>(later.data() + 8, std::uint16_t{2});
  store<le32>(later.data() + 12, std::uint32_t{0});
  EXPECT_EQ(decode_superblock(later, 0).error().code(), errc::bad_checksum);
  EXPECT_EQ(decode_superblock(std::array<std::byte, 4096>{}, 0).error().code(), errc::not_ours);
}

TEST(superblock, a_drive_too_small_for_one_extent_is_refused) {
  EXPECT_EQ(plan_drive(1 << 20, 512, 1 << 20, false).error().code(), errc::no_space);
  EXPECT_EQ(plan_drive(0, 512, 1 << 20, false).error().code(), errc::no_space);
}

TEST(intent_block, reads_back_and_notices_damage_and_misplacement) {
  intent_image bits{};
  bits[4] = 0x81;
  std::array<std::byte, 4096> raw;
  encode(bits, guid{{2}}, 8192, raw);
  EXPECT_EQ(*decode_intent(raw, guid{{2}}, 8192), bits);
  EXPECT_FALSE(decode_intent(raw, guid{{3}}, 8192));
  EXPECT_FALSE(decode_intent(raw, guid{{2}}, 4096));
  raw[100] ^= std::byte{1};
  EXPECT_FALSE(decode_intent(raw, guid{{2}}, 8192));
}

// An area of n batches behind a seal, each with one byte of payload.
std::vector<std::byte> area_of(std::size_t n, std::uint64_t place = 0, std::uint64_t cycle = 1) {
  std::vector<std::byte> area(32 * format_block);
  batch_header h;
  h.array_id = guid{{1}};
  h.cycle = cycle;
  h.epoch = 1;
  for (std::size_t i = 0; i < n; ++i) {
    h.place = place + i * format_block;
    h.index = i;
    h.sequence = 100 * cycle + i;
    h.flags = i == 0 ? static_cast<std::uint32_t>(seal) : 0;
    const std::byte payload[] = {static_cast<std::byte>(i)};
    const auto b = encode_batch(h, payload, h.previous_crc);
    std::copy(b.span().begin(), b.span().end(), area.begin() + static_cast<std::ptrdiff_t>(i * format_block));
  }
  return area;
}

TEST(area, cut_anywhere_a_prefix_of_history_remains) {
  const auto whole = area_of(5);
  for (std::size_t cut = 0; cut <= 6 * format_block; cut += 64) {
    auto area = whole;
    std::fill(area.begin() + static_cast<std::ptrdiff_t>(cut), area.end(), std::byte{0});
    const auto scan = scan_area(area, guid{{1}}, 0);
    // A batch ends with zeros of padding, so one cut behind its payload is whole.
    ASSERT_LE(scan.payloads.size(), 5U);
    ASSERT_GE(scan.payloads.size(), std::min<std::size_t>(5, cut / format_block));
    ASSERT_EQ(scan.sealed, !scan.payloads.empty());
    if (scan.sealed) {
      ASSERT_EQ(scan.last.sequence, 100 + scan.payloads.size() - 1);
    }
  }
}

TEST(area, damage_in_the_middle_is_told_from_a_torn_end) {
  auto area = area_of(5);
  area[2 * format_block + 200] ^= std::byte{1};
  const auto scan = scan_area(area, guid{{1}}, 0);
  EXPECT_EQ(scan.last.sequence, 101U);
  EXPECT_EQ(scan.newest->sequence, 104U);  // proof that more was known
}

TEST(area, what_an_earlier_cycle_left_is_not_history) {
  auto area = area_of(6, 0, 1);
  const auto newer = area_of(2, 0, 3);
  std::copy_n(newer.begin(), 2 * format_block, area.begin());
  const auto scan = scan_area(area, guid{{1}}, 0);
  EXPECT_EQ(scan.payloads.size(), 2U);
  EXPECT_EQ(scan.last.sequence, 301U);
  EXPECT_EQ(scan.newest->sequence, 301U);
}

TEST(area, of_another_array_or_place_is_empty) {
  const auto area = area_of(3, 4096);
  EXPECT_FALSE(scan_area(area, guid{{2}}, 4096).sealed);
  EXPECT_FALSE(scan_area(area, guid{{1}}, 8192).sealed);
  EXPECT_TRUE(scan_area(area, guid{{1}}, 4096).sealed);
}

TEST(records, each_reads_back_and_survives_truncation) {
  lun_record lun;
  lun.id = guid{{3}};
  lun.size = 1 << 20;
  lun.name = "tank";
  lun.unmask = {"*"};
  lun.hints.rebuild_priority = 5;
  lun.plexes = {{0, {{{1, 2, 3}}}}, {65536, {{{2, 0, 1}}, {{3, 0, 1}}}}};
  bytes payload;
  append(payload, record(array_record{1 << 20, 4}));
  append(payload, record(epoch_record{2, 3, {{1, 9, 8}}}));
  append(payload, record(drive_record{1, guid{{5}}, 1 << 30, 900, 512, false, true, "gone"}));
  append(payload, record(dirty_record{1, true, {{1, 5, 6}}}));
  append(payload, lun);
  append(payload, record(lun_gone_record{guid{{4}}, {{1, 7, 1}}}));
  append(payload, record(operation_record{guid{{6}}, guid{{3}}}));
  std::size_t seen = 0;
  const auto visit = [&](record&& r) -> status {
    ++seen;
    if (const auto* l = std::get_if<lun_record>(&r)) {
      EXPECT_EQ(*l, lun);
    }
    if (const auto* d = std::get_if<drive_record>(&r)) {
      EXPECT_EQ(d->why, "gone");
    }
    return {};
  };
  ASSERT_TRUE(for_each(payload, visit));
  EXPECT_EQ(seen, 7U);
  for (std::size_t cut = 1; cut < payload.size(); ++cut) {
    const auto s = for_each(std::span(payload).first(cut), [](record&&) { return status(); });
    if (!s) {
      EXPECT_EQ(s.error().code(), errc::corrupt);
    }
  }
}

TEST(records, of_luns_end_earlier_in_older_arrays) {
  lun_record lun;
  lun.id = guid{{3}};
  lun.number = 100000;
  lun.groups = 2;
  lun.plexes = {{0, {{{1, 2, 3}}}}};
  bytes payload;
  append(payload, lun);
  const auto read = [](bytes b, std::size_t without) {
    b.resize(b.size() - without);
    store<le32>(b.data() + 4, static_cast<std::uint32_t>(b.size() - 8));
    std::optional<lun_record> out;
    (void)for_each(b, [&out](record&& r) {
      out = std::get<lun_record>(std::move(r));
      return status();
    });
    return out;
  };
  EXPECT_EQ(read(payload, 0), lun);
  const auto few = read(payload, 2), no_ids = read(payload, 18), no_groups = read(payload, 22);
  ASSERT_TRUE(few && no_ids && no_groups);
  EXPECT_EQ(few->number, 100000U & 0xffff);
  EXPECT_EQ(few->groups, 2U);
  EXPECT_EQ(no_ids->groups, 2U);
  EXPECT_EQ(no_groups->groups, 1U);
  EXPECT_FALSE(read(payload, 1));
}

TEST(records, of_luns_keep_what_their_plexes_are_called_and_say_what_is_not_filled) {
  lun_record lun;
  lun.id = guid{{3}};
  lun.size = 1 << 20;
  lun.type = lun_type::mirror;
  lun.plexes = {{0, {{{1, 2, 3}}}, guid{{7}}}, {0, {{{2, 0, 3}}}, guid{{8}}}};
  const auto kind_of = [](const bytes& payload) { return static_cast<unsigned>(payload[0]); };
  const auto read = [](const bytes& payload) {
    lun_record out;
    EXPECT_TRUE(for_each(payload, [&out](record&& r) {
      out = std::get<lun_record>(r);
      return status();
    }));
    return out;
  };
  bytes whole, filling;
  append(whole, lun);
  EXPECT_EQ(read(whole), lun);
  EXPECT_EQ(kind_of(whole), 7U);
  // What programs wrote before plexes kept their ids ends before the two.
  bytes old(whole.begin(), whole.end() - 34);
  store<le32>(old.data() + 4, static_cast<std::uint32_t>(old.size() - 8));
  EXPECT_EQ(read(old).plexes[0].id, guid{});
  assembly::config c;
  ASSERT_TRUE(c.apply(old));
  const auto& opened = *c.luns.at(lun.id);
  EXPECT_EQ(opened.plexes[0].id, name_guid(lun.id, "plex 0"));
  EXPECT_EQ(opened.plexes[1].id, name_guid(lun.id, "plex 1"));
  // One that is not filled must not be read by programs that would believe it: a kind that they refuse.
  lun.plexes[1].filled = 2;
  append(filling, lun);
  EXPECT_EQ(read(filling), lun);
  EXPECT_EQ(kind_of(filling), 15U);
  lun.plexes[0].filled = 0;
  c.array = {1 << 20, 3};
  c.drives[1] = {1, guid{{1}}, 1 << 30, 100, 512, true, false, {}};
  c.drives[2] = {2, guid{{2}}, 1 << 30, 100, 512, true, false, {}};
  ASSERT_TRUE(c.apply(record(lun)));
  EXPECT_EQ(c.check().error().code(), errc::corrupt) << "no plex holds the data";
}

TEST(records, of_settings_say_their_bytes_and_refuse_what_is_too_long) {
  bytes payload;
  append(payload, record(setting_record{"iscsi/target/1", {std::byte{7}, std::byte{0}}}));
  append(payload, record(setting_gone_record{"iscsi/target/2"}));
  std::vector<record> seen;
  ASSERT_TRUE(for_each(payload, [&seen](record&& r) {
    seen.push_back(std::move(r));
    return status();
  }));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(std::get<setting_record>(seen[0]).key, "iscsi/target/1");
  EXPECT_EQ(std::get<setting_record>(seen[0]).value, (bytes{std::byte{7}, std::byte{0}}));
  EXPECT_EQ(std::get<setting_gone_record>(seen[1]).key, "iscsi/target/2");
  const auto refused = [](const record& r) {
    bytes one;
    append(one, r);
    const auto s = for_each(one, [](record&&) { return status(); });
    return !s && s.error() == errc::corrupt;
  };
  EXPECT_TRUE(refused(setting_record{"", {}}));
  EXPECT_TRUE(refused(setting_record{std::string(256, 'k'), {}}));
  EXPECT_TRUE(refused(setting_record{"k", bytes(max_setting_value + 1)}));
  EXPECT_FALSE(refused(setting_record{std::string(255, 'k'), bytes(max_setting_value)}));
}

TEST(records, of_an_unknown_kind_are_skipped_only_when_they_may_be) {
  bytes payload(8);
  store<le16>(payload.data(), std::uint16_t{999});
  EXPECT_EQ(for_each(payload, [](record&&) { return status(); }).error().code(), errc::too_new);
  store<le16>(payload.data() + 2, std::uint16_t{1});
  EXPECT_TRUE(for_each(payload, [](record&&) { return status(); }));
}

TEST(stripe_batch, is_found_whole_or_not_at_all) {
  std::vector<std::byte> area(64 << 10);
  std::vector<std::byte> content(1536);
  seeded_random(3).fill(content);
  stripe_piece a, b;
  a.entry = b.entry = 77;
  a.lun = b.lun = guid{{9}};
  a.members = b.members = 5;
  a.offset = 4096, a.bytes = 1536, a.member = 2;
  a.content = {std::span(content).first(512), std::span(content).subspan(512)};
  b.offset = 8192, b.bytes = 65536, b.zeros = true;
  const std::uint64_t place = stripe_ring_at + 4096;
  const stripe_piece pieces[] = {a, b};
  const auto header = encode_stripe_header(pieces, 42, place);
  ASSERT_EQ(stripe_batch_bytes(pieces), header.size() + 4096);
  std::memcpy(area.data() + place, header.data(), header.size());
  std::memcpy(area.data() + place + header.size(), content.data(), content.size());
  const auto found = scan_stripes(area, 42);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].entry, 77U);
  EXPECT_EQ(found[0].offset, 4096U);
  ASSERT_EQ(found[0].found.size(), content.size());
  EXPECT_EQ(std::memcmp(found[0].found.data(), content.data(), content.size()), 0);
  EXPECT_TRUE(found[1].zeros);
  EXPECT_EQ(found[1].members, 5U);
  EXPECT_TRUE(scan_stripes(area, 43).empty()) << "of another journal";
  for (std::uint64_t at = place; at < place + header.size() + 4096; at += 37) {
    area[at] ^= std::byte{1};
    EXPECT_TRUE(scan_stripes(area, 42).empty()) << at;
    area[at] ^= std::byte{1};
  }
  std::vector<std::byte> moved(area.begin() + 4096, area.end());
  EXPECT_TRUE(scan_stripes(moved, 42).empty()) << "not in its place";
}

TEST(stripe_head, survives_and_is_refused_when_flipped_or_another_drives) {
  std::array<std::byte, 4096> raw{};
  encode(stripe_head{3, 9, 77}, guid{{1}}, raw);
  const auto head = decode_stripe_head(raw, guid{{1}});
  ASSERT_TRUE(head);
  EXPECT_EQ(*head, (stripe_head{3, 9, 77}));
  EXPECT_FALSE(decode_stripe_head(raw, guid{{2}}));
  for (std::size_t at = 0; at < raw.size(); at += 13) {
    raw[at] ^= std::byte{4};
    EXPECT_FALSE(decode_stripe_head(raw, guid{{1}}));
    raw[at] ^= std::byte{4};
  }
}

}  // namespace
}  // namespace vds::array::format
