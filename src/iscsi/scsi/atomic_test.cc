// WRITE ATOMIC on devices that promise nothing beyond a block: whatever moment the power goes, all of it is there or
// nothing.
#include "iscsi/scsi/testing/unit.h"

namespace vds::iscsi {
namespace {

using namespace testing;

// Writes block by block, and stops for good when told to.
class piecemeal final : public io::block_device {
 public:
  explicit piecemeal(io::memory_device& medium) : medium_(medium) {}
  std::optional<int> left;  // steps until the power goes
  bool gone = false;
  bool step() {
    if (left && (*left)-- == 0) gone = true;
    return !gone;
  }
  std::string_view name() const override { return "piecemeal"; }
  io::block_geometry geometry() const override {
    io::block_geometry g = medium_.geometry();
    g.can_unmap = false;
    return g;
  }
  rt::executor& executor() override { return medium_.executor(); }
  rt::task<status> read(lba at, io::buffers into) override { return medium_.read(at, into); }
  rt::task<status> write(lba at, io::const_buffers from, io::durability) override {
    bytes all;
    for (const auto& b : from) all.insert(all.end(), b.begin(), b.end());
    for (std::size_t i = 0; i < all.size(); i += 512) {
      if (!step()) co_return errc::unavailable;
      medium_.poke(at + block_count{i / 512}, std::span<const std::byte>(all).subspan(i, 512));
      co_await executor().turn();
    }
    co_return status();
  }
  rt::task<status> flush() override { co_return status(); }
  rt::task<status> write_zeroes(lba, block_count, bool, io::durability) override { co_return errc::not_supported; }

 private:
  io::memory_device& medium_;
};

struct atomic_writes : unit {
  atomic_writes() { stop(); }

  // One life of the LUN; the keeper loses power with the device.
  lun_persistence keeping(piecemeal& power) {
    return {{}, {}, redo, [this, &power](bytes b) { return keep(power, std::move(b)); }};
  }
  rt::task<status> keep(piecemeal& power, bytes b) {
    if (!power.step()) co_return errc::unavailable;
    redo = std::move(b);
    co_await ex.turn();
    co_return status();
  }
  bytes redo;
};

TEST_F(atomic_writes, are_whole_or_not_there_whenever_the_power_goes) {
  const std::vector<int> cdb{0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 8, 0, 0};
  const bytes before(8 * 512, std::byte{1}), after(8 * 512, std::byte{2});
  int old_ones = 0, new_ones = 0;
  for (int cut = 0; cut < 14; ++cut) {
    device.poke(lba{10}, before);
    redo.clear();
    bool good = false;
    {
      piecemeal power(device);
      auto unit = make(9, power, keeping(power));
      nexus n;
      n.id = 77;
      n.initiator = "iqn.a:n";
      run(n, {0, 0, 0, 0, 0, 0}, {}, unit);
      power.left = cut;
      good = run(n, cdb, after, unit).status == scsi_status::good;
      if (!good) {
        EXPECT_NE(run(n, {0x2a, 0, 0, 0, 0, 10, 0, 0, 1, 0}, bytes(512), unit).status, scsi_status::good);
      }
      ex.run(unit->close());
    }
    piecemeal power(device);
    auto unit = make(9, power, keeping(power));
    nexus n;
    n.id = 78;
    n.initiator = "iqn.a:n";
    run(n, {0, 0, 0, 0, 0, 0}, {}, unit);
    // What a command sees first is settled already.
    EXPECT_EQ(run(n, {0x28, 0, 0, 0, 0, 10, 0, 0, 8, 0}, {}, unit).status, scsi_status::good);
    EXPECT_TRUE(room == before || room == after) << cut;
    if (good) {
      EXPECT_TRUE(room == after) << cut;
    }
    (room == after ? new_ones : old_ones) += 1;
    ex.run(unit->close());
    EXPECT_TRUE(redo.empty()) << cut;
  }
  EXPECT_EQ(old_ones, 1);  // before anything was kept
  EXPECT_EQ(new_ones, 13);
}

TEST_F(atomic_writes, that_are_too_long_are_refused_and_the_limits_say_how_long_they_may_be) {
  piecemeal power(device);
  auto unit = make(9, power, keeping(power));
  nexus n;
  n.id = 77;
  n.initiator = "iqn.a:n";
  run(n, {0, 0, 0, 0, 0, 0}, {}, unit);
  const auto limits = run(n, {0x12, 1, 0xb0, 0, 64, 0}, {}, unit).reply;
  EXPECT_EQ(std::uint32_t{load<be32>(&limits[44])}, 256u);
  EXPECT_EQ(run(n, {0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 1, 0, 0}, bytes(257 * 512), unit).problem->code,
            senses::invalid_field_in_cdb);
  EXPECT_EQ(run(n, {0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0}, bytes(256 * 512), unit).status,
            scsi_status::good);
  ex.run(unit->close());
}

TEST(redo, that_is_damaged_is_recognised) {
  EXPECT_FALSE(redo_is_whole(bytes(23), block_size{512}));
  EXPECT_FALSE(redo_is_whole(bytes(24 + 512), block_size{512}));
}

}  // namespace
}  // namespace vds::iscsi
