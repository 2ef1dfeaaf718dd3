// The write hole. The power goes at some request of a history of concurrent writes to a LUN with parity (or a stripe of
// mirrors), in the middle of that request; of what was unflushed any sectors survive; then as many drives are lost as
// the level tolerates. Each sector must hold what was acknowledged last, or something that was being written.
// VDS_CRASH_SEEDS=n runs n seeds with every cut instead of a sample; VDS_CRASH_EXHAUSTIVE=1 enumerates everything in
// the small scopes. A failure prints its seed and its cut.
#include <gtest/gtest.h>

#include <cstdlib>

#include "array/engine/lun_device.h"
#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

unsigned seeds(unsigned few) {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  return text != nullptr ? static_cast<unsigned>(std::atoi(text)) : few;
}
bool thorough() { return std::getenv("VDS_CRASH_SEEDS") != nullptr; }
bool exhaustive() { return std::getenv("VDS_CRASH_EXHAUSTIVE") != nullptr; }

struct level {
  lun_type type;
  std::size_t drives;
  unsigned tolerates;  // any drives
  bool acknowledged_is_durable;
};
const level levels[] = {
    {lun_type::parity, 3, 1, true}, {lun_type::parity, 4, 1, true},  {lun_type::raid6, 4, 2, true},
    {lun_type::raid6, 5, 2, true},  {lun_type::raid10, 4, 1, false}, {lun_type::raid50, 6, 1, true},
    {lun_type::raid60, 8, 2, true},
};

constexpr std::size_t sector = 512;

// What a sector holds after that write; 0: zeros.
void paint(std::byte* out, std::uint64_t value, std::uint64_t where) {
  std::uint64_t x = value == 0 ? 0 : value * 0x9e3779b97f4a7c15ULL + where;
  for (std::size_t i = 0; i < sector; i += 8) {
    std::memcpy(out + i, &x, 8);
    if (value != 0) x = x * 6364136223846793005ULL + 1442695040888963407ULL;
  }
}

struct history {
  rig r;
  level l;
  guid id{{0x40}};
  std::uint64_t sectors = 0, last_value = 0, requests = 0, cut_at = UINT64_MAX;
  bool cut = false;
  struct content {
    std::uint64_t durable = 0, newest = 0;  // newest: acknowledged, and not yet flushed where that matters
    std::set<std::uint64_t> possible;
    bool busy = false;
  };
  std::vector<content> model;
  std::set<std::size_t> lost;

  history(const level& what, std::uint64_t seed, std::uint64_t bytes = 160 * 1024)
      : r(what.drives, 4 << 20, seed), l(what) {
    EXPECT_TRUE(r.boot());
    lun_spec s;
    s.id = id;
    s.type = l.type;
    s.size = byte_count{bytes};
    s.stripe_bytes = 16384;
    auto made = r.ex.run(r.array->create_lun(s));
    EXPECT_TRUE(made) << made.error().message();
    sectors = bytes / sector;
    model.resize(sectors);
  }
  void arm() {
    requests = 0;
    cut = false;
    for (auto& d : r.drives) {
      if (!d) continue;
      d->set_rule([this, &d](const io::faulty_device::call& c) {
        if (++requests != cut_at) return io::fault::none;
        cut = true;
        for (auto& other : r.drives)
          if (other && other != d) other->vanish();
        if (c.what == io::faulty_device::request::write || c.what == io::faulty_device::request::zero)
          return io::fault::tear;
        d->vanish();
        return io::fault::none;
      });
    }
  }
  rt::task<void> write(std::uint64_t at, std::uint64_t count, bool fua, bool zeros) {
    const std::uint64_t value = zeros ? 0 : ++last_value;
    std::vector<std::byte> bytes(count * sector);
    for (std::uint64_t i = 0; i < count; ++i) {
      auto& m = model[at + i];
      m.busy = true;
      m.possible.insert(value);
      paint(bytes.data() + i * sector, value, at + i);
    }
    auto* d = r.array->device(id);
    const auto how = fua ? io::durability::fua : io::durability::cached;
    status s;
    if (zeros)
      s = co_await d->write_zeroes(lba{at}, block_count{count}, true, how);
    else
      s = co_await d->write(lba{at}, io::const_buffer(bytes), how);
    for (std::uint64_t i = 0; i < count; ++i) {
      auto& m = model[at + i];
      m.busy = false;
      if (!s) continue;
      m.newest = value;
      if (!fua && !l.acknowledged_is_durable) continue;
      m.durable = value;
      m.possible.clear();
    }
    EXPECT_TRUE(s || cut) << s.error().message();
  }
  rt::task<void> flush() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> covered;
    for (std::uint64_t i = 0; i < sectors; ++i)
      if (!model[i].busy && !model[i].possible.empty()) covered.emplace_back(i, model[i].newest);
    auto s = co_await r.array->device(id)->flush();
    if (!s) co_return;
    for (const auto& [i, value] : covered) {
      model[i].durable = value;
      if (!model[i].busy) model[i].possible.clear();
    }
  }
  void play(random_source& chance, int rounds) {
    for (int i = 0; i < rounds && !cut; ++i) {
      const std::size_t at_once = 1 + chance.below(3);
      for (std::size_t k = 0; k < at_once; ++k) {
        const std::uint64_t kinds[] = {1, 3, 8, 8, 32, 40, 64, 130};
        const std::uint64_t n = kinds[chance.below(8)];
        std::uint64_t at = chance.below(sectors - n + 1);
        if (chance.below(2) == 0) at = std::min(at / 32 * 32, sectors - n);
        bool free = true;
        for (std::uint64_t j = 0; j < n; ++j) free = free && !model[at + j].busy;
        if (free) rt::start(write(at, n, chance.below(3) == 0, chance.below(10) == 0));
      }
      if (chance.below(4) == 0) rt::start(flush());
      // Not always until all is quiet: the next ones join what is under way.
      if (chance.below(3) == 0)
        for (int step = 0; step < 5; ++step) r.ex.step();
      else
        r.ex.run();
    }
    r.ex.run();
  }
  void power_off() {
    for (auto& d : r.drives)
      if (d) d->power_cut();
    r.end();
  }
  status boot() {
    std::vector<std::size_t> rest;
    for (std::size_t i = 0; i < l.drives; ++i)
      if (!lost.contains(i)) rest.push_back(i);
    r.force = true;  // of four drives two may be gone, and nobody runs elsewhere
    return r.boot(rest);
  }
  void lose_some(random_source& chance) {
    while (lost.size() < l.tolerates) lost.insert(chance.below(l.drives));
  }
  void judge() {
    for (int pass = 0; pass < 2; ++pass) {
      auto bytes = r.read_all(id);
      ASSERT_TRUE(bytes) << bytes.error().message();
      std::vector<std::byte> expected(sector);
      for (std::uint64_t i = 0; i < sectors; ++i) {
        auto& m = model[i];
        auto values = m.possible;
        values.insert(m.durable);
        bool fine = false;
        for (const auto v : values) {
          paint(expected.data(), v, i);
          if (std::memcmp(expected.data(), bytes->data() + i * sector, sector) != 0) continue;
          fine = true;
          m.durable = m.newest = v;  // from now on it stays so
          m.possible.clear();
          break;
        }
        ASSERT_TRUE(fine) << "sector " << i << " is neither old nor new; " << values.size() << " values were possible";
      }
      r.ex.run();
    }
  }
  void scrub() {
    auto& d = dynamic_cast<engine::lun_device&>(*r.array->device(id));
    for (const auto& g : d.groups()) {
      for (std::uint32_t o = 0; o < g->shape().extents(); ++o) {
        auto report = r.ex.run(g->verify_extent(o, false));
        ASSERT_TRUE(report);
        ASSERT_EQ(report->mismatched, 0U) << "group " << g->index() << ", extent " << o;
      }
    }
  }
};

std::string name_of(const level& l) { return std::string(to_string(l.type)) + " on " + std::to_string(l.drives); }

TEST(write_hole, a_cut_and_then_lost_drives_leave_each_sector_old_or_new) {
  std::uint64_t cuts = 0;
  for (const auto& l : levels) {
    for (std::uint64_t seed = 1; seed <= seeds(1); ++seed) {
      seeded_random steps(seed);
      for (std::uint64_t at = 1;; at += thorough() ? 1 : 1 + steps.below(8)) {
        SCOPED_TRACE(name_of(l) + ", seed " + std::to_string(seed) + ", cut at request " + std::to_string(at));
        seeded_random chance(seed * 77 + l.drives), after(seed * 1000 + at);
        history h(l, seed * 1000 + at);
        if (::testing::Test::HasFailure()) return;
        h.cut_at = at;
        h.arm();
        const bool degraded = seed % 3 == 0;  // one drive is gone long before the power goes
        h.play(chance, 4);
        if (degraded && !h.cut) {
          h.lost.insert(after.below(l.drives));
          h.r.drives[*h.lost.begin()]->vanish();
        }
        h.play(chance, 8);
        const bool over = !h.cut;
        h.power_off();
        h.lose_some(after);
        if (after.below(2) == 0) h.lost.erase(h.lost.begin());
        if (degraded && h.lost.empty()) h.lose_some(after);
        const auto booted = h.boot();
        ASSERT_TRUE(booted) << booted.error().message();
        h.judge();
        if (::testing::Test::HasFatalFailure()) return;
        if (h.lost.empty()) h.scrub();
        // And it goes on.
        h.cut_at = UINT64_MAX;
        h.cut = false;
        h.play(after, 3);
        h.judge();
        if (::testing::Test::HasFailure()) return;
        ++cuts;
        if (over) break;
      }
    }
  }
  RecordProperty("cuts", static_cast<int>(cuts));
  std::printf("%llu cuts\n", static_cast<unsigned long long>(cuts));
}

TEST(write_hole, a_second_cut_while_the_journal_is_replayed_changes_nothing) {
  for (const auto& l : levels) {
    for (std::uint64_t seed = 1; seed <= seeds(1); ++seed) {
      seeded_random steps(seed + 5);
      for (std::uint64_t at = 1;; at += thorough() ? 1 : 1 + steps.below(12)) {
        SCOPED_TRACE(name_of(l) + ", seed " + std::to_string(seed) + ", second cut at request " + std::to_string(at));
        seeded_random chance(seed * 78 + l.drives), after(seed * 2000 + at);
        history h(l, seed * 2000 + at);
        h.cut_at = 40 + after.below(60);
        h.arm();
        h.play(chance, 10);
        h.power_off();
        std::vector<std::unique_ptr<io::block_device>> devices;
        for (std::size_t i = 0; i < l.drives; ++i) devices.push_back(h.r.open(i));
        h.cut_at = at;
        h.arm();
        auto a = h.r.ex.run(vds::array::array::assemble(h.r.ex, std::move(devices), h.r.options()));
        if (a) h.r.array = std::move(*a);
        h.r.ex.run();
        const bool over = !h.cut;
        h.power_off();
        h.lose_some(after);
        const auto booted = h.boot();
        ASSERT_TRUE(booted) << booted.error().message();
        h.judge();
        if (::testing::Test::HasFailure()) return;
        if (over) break;
      }
    }
  }
}

// Two rows on three and four drives, two small commands; every cut, every tear of the write that was cut, every subset
// of the unflushed sectors (as far as there are few), every set of tolerated losses.
TEST(write_hole, small_scopes_are_enumerated) {
  std::uint64_t cases = 0;
  struct command {
    std::uint64_t at, count;
  };
  const std::vector<std::vector<command>> programs = {
      {{0, 1}},              // one sector
      {{0, 1}, {33, 1}},     // two columns of one row
      {{31, 2}},             // across a column's border
      {{0, 1}, {0, 1}},      // twice the same place
      {{5, 1}, {64 + 5, 1}}  // two rows
  };
  for (const auto& l : levels) {
    if (l.type != lun_type::parity && l.type != lun_type::raid6) continue;
    if (l.drives > 4) continue;
    std::vector<std::set<std::size_t>> losses = {{}};
    for (std::size_t a = 0; a < l.drives; ++a) {
      losses.push_back({a});
      for (std::size_t b = a + 1; b < l.drives && l.tolerates > 1; ++b) losses.push_back({a, b});
    }
    for (const auto& program : programs) {
      seeded_random steps(program.size());
      for (std::uint64_t at = 1;; at += exhaustive() ? 1 : 1 + steps.below(7)) {
        bool over = false;
        for (std::size_t loss = 0; loss < losses.size(); ++loss) {
          for (std::uint64_t subset = 0, subsets = 1; subset < subsets; ++subset) {
            SCOPED_TRACE(name_of(l) + ", program of " + std::to_string(program.size()) + ", cut " + std::to_string(at) +
                         ", loss " + std::to_string(loss) + ", subset " + std::to_string(subset));
            history h(l, 1, 128 * 1024);
            for (std::uint64_t s = 0; s < h.sectors; s += 64)  // something old everywhere
              h.r.ex.run(h.write(s, 64, true, false));
            ASSERT_TRUE(h.r.shut_down());  // what came before is flushed
            ASSERT_TRUE(h.boot());
            h.cut_at = at;
            h.arm();
            for (const auto& c : program)
              if (!h.cut) h.r.ex.run(h.write(c.at, c.count, false, false));
            over = !h.cut;
            std::size_t unflushed = 0;
            for (auto& d : h.r.drives) unflushed += d->unflushed_sectors();
            const std::uint64_t most = exhaustive() ? 12 : 4;
            const std::uint64_t all = std::uint64_t{1} << std::min<std::uint64_t>(unflushed, 63);
            subsets = unflushed <= most ? all : (exhaustive() ? 400 : 6);
            seeded_random chance(subset * 31 + at);
            const bool sample = unflushed > most;
            const std::size_t torn = chance.below(unflushed + 1);
            std::size_t base = 0;
            for (auto& d : h.r.drives) {
              const std::size_t n = d->unflushed_sectors();
              d->power_cut([&](std::size_t i) {
                if (!sample) return (subset >> (base + i) & 1U) != 0;
                if (subset % 3 == 0) return base + i < torn;   // a prefix
                if (subset % 3 == 1) return base + i >= torn;  // all but one
                return chance.below(2) == 0;
              });
              base += n;
            }
            h.r.end();
            h.lost = losses[loss];
            const auto booted = h.boot();
            ASSERT_TRUE(booted) << booted.error().message();
            h.judge();
            if (::testing::Test::HasFailure()) return;
            if (h.lost.empty()) h.scrub();
            if (::testing::Test::HasFailure()) return;
            ++cases;
          }
        }
        if (over) break;
      }
    }
  }
  std::printf("%llu cases\n", static_cast<unsigned long long>(cases));
}

}  // namespace
}  // namespace vds::array::testing
