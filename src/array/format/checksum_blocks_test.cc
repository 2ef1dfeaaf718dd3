#include "array/format/checksum_blocks.h"

#include <gtest/gtest.h>

#include "base/checksum.h"
#include "base/random.h"

namespace vds::array::format {
namespace {

const guid drive{{2}};

template <class Image>
std::array<std::byte, 4096> encoded(const Image& image, std::uint64_t place) {
  std::array<std::byte, 4096> raw;
  encode(image, drive, place, raw);
  return raw;
}
sum_image some_sums() {
  sum_image image;
  image.generation = 5;
  for (std::uint32_t i = 0; i < sums_per_region; ++i) image.sums[i] = i * 0x01234567U;
  return image;
}
region_image some_regions() {
  region_image image;
  image.generation = 77;
  for (std::uint32_t i = 0; i < regions_per_block; ++i) image.states[i] = static_cast<std::uint8_t>(i % 128);
  return image;
}

TEST(checksum_blocks, read_back_what_was_written) {
  const auto sums = decode_sums(encoded(some_sums(), 8192), drive, 8192);
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->generation, 5);
  EXPECT_EQ(sums->sums, some_sums().sums);
  const auto regions = decode_regions(encoded(some_regions(), 4096), drive, 4096);
  ASSERT_TRUE(regions);
  EXPECT_EQ(regions->generation, 77U);
  EXPECT_EQ(regions->states, some_regions().states);
}

TEST(checksum_blocks, every_flipped_bit_another_place_and_another_drive_are_noticed) {
  const auto sums = encoded(some_sums(), 8192), regions = encoded(some_regions(), 4096);
  for (std::size_t bit = 0; bit < sums.size() * 8; ++bit) {
    auto bad = sums;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    ASSERT_FALSE(decode_sums(bad, drive, 8192)) << bit;
    bad = regions;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    ASSERT_FALSE(decode_regions(bad, drive, 4096)) << bit;
  }
  EXPECT_EQ(decode_sums(sums, drive, 12288).error().code(), errc::corrupt);
  EXPECT_EQ(decode_sums(sums, guid{{3}}, 8192).error().code(), errc::corrupt);
  EXPECT_EQ(decode_regions(regions, drive, 8192).error().code(), errc::corrupt);
  EXPECT_EQ(decode_regions(sums, drive, 8192).error().code(), errc::not_ours);
  EXPECT_EQ(decode_sums(std::array<std::byte, 4096>{}, drive, 0).error().code(), errc::not_ours);
}

TEST(checksum_blocks, a_state_that_does_not_exist_is_refused) {
  auto image = some_regions();
  image.states[9] = 0x80;
  EXPECT_EQ(decode_regions(encoded(image, 0), drive, 0).error().code(), errc::corrupt);
  auto sums = some_sums();
  for (const std::uint8_t generation : {0, 64, 255}) {
    sums.generation = generation;
    EXPECT_EQ(decode_sums(encoded(sums, 0), drive, 0).error().code(), errc::corrupt);
  }
}

TEST(checksum_blocks, generations_begin_again_and_never_are_none) {
  std::uint8_t g = 0;
  for (int i = 0; i < 200; ++i) {
    g = next_generation(g);
    EXPECT_GE(g, 1);
    EXPECT_LE(g, 63);
    for (const bool changing : {false, true})
      EXPECT_EQ(region_state::decoded(region_state{changing, g}.encoded()), (region_state{changing, g}));
  }
}

// Images of the first release: 1.0. They open for ever.
TEST(checksum_blocks, images_of_the_first_release) {
  region_image regions;
  regions.generation = 2;
  regions.states[0] = region_state{true, 1}.encoded();
  const auto raw = encoded(regions, 0x1030000);
  const std::array<std::uint8_t, 66> head = {0x56, 0x44, 0x53, 0x52, 0x45, 0x47, 0x49, 0x4f, 1, 0, 0, 0, 0, 0, 0, 0, 2,
                                             0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0,
                                             3,    1,    0,    0,    0,    0,    2,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0,
                                             0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 3, 0};
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (i >= 12 && i < 16) continue;  // the checksum
    EXPECT_EQ(std::to_integer<unsigned>(raw[i]), head[i]) << i;
  }
  EXPECT_EQ(load<le32>(raw.data() + 12), 3271371160U);
  const block_sum sum(drive);
  std::array<std::byte, 4096> block{};
  block[0] = std::byte{1};
  EXPECT_EQ(sum.of(0, block), 3782080280U);
  EXPECT_EQ(sum.of(1, block), 1109737302U);
}

TEST(checksum_blocks, a_sum_depends_on_the_data_the_place_and_the_drive) {
  seeded_random chance(1);
  std::vector<std::byte> data(4096);
  for (auto& b : data) b = static_cast<std::byte>(chance.below(256));
  const block_sum one(drive), other(guid{{3}});
  EXPECT_NE(one.of(4, data), one.of(5, data));
  EXPECT_NE(one.of(4, data), other.of(4, data));
  const auto before = one.of(4, data);
  data[100] ^= std::byte{1};
  EXPECT_NE(one.of(4, data), before);
  for (const std::uint32_t special : {sum_of_zeros, sum_unknown, sum_poisoned})
    EXPECT_GT(block_sum::end(special), sum_poisoned);
}

TEST(checksum_blocks, what_they_take_is_a_thousandth_of_a_drive) {
  for (const std::uint64_t bytes : {std::uint64_t{8} << 20, std::uint64_t{1} << 30, std::uint64_t{16} << 40}) {
    auto with = *plan_drive(bytes, 512, 1 << 20, true), without = *plan_drive(bytes, 512, 1 << 20, false);
    EXPECT_TRUE(with.checksums());
    EXPECT_FALSE(without.checksums());
    EXPECT_LE(without.extents - with.extents, 2 + without.extents / 970);
    with.array_id = with.drive_id = drive;
    std::array<std::byte, 4096> raw;
    encode(with, 0, raw);
    const auto back = decode_superblock(raw, 0);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, with);
    const auto l = checksums_of(with);
    EXPECT_EQ(l.region_block_place(0, 0), with.checksum_offset);
    EXPECT_LE(l.sum_place(l.regions - 1) + 4096, with.checksum_offset + with.checksum_bytes);
    EXPECT_LE(with.checksum_offset + with.checksum_bytes, with.data_offset);
  }
}

TEST(superblock, checksums_that_do_not_fit_or_a_later_feature_are_refused) {
  auto sb = *plan_drive(64 << 20, 512, 1 << 20, true);
  sb.array_id = sb.drive_id = drive;
  std::array<std::byte, 4096> raw;
  const auto refused = [&raw](superblock bad) {
    encode(bad, 0, raw);
    const auto back = decode_superblock(raw, 0);
    return !back && back.error() == errc::corrupt;
  };
  auto bad = sb;
  bad.checksum_bytes = 4096;
  EXPECT_TRUE(refused(bad)) << "too small";
  bad = sb;
  bad.checksum_offset = bad.log_offset;
  EXPECT_TRUE(refused(bad)) << "in the log";
  bad = sb;
  bad.checksum_offset += 4096;
  bad.checksum_bytes = bad.data_offset;
  EXPECT_TRUE(refused(bad)) << "in the data";
  encode(sb, 0, raw);
  store<le64>(raw.data() + offsetof(raw_superblock, incompatible), std::uint64_t{3});
  store<le32>(raw.data() + offsetof(raw_superblock, crc32c), std::uint32_t{0});
  store<le32>(raw.data() + offsetof(raw_superblock, crc32c), crc32c(raw));
  EXPECT_EQ(decode_superblock(raw, 0).error().code(), errc::too_new);
}

}  // namespace
}  // namespace vds::array::format
