// What a drive may do to data behind its user's back, and what is said about it.
#include "array/integrity/testing/checked_rig.h"

namespace vds::array::integrity::testing {
namespace {

using request = io::faulty_device::request;

bool in_data(const checked_rig& r, const io::faulty_device::call& c) {
  return c.at.n * 512 >= r.sb.data_offset && c.at.n * 512 < r.sb.data_offset + r.sb.extents * r.sb.extent_bytes;
}
// The first write to the data that comes goes wrong like this.
void once(checked_rig& r, io::fault what, request of = request::write) {
  r.drive->set_rule([&r, what, of, done = false](const io::faulty_device::call& c) mutable {
    if (done || c.what != of || !in_data(r, c)) return io::fault::none;
    done = true;
    return what;
  });
}

TEST(checked_device, reads_back_what_was_written_in_any_pieces) {
  checked_rig r;
  seeded_random chance(3);
  const std::uint64_t sectors = 3 * format::region_bytes / 512;
  std::vector<std::byte> model(sectors * 512);
  for (int i = 0; i < 400; ++i) {
    const std::uint64_t n = 1 + chance.below(chance.below(8) == 0 ? 3000 : 40), at = chance.below(sectors - n);
    if (chance.below(8) == 0) {
      ASSERT_TRUE(r.zero(at * 512, n * 512));
      std::fill_n(model.begin() + static_cast<std::ptrdiff_t>(at * 512), n * 512, std::byte{0});
    } else {
      const auto data = content(chance.next(), n * 512);
      const std::size_t cut = chance.below(data.size() / 8) * 8;
      const io::const_buffer list[] = {io::const_buffer(data).first(cut), io::const_buffer(data).subspan(cut)};
      ASSERT_TRUE(r.ex.run(r.device->write(r.place(at * 512), io::const_buffers(list), io::durability::cached)));
      std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(at * 512));
    }
    if (chance.below(40) == 0) r.shut_down();
    const std::uint64_t m = 1 + chance.below(100), from = chance.below(sectors - m);
    const auto found = r.read(from * 512, m * 512);
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_TRUE(std::equal(found->begin(), found->end(), model.begin() + static_cast<std::ptrdiff_t>(from * 512)));
  }
  EXPECT_EQ(r.device->counts().corrupt, 0U);
}

TEST(checked_device, a_flipped_bit_anywhere_in_a_block_is_noticed) {
  checked_rig r;
  ASSERT_TRUE(r.write(8192, 5));
  r.flush();
  for (std::uint64_t at = 8192; at < 8192 + 4096; at += 97) {
    r.flip_data(at);
    ASSERT_TRUE(r.refuses(8192)) << at;
    r.flip_data(at);
    ASSERT_TRUE(r.holds(8192, 5)) << at;
  }
}

TEST(checked_device, is_noticed_after_a_restart_too_and_only_the_block_is_lost) {
  checked_rig r;
  ASSERT_TRUE(r.write(0, 5, 16384));
  r.shut_down();
  r.flip_data(4096 + 17);
  EXPECT_TRUE(r.refuses(4096));
  EXPECT_TRUE(r.refuses(0, 16384));
  EXPECT_TRUE(r.refuses(4096 + 2048, 512)) << "a part of the block that is right itself";
  EXPECT_TRUE(r.holds(0, 5));
  EXPECT_TRUE(r.holds(8192, 5, 8192));
  EXPECT_EQ(r.device->counts().corrupt, 1U);
}

TEST(checked_device, a_bit_flipped_in_what_was_never_written_is_noticed) {
  checked_rig r;
  r.flip_data(3 * format::region_bytes + 5);
  EXPECT_TRUE(r.refuses(round_down(3 * format::region_bytes, 4096)));
  EXPECT_TRUE(r.holds(0, 0));
}

TEST(checked_device, a_lost_write_is_noticed) {
  checked_rig r;
  ASSERT_TRUE(r.write(4096, 1));
  once(r, io::fault::lose);
  ASSERT_TRUE(r.write(4096, 2));
  EXPECT_TRUE(r.refuses(4096));
}

TEST(checked_device, a_misdirected_write_is_noticed_in_both_places) {
  checked_rig r;
  ASSERT_TRUE(r.write(0, 1, 8 * 4096));
  r.drive->set_misdirection(16);
  once(r, io::fault::misdirect);
  ASSERT_TRUE(r.write(8192, 2));
  EXPECT_TRUE(r.refuses(8192)) << "where it should have gone";
  EXPECT_TRUE(r.refuses(16384)) << "where it went";
  EXPECT_TRUE(r.holds(0, 1, 8192));
}

TEST(checked_device, an_older_block_in_its_own_place_is_noticed) {
  checked_rig r;
  ASSERT_TRUE(r.write(4096, 1));
  r.shut_down();
  const auto old = r.on_medium(4096);
  ASSERT_TRUE(r.write(4096, 2));
  r.shut_down();
  r.medium.poke(r.place(4096), old);
  EXPECT_TRUE(r.refuses(4096));
}

TEST(checked_device, a_right_block_of_another_place_is_noticed) {
  checked_rig r;
  ASSERT_TRUE(r.write(4096, 1));
  ASSERT_TRUE(r.write(8192, 1));
  ASSERT_TRUE(r.write(12288, 2));
  r.shut_down();
  r.medium.poke(r.place(12288), r.on_medium(4096));
  EXPECT_TRUE(r.refuses(12288));
  EXPECT_TRUE(r.holds(8192, 1)) << "the same content has another checksum elsewhere";
}

TEST(checked_device, a_bit_that_is_wrong_only_on_its_way_is_read_again) {
  checked_rig r;
  ASSERT_TRUE(r.write(4096, 1));
  once(r, io::fault::flip, request::read);
  EXPECT_TRUE(r.holds(4096, 1));
  EXPECT_EQ(r.device->counts().corrupt, 0U);
}

TEST(checked_device, writing_makes_a_block_good_again_and_both_are_counted) {
  checked_rig r;
  ASSERT_TRUE(r.write(4096, 1));
  r.flush();
  r.flip_data(4096);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(r.refuses(4096));
  EXPECT_EQ(r.device->counts().corrupt, 1U) << "each block once";
  EXPECT_EQ(r.device->counts().repaired, 0U);
  ASSERT_TRUE(r.write(4096, 3));
  EXPECT_TRUE(r.holds(4096, 3));
  EXPECT_EQ(r.device->counts().repaired, 1U);
}

TEST(checked_device, a_write_to_a_part_of_a_wrong_block_does_not_make_the_rest_right) {
  checked_rig r;
  ASSERT_TRUE(r.write(4096, 1));
  r.flush();
  r.flip_data(4096 + 2048);
  ASSERT_TRUE(r.write(4096, 2, 512));
  EXPECT_TRUE(r.refuses(4096));
  EXPECT_TRUE(r.refuses(4096 + 2048, 512));
  r.shut_down();
  EXPECT_TRUE(r.refuses(4096)) << "nor does a restart";
  ASSERT_TRUE(r.write(4096, 4));
  EXPECT_TRUE(r.holds(4096, 4));
}

TEST(checked_device, a_failed_repair_does_not_make_a_wrong_block_right) {
  checked_rig r;
  ASSERT_TRUE(r.write(4096, 1));
  r.flush();
  r.flip_data(4096);
  ASSERT_TRUE(r.refuses(4096));
  once(r, io::fault::fail);
  ASSERT_FALSE(r.write(4096, 1));
  EXPECT_TRUE(r.refuses(4096));
}

TEST(checked_device, a_block_whose_write_failed_can_be_read_whatever_became_of_it) {
  for (const auto f : {io::fault::fail, io::fault::fail_after}) {
    checked_rig r;
    ASSERT_TRUE(r.write(4096, 1));
    once(r, f);
    ASSERT_FALSE(r.write(4096, 2));
    const bool kept = r.holds(4096, 1);
    EXPECT_EQ(kept, f == io::fault::fail);
    EXPECT_EQ(r.holds(4096, 2), !kept);
    r.settle();  // and is vouched for from here on
    r.flip_data(4096);
    EXPECT_TRUE(r.refuses(4096));
  }
}

TEST(checked_device, parts_of_one_block_written_at_once_all_count) {
  for (std::uint64_t seed = 1; seed < 40; ++seed) {
    checked_rig r(seed);
    r.drive->set_latency(1ms);
    std::vector<rt::task<status>> all;
    std::vector<std::vector<std::byte>> data;
    for (std::uint64_t i = 0; i < 8; ++i) data.push_back(content(100 + i, 512));
    for (std::uint64_t i = 0; i < 8; ++i)
      all.push_back(r.device->write(r.place(4096 + i * 512), io::const_buffer(data[i])));
    std::vector<std::byte> meanwhile(8192);
    all.push_back(r.device->read(r.place(4096), io::buffer(meanwhile)));
    for (auto& s : r.ex.run(rt::when_all(std::move(all)))) ASSERT_TRUE(s) << s.error().message();
    for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(r.holds(4096 + i * 512, 100 + i, 512));
  }
}

TEST(checked_device, what_was_exempted_and_what_is_no_data_passes_unchecked) {
  checked_rig r;
  r.device->exempt(r.sb.extent_offset(2), r.sb.extent_bytes);
  const std::uint64_t at = 2 * r.sb.extent_bytes;
  ASSERT_TRUE(r.write(at, 9));
  EXPECT_TRUE(r.device->settled()) << "nothing was marked";
  r.flush();
  r.flip_data(at + 8);
  EXPECT_TRUE(r.read(at).has_value());
  std::vector<std::byte> log(4096, std::byte{3});
  ASSERT_TRUE(r.ex.run(r.device->write(lba{r.sb.log_offset / 512}, io::const_buffer(log))));
  EXPECT_TRUE(r.device->settled());
}

TEST(checked_device, what_need_not_wait_is_checked_as_well) {
  rt::manual_executor ex;
  auto sb = *format::plan_drive(32 << 20, 512, 1 << 16, true);
  sb.drive_id = guid{{7}};
  auto owned = std::make_unique<io::memory_device>(ex, "drive", block_size{512}, block_count{65536});
  auto& medium = *owned;
  checked_device device(std::move(owned), format::checksums_of(sb));
  ASSERT_TRUE(ex.run(device.format()));
  const lba at{sb.data_offset / 512};
  auto data = content(4, 8192);
  EXPECT_FALSE(device.try_write(at, data, io::durability::cached)) << "its region has to be marked first";
  ASSERT_TRUE(ex.run(device.write(at, io::const_buffer(data))));
  data = content(5, 8192);
  const auto done = device.try_write(at, data, io::durability::cached);
  ASSERT_TRUE(done && *done);
  std::vector<std::byte> found(8192);
  const auto read = device.try_read(at, found);
  ASSERT_TRUE(read && *read);
  EXPECT_EQ(found, data);
  EXPECT_FALSE(device.try_read(at + block_count{1}, io::buffer(found).first(512))) << "not a whole block";
  found[5000] ^= std::byte{1};
  medium.poke(at, found);
  EXPECT_FALSE(device.try_read(at, found)) << "wrong: the request that waits is to judge";
  EXPECT_EQ(ex.run(device.read(at, io::buffer(found))).error().code(), errc::bad_checksum);
  ASSERT_TRUE(ex.run(device.settle(monotonic::time_point::max())));
  EXPECT_TRUE(device.settled());
}

TEST(checked_device, drives_of_4096_byte_sectors) {
  checked_rig r(1, 32 << 20, 4096);
  ASSERT_TRUE(r.write(8192, 5, 8192));
  r.shut_down();
  EXPECT_TRUE(r.holds(8192, 5, 8192));
  r.flip_data(8192 + 1);
  EXPECT_TRUE(r.refuses(8192));
  EXPECT_TRUE(r.holds(12288, 5));
}

}  // namespace
}  // namespace vds::array::integrity::testing
