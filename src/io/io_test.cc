#include <gtest/gtest.h>

#include "io/aligned_buffer.h"
#include "io/faulty/faulty_device.h"
#include "io/memory/memory_device.h"
#include "rt/manual_executor.h"

namespace vds::io {
namespace {

struct devices {
  rt::manual_executor ex;
  seeded_random random{1};
  memory_device medium{ex, "medium", block_size{512}, block_count{1024}};
  faulty_device drive{medium, random};

  std::vector<std::byte> filled(std::size_t blocks, int value) const {
    return {blocks * 512, static_cast<std::byte>(value)};
  }
  std::byte on_medium(lba at) const {
    std::vector<std::byte> b(512);
    medium.peek(at, b);
    return b[0];
  }
};

TEST(memory_device, reads_back_what_was_written_and_zeros_elsewhere) {
  devices d;
  ASSERT_TRUE(d.ex.run(d.medium.write(lba{130}, d.filled(3, 7))));
  std::vector<std::byte> back(5 * 512);
  ASSERT_TRUE(d.ex.run(d.medium.read(lba{129}, back)));
  EXPECT_EQ(back[0], std::byte{0});
  EXPECT_EQ(back[512], std::byte{7});
  EXPECT_EQ(back[4 * 512], std::byte{0});
  EXPECT_EQ(d.ex.run(d.medium.read(lba{1020}, back)).error().code(), errc::out_of_range);
}

TEST(faulty_device, a_write_is_volatile_until_flushed_or_fua) {
  devices d;
  ASSERT_TRUE(d.ex.run(d.drive.write(lba{1}, d.filled(1, 1))));
  EXPECT_EQ(d.on_medium(lba{1}), std::byte{0});
  ASSERT_TRUE(d.ex.run(d.drive.write(lba{2}, d.filled(1, 2), durability::fua)));
  EXPECT_EQ(d.on_medium(lba{2}), std::byte{2});
  std::vector<std::byte> back(512);
  ASSERT_TRUE(d.ex.run(d.drive.read(lba{1}, back)));
  EXPECT_EQ(back[0], std::byte{1});  // visible before it is durable
  ASSERT_TRUE(d.ex.run(d.drive.flush()));
  EXPECT_EQ(d.on_medium(lba{1}), std::byte{1});
}

TEST(faulty_device, a_power_cut_keeps_the_sectors_it_is_told_to) {
  devices d;
  ASSERT_TRUE(d.ex.run(d.drive.write(lba{10}, d.filled(4, 9))));
  d.drive.power_cut([](std::size_t i) { return i == 2; });
  EXPECT_EQ(d.on_medium(lba{10}), std::byte{0});
  EXPECT_EQ(d.on_medium(lba{12}), std::byte{9});
  EXPECT_EQ(d.ex.run(d.drive.flush()).error().code(), errc::unavailable);
}

TEST(faulty_device, a_hung_request_returns_only_when_released) {
  devices d;
  d.drive.set_rule([](const auto&) { return fault::hang; });
  bool ended = false;
  rt::start([](devices& dd, bool& e) -> rt::task<void> { e = !(co_await dd.drive.flush()); }(d, ended));
  d.ex.run();
  EXPECT_FALSE(ended);
  d.drive.release_hung();
  d.ex.run();
  EXPECT_TRUE(ended);
}

TEST(aligned_buffer, is_what_o_direct_takes) {
  auto b = aligned_buffer::zeroed(1000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % 4096, 0u);
  EXPECT_EQ(b.size(), 1000u);
}

}  // namespace
}  // namespace vds::io
