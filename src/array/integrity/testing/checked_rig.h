// checked_rig.h: a checked device on a drive that fails on cue and whose power can be cut. For tests only. Places are
// in bytes of the data area; contents are numbers, one value for each sector of 512 bytes.
#pragma once

#include <gtest/gtest.h>

#include "array/integrity/checked_device.h"
#include "array/testing/rig.h"

namespace vds::array::integrity::testing {

using format::summed_block;

inline std::vector<std::byte> content(std::uint64_t value, std::uint64_t bytes) {
  std::vector<std::byte> out(bytes);
  for (std::uint64_t i = 0; i < bytes; i += 8) std::memcpy(out.data() + i, &value, 8);
  return out;
}

struct checked_rig {
  rt::manual_executor ex;
  seeded_random random;
  format::superblock sb;
  io::memory_device medium;
  std::shared_ptr<io::faulty_device> drive;
  std::unique_ptr<checked_device> device;
  std::size_t cached_regions = default_cached_regions;

  explicit checked_rig(std::uint64_t seed = 1, std::uint64_t bytes = 32 << 20, std::uint32_t sector = 512)
      : ex(seed),
        random(seed),
        sb(*format::plan_drive(bytes, sector, 1 << 16, true)),
        medium(ex, "drive", block_size{sector}, block_count{bytes / sector}) {
    sb.drive_id = guid{{7}};
    open(true);
  }
  ~checked_rig() {
    if (drive) drive->release_hung();
    ex.run();
    device.reset();
  }
  // The next life of the drive: what the medium holds is what there is.
  void open(bool fresh = false) {
    drive = std::make_shared<io::faulty_device>(medium, random);
    device = std::make_unique<checked_device>(std::make_unique<vds::array::testing::lent_device>(drive),
                                              format::checksums_of(sb), cached_regions);
    ASSERT_TRUE(ex.run(fresh ? device->format() : device->open()));
  }
  void power_cut() {
    drive->power_cut();
    ex.run();
    device.reset();
    open();
  }
  void shut_down() {
    settle();
    device.reset();
    open();
  }
  void settle() {
    for (int i = 0; i < 1000 && !device->settled(); ++i)
      ASSERT_TRUE(ex.run(device->settle(monotonic::time_point::max())));
    ASSERT_TRUE(device->settled());
  }
  std::uint64_t sector() const { return medium.geometry().logical.bytes; }
  lba place(std::uint64_t at) const { return lba{(sb.data_offset + at) / sector()}; }
  status write(std::uint64_t at, std::uint64_t value, std::uint64_t bytes = summed_block,
               io::durability how = io::durability::cached) {
    const auto data = content(value, bytes);
    return ex.run(device->write(place(at), io::const_buffer(data), how));
  }
  status zero(std::uint64_t at, std::uint64_t bytes) {
    return ex.run(device->write_zeroes(place(at), block_count{bytes / sector()}, false, io::durability::cached));
  }
  result<std::vector<std::byte>> read(std::uint64_t at, std::uint64_t bytes = summed_block) {
    std::vector<std::byte> out(bytes);
    auto s = ex.run(device->read(place(at), io::buffer(out)));
    if (!s) return std::move(s).error();
    return out;
  }
  bool holds(std::uint64_t at, std::uint64_t value, std::uint64_t bytes = summed_block) {
    const auto found = read(at, bytes);
    return found && *found == content(value, bytes);
  }
  bool refuses(std::uint64_t at, std::uint64_t bytes = summed_block) {
    const auto found = read(at, bytes);
    return !found && found.error() == errc::bad_checksum;
  }
  void flush() { ASSERT_TRUE(ex.run(device->flush())); }
  // One bit of the medium, past every interface; `at` from the drive's start.
  void flip(std::uint64_t at) {
    std::vector<std::byte> block(sector());
    const lba where{at / sector()};
    medium.peek(where, block);
    block[at % sector()] ^= std::byte{0x10};
    medium.poke(where, block);
  }
  void flip_data(std::uint64_t at) { flip(sb.data_offset + at); }
  std::vector<std::byte> on_medium(std::uint64_t at, std::uint64_t bytes = summed_block) {
    std::vector<std::byte> out(bytes);
    medium.peek(place(at), out);
    return out;
  }
};

}  // namespace vds::array::integrity::testing
