// The power of one checked drive is cut at every request of a history of writes, flushes and settling, in the middle of
// it, and again while it is opened and learns. Afterwards every block can be read and is old or new, and once all is
// settled every block is checked again. VDS_CRASH_SEEDS=n runs n seeds instead of a few; a failure prints its seed and
// its cut.
#include <algorithm>
#include <cstdlib>
#include <map>

#include "array/integrity/testing/checked_rig.h"
#include "base/log.h"

namespace vds::array::integrity::testing {
namespace {

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t regions = 3, written_blocks = 6;  // of each region: some at its start

std::uint64_t seeds(std::uint64_t few) {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : few;
}

struct history {
  struct sector_model {
    std::uint64_t durable = 0, newest = 0;            // newest: acknowledged
    std::map<std::uint64_t, std::uint64_t> possible;  // number of the write, and its value: may be there instead
    bool busy = false;
    bool unsure = false;  // since a power cut: which of them it is
    bool may_be(std::uint64_t value) const {
      return value == durable ||
             std::any_of(possible.begin(), possible.end(), [value](const auto& p) { return p.second == value; });
    }
  };
  checked_rig r;
  seeded_random chance;
  std::map<std::uint64_t, sector_model> model;  // by place in the data
  std::uint64_t last_write = 0, requests = 0, cut_at = UINT64_MAX;
  bool cut = false, settling = false;

  explicit history(std::uint64_t seed) : r(seed), chance(seed * 7919) {
    r.device.reset();
    r.cached_regions = 2;  // so that sums are written back while others are in use
    r.open();
    for (std::uint64_t region = 0; region < regions; ++region)
      for (std::uint64_t s = 0; s < written_blocks * 8; ++s) model[region * format::region_bytes + s * sector];
  }
  void arm() {
    requests = 0;
    cut = false;
    r.drive->set_rule([this](const io::faulty_device::call& c) {
      if (++requests != cut_at) return io::fault::none;
      cut = true;
      const bool writes = c.what == io::faulty_device::request::write || c.what == io::faulty_device::request::zero;
      if (writes && chance.below(2) == 0) return io::fault::tear;
      r.drive->vanish();
      return io::fault::none;
    });
  }
  // The power is back. Sectors that were not flushed are there or not.
  void power_on() {
    r.power_cut();
    arm();
    for (auto& [at, c] : model) {
      c.busy = false;
      c.unsure = !c.possible.empty();
    }
  }

  rt::task<void> write(std::uint64_t at, std::uint64_t bytes, bool fua, bool zeros) {
    const std::uint64_t number = ++last_write, value = zeros ? 0 : number;
    for (std::uint64_t s = at; s < at + bytes; s += sector) {
      model[s].busy = true;
      model[s].possible[number] = value;
    }
    const auto data = content(value, bytes);
    const auto how = fua ? io::durability::fua : io::durability::cached;
    status done;
    if (zeros)
      done = co_await r.device->write_zeroes(r.place(at), block_count{bytes / sector}, false, how);
    else
      done = co_await r.device->write(r.place(at), io::const_buffer(data), how);
    for (std::uint64_t s = at; s < at + bytes; s += sector) {
      auto& c = model[s];
      c.busy = false;
      if (!done) continue;
      c.newest = value;
      c.unsure = false;
      if (!fua) continue;
      c.durable = value;
      c.possible.clear();
    }
  }
  rt::task<void> flush() {
    std::map<std::uint64_t, std::uint64_t> covered;
    const std::uint64_t until = last_write;
    for (const auto& [at, c] : model)
      if (!c.busy && !c.unsure) covered[at] = c.newest;
    if (!co_await r.device->flush()) co_return;
    for (const auto& [at, value] : covered) {
      auto& c = model[at];
      if (c.busy || c.unsure || c.newest != value) continue;  // written meanwhile
      c.durable = value;
      c.possible.erase(c.possible.begin(), c.possible.upper_bound(until));
    }
  }

  rt::task<void> settle() {
    settling = true;
    (void)co_await r.device->settle(monotonic::time_point::max());
    settling = false;
  }

  void write_somewhere() {
    const std::uint64_t n = chance.below(2) == 0 ? 8 * (1 + chance.below(2)) : 1 + chance.below(11);
    const std::uint64_t from =
        n % 8 == 0 ? chance.below(written_blocks - n / 8 + 1) * 8 : chance.below(written_blocks * 8 - n + 1);
    const std::uint64_t at = chance.below(regions) * format::region_bytes + from * sector;
    for (std::uint64_t s = at; s < at + n * sector; s += sector)
      if (model[s].busy) return;
    rt::start(write(at, n * sector, chance.below(3) == 0, chance.below(6) == 0));
  }
  void play(int rounds) {
    for (int i = 0; i < rounds && !cut; ++i) {
      for (std::uint64_t n = chance.below(4); n > 0; --n) write_somewhere();
      if (chance.below(4) == 0) rt::start(flush());
      if (chance.below(3) == 0 && !settling) rt::start(settle());  // beside them, or when all is quiet
      for (int step = 0; step < 4; ++step) r.ex.step();
      if (chance.below(2) == 0) r.ex.run();
    }
    r.ex.run();
  }

  void judge() {
    for (const auto& [at, c] : model) {
      const auto found = r.read(at, sector);
      ASSERT_TRUE(found) << "what was readable is not any more, at " << at << ": " << found.error().message();
      std::uint64_t value = 0;
      std::memcpy(&value, found->data(), 8);
      ASSERT_TRUE(c.may_be(value)) << "at " << at << " is " << value << ", durable was " << c.durable;
      ASSERT_EQ(*found, content(value, sector)) << "a sector is torn";
    }
    ASSERT_EQ(r.device->counts().corrupt, 0U);
  }
  void every_block_is_checked() {
    r.settle();
    ASSERT_NO_FATAL_FAILURE(judge());
    for (std::uint64_t region = 0; region < regions; ++region) {
      for (std::uint64_t b = 0; b < written_blocks; ++b) {
        const std::uint64_t at = region * format::region_bytes + b * summed_block;
        r.flush();
        r.flip_data(at + chance.below(summed_block));
        ASSERT_TRUE(r.refuses(at)) << "at " << at;
        ASSERT_TRUE(r.write(at, 1));
      }
    }
  }
};

TEST(checksum_cut, at_every_request_nothing_readable_becomes_unreadable_and_protection_comes_back) {
  log::ours().set_level(spdlog::level::off);
  std::uint64_t cuts = 0;
  for (std::uint64_t seed = 1; seed <= seeds(4); ++seed) {
    for (std::uint64_t at = 1;; ++at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", cut at request " + std::to_string(at));
      history h(seed);
      h.cut_at = at;
      h.arm();
      h.play(12);
      if (!h.cut) break;
      ++cuts;
      h.cut_at = UINT64_MAX;
      h.power_on();
      ASSERT_NO_FATAL_FAILURE(h.judge());
      // Once more, while it learns and is written to.
      h.cut_at = 1 + h.chance.below(30);
      h.requests = 0;
      h.play(4);
      if (h.cut) {
        h.cut_at = UINT64_MAX;
        h.power_on();
        ASSERT_NO_FATAL_FAILURE(h.judge());
      }
      h.cut_at = UINT64_MAX;
      ASSERT_NO_FATAL_FAILURE(h.every_block_is_checked());
    }
  }
  RecordProperty("cuts", static_cast<int>(cuts));
  EXPECT_GT(cuts, 100U);
}

}  // namespace
}  // namespace vds::array::integrity::testing
