// Requests that need not wait (engine/at_once.cc): the same blocks as by read() and write(), and refused where
// something could stand in the way.
#include <gtest/gtest.h>

#include "array/array.h"
#include "io/memory/memory_device.h"
#include "rt/manual_executor.h"

namespace vds::array {
namespace {

struct quick_array : ::testing::Test {
  void open(bool checksums) {
    array.reset();
    array_options o;
    o.id = guid{{1}};
    o.checksums = checksums;
    o.random = &random;
    o.extent_bytes = 1 << 16;
    auto made = ex.run(array::assemble(ex, {}, o));
    EXPECT_TRUE(made);
    array = std::move(*made);
    for (int i = 0; i < 3; ++i) {
      auto d =
          std::make_unique<io::memory_device>(ex, "drive" + std::to_string(i), block_size{512}, block_count{1 << 16});
      EXPECT_TRUE(ex.run(array->add_drive(std::move(d), {.zeroed = true})));
    }
  }
  ~quick_array() override {
    array.reset();
    ex.run();
  }
  lun_info create(lun_type type) {
    lun_spec s;
    s.type = type;
    s.size = byte_count{size};
    auto lun = ex.run(array->create_lun(s));
    EXPECT_TRUE(lun);
    return *lun;
  }

  // checked: whole blocks of 4096 bytes, of regions that are noted already
  void at_once(lun_type type) {
    const auto lun = create(type);
    const auto device = array->device(lun.id);
    const std::uint64_t unit = lun.checked ? 8 : 1;  // sectors
    std::vector<std::byte> model(size);
    if (lun.checked) {
      EXPECT_TRUE(ex.run(device->write(lba{0}, io::const_buffer(model))));
    }
    for (int round = 0; round < 300; ++round) {
      const std::uint64_t at = random.below((size / 512 - 300) / unit) * unit;
      const std::uint64_t bytes = (1 + random.below(299 / unit)) * unit * 512;
      std::vector<std::byte> data(bytes);
      for (auto& b : data) b = static_cast<std::byte>(random.below(256));
      const auto how = random.below(3) == 0 ? io::durability::fua : io::durability::cached;
      const auto done = device->try_write(lba{at}, data, how);
      EXPECT_EQ(done.has_value(), type != lun_type::mirror)
          << "copies are written in one order, by whoever waits for it";
      if (!done) {
        EXPECT_TRUE(ex.run(device->write(lba{at}, data, how)));
      }
      std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(at * 512));

      const std::uint64_t from = random.below((size / 512 - 300) / unit) * unit;
      std::vector<std::byte> now(bytes), later(bytes);
      const auto read = device->try_read(lba{from}, now);
      ASSERT_TRUE(read && *read);
      ASSERT_TRUE(ex.run(device->read(lba{from}, io::buffer(later))));
      ASSERT_EQ(now, later);
      ASSERT_TRUE(std::equal(now.begin(), now.end(), model.begin() + static_cast<std::ptrdiff_t>(from * 512)));
    }
    EXPECT_FALSE(device->try_read(lba{size / 512}, io::buffer(model).first(512))) << "beyond the end";
    EXPECT_FALSE(device->try_read(lba{0}, io::buffer(model).first(100))) << "no whole block";
  }

  static constexpr std::uint64_t size = 3 << 20;
  rt::manual_executor ex;
  seeded_random random{5};
  std::unique_ptr<vds::array::array> array;
};

TEST_F(quick_array, reads_and_writes_at_once_what_it_would_have_read_and_written_later) {
  for (const bool checksums : {false, true}) {
    open(checksums);
    for (const auto type : {lun_type::simple, lun_type::span, lun_type::stripe, lun_type::mirror}) at_once(type);
  }
}

TEST_F(quick_array, checked_drives_let_nobody_write_at_once_where_they_have_noted_nothing) {
  open(true);
  const auto device = array->device(create(lun_type::simple).id);
  std::vector<std::byte> data(8192, std::byte{7});
  EXPECT_FALSE(device->try_write(lba{0}, data, io::durability::cached));
  ASSERT_TRUE(ex.run(device->write(lba{0}, io::const_buffer(data))));
  EXPECT_TRUE(device->try_write(lba{0}, data, io::durability::cached));
  EXPECT_FALSE(device->try_write(lba{1}, io::const_buffer(data).first(512), io::durability::cached)) << "a part";
  EXPECT_FALSE(device->try_read(lba{1}, io::buffer(data).first(512)));
  EXPECT_TRUE(device->try_read(lba{8}, io::buffer(data).first(4096)));
}

TEST_F(quick_array, a_lun_that_is_offline_leaves_the_answer_to_those_who_know_it) {
  open(false);
  const auto lun = create(lun_type::simple);
  const auto device = array->device(lun.id);
  std::vector<std::byte> data(4096, std::byte{7});
  ASSERT_TRUE(device->try_write(lba{0}, data, io::durability::cached));
  ASSERT_TRUE(ex.run(array->set_offline(lun.id, true)));
  EXPECT_FALSE(device->try_write(lba{0}, data, io::durability::cached));
  EXPECT_FALSE(device->try_read(lba{0}, data));
  ASSERT_TRUE(ex.run(array->set_offline(lun.id, false)));
  EXPECT_TRUE(device->try_read(lba{0}, data));
}

}  // namespace
}  // namespace vds::array
