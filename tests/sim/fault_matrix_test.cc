// The fault matrix: each level, with no fault up to one more than it survives, of each kind, in each activity. Up to
// the redundancy everything reads what was written and nothing fails; one fault more, and never a byte is wrong.
//   fault_matrix_test [--lives=N] [--seed=FIRST] [--cell=LEVEL/FAULTS/KIND/ACTIVITY] [--report]
// A cell is N lives, of seeds FIRST, FIRST + 1, ...; --report writes a line for each cell: matrix.py makes the page.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/world.h"

namespace vds::sim {
namespace {

struct level {
  const char* name;
  lun_type type;
  std::size_t drives;
  unsigned plexes, survives;
  std::uint64_t bytes;
};
constexpr std::uint64_t small = 128 << 10;
constexpr level levels[] = {
    {"simple", lun_type::simple, 1, 0, 0, small},     {"span", lun_type::span, 2, 0, 0, 3584 << 10},
    {"stripe", lun_type::stripe, 3, 0, 0, 192 << 10}, {"mirror2", lun_type::mirror, 2, 2, 1, small},
    {"mirror3", lun_type::mirror, 3, 3, 2, small},    {"raid5", lun_type::parity, 4, 0, 1, 192 << 10},
    {"raid6", lun_type::raid6, 5, 0, 2, 192 << 10},   {"raid10", lun_type::raid10, 4, 2, 1, small},
    {"raid50", lun_type::raid50, 6, 0, 1, 256 << 10}, {"raid60", lun_type::raid60, 8, 0, 2, 256 << 10},
};

enum class kind { none, gone, read_errors, write_errors, stale, power_cut, hung, corrupt };
constexpr const char* kinds[] = {"none",  "gone",      "read-errors", "write-errors",
                                 "stale", "power-cut", "hung",        "corruption"};
enum class activity { idle, reading, small_writes, full_rows, rebuilding, resyncing };
constexpr const char* activities[] = {"idle", "reading", "small-writes", "full-rows", "rebuilding", "resyncing"};
constexpr world::load loads[] = {world::load::none,      world::load::reads, world::load::small_writes,
                                 world::load::full_rows, world::load::mixed, world::load::mixed};

struct cell {
  const level* l;
  unsigned faults;
  kind what;
  activity during;
  std::string name() const {
    return std::string(l->name) + "/" + std::to_string(faults) + "/" + kinds[static_cast<int>(what)] + "/" +
           activities[static_cast<int>(during)];
  }
};

std::uint64_t hash(const std::string& text) {
  std::uint64_t h = 14695981039346656037ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return h;
}

struct life {
  const cell& c;
  seeded_random chance;
  world w;
  std::shared_ptr<lun> on;
  std::size_t spare;                               // the first drive that is no member
  std::vector<std::size_t> struck;                 // by a fault, in this order
  std::vector<std::vector<std::uint64_t>> places;  // where the LUN lies on each member: blocks, starts of extents

  life(const cell& what, std::uint64_t seed)
      : c(what),
        chance(hash(what.name()) + seed),
        w(what.l->drives + (what.l->plexes == 3 ? 4 : 2), hash(what.name()) * 31 + seed),
        spare(what.l->drives) {}

  bool rebuilds_lost() const { return c.during == activity::rebuilding && c.faults > 0 && c.l->survives > 0; }

  void choose() {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < c.l->drives; ++i) members.push_back(i);
    for (unsigned n = 0; n < c.faults && !members.empty(); ++n) {
      const auto at = members.begin() + static_cast<std::ptrdiff_t>(chance.below(members.size()));
      struck.push_back(*at);
      members.erase(at);
    }
  }

  void note_places() {
    const auto info = w.r.array->lun(on->id);
    for (std::size_t d = 0; d < c.l->drives; ++d) {
      places.emplace_back();
      for (const auto& p : info->plexes)
        for (const auto& e : p.extents)
          for (std::uint64_t at = 0; e.drive == w.r.drive_id(d) && at < e.size.n; at += w.r.extent_bytes)
            places[d].push_back((e.offset.n + at) / sector_bytes);
    }
  }
  // The same place on every drive that is struck (the worst case), or each its own.
  void make_unreadable(std::size_t drive, std::uint64_t common) {
    const auto& found = places[drive < places.size() ? drive : 0];  // of the spare: some
    const std::uint64_t where = common != 0 ? common : chance.next();
    const std::uint64_t in_extent = w.r.extent_bytes / sector_bytes;
    const std::uint64_t count = 1 + where / 7 % 24, start = where / 1000 % (in_extent - count);
    w.faults[drive].cured_by_writing = chance.below(2) == 0;
    for (std::uint64_t i = 0; i < count && !found.empty(); ++i)
      w.faults[drive].unreadable.insert(found[where % found.size()] + start + i);
  }

  void make_wrong(std::size_t drive, std::uint64_t common) {
    const auto& found = places[drive < places.size() ? drive : 0];
    const std::uint64_t where = common != 0 ? common : chance.next();
    const std::uint64_t in_extent = w.r.extent_bytes / sector_bytes;
    const std::uint64_t count = 1 + where / 7 % 24, start = where / 1000 % (in_extent - count);
    for (std::uint64_t i = 0; i < count && !found.empty(); ++i)
      w.corrupt(drive, found[where % found.size()] + start + i);
  }

  void strike(std::size_t drive, std::uint64_t place) {
    switch (c.what) {
      case kind::none:
      case kind::power_cut:
        break;
      case kind::gone:
      case kind::stale:
        return w.vanish(drive);
      case kind::read_errors:
        return make_unreadable(drive, place);
      case kind::write_errors:
        w.faults[drive].write_errors = true;
        break;
      case kind::hung:
        return w.hang(drive);
      case kind::corrupt:
        return make_wrong(drive, place);
    }
  }

  // Sets the faults to happen within so many requests from now.
  void schedule(std::uint64_t within) {
    const std::uint64_t common = chance.below(2) == 0 ? 0 : chance.next() | 1;
    if (c.what == kind::power_cut) return w.cut_after(1 + chance.below(within));
    std::vector<std::size_t> to(struck.begin() + (rebuilds_lost() ? 1 : 0), struck.end());
    if (rebuilds_lost() && to.empty()) to.push_back(spare);  // costs no redundancy
    if (c.what == kind::corrupt) {  // what is at rest: nothing is unflushed or under way any more
      w.quiet();
      for (const auto d : to) strike(d, common);
      return;
    }
    for (const auto d : to) w.at_request(1 + chance.below(within), [this, d, common] { strike(d, common); });
  }

  bool start() {
    if (!w.boot()) return false;
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < c.l->drives; ++i) members.push_back(i);
    on = w.create(c.l->type, c.l->bytes, c.l->plexes, members);
    if (!on) return false;
    note_places();
    w.r.ex.run(w.write(on, 0, on->bytes.size(), true, false));
    w.play(on, world::load::mixed, 2, chance);
    return w.errors == 0;
  }

  // Before the faults: what makes the activity. False: refused.
  bool prepare() {
    if (c.during == activity::resyncing) {
      w.cut_after(5 + chance.below(40));
      w.play(on, world::load::mixed, 20, chance);
      power_off();
      if (c.what != kind::corrupt) schedule(60);
      if (!boot()) return false;
      if (c.what == kind::corrupt) schedule(60);
      return true;
    }
    if (c.during != activity::rebuilding) {
      schedule(c.during == activity::idle ? 1 : 60);
      return true;
    }
    if (rebuilds_lost()) {
      EXPECT_TRUE(w.r.ex.run(w.r.array->set_spare(w.r.drive_id(spare), true)));
      schedule(60);
      w.vanish(struck[0]);
    } else {
      schedule(60);
      rt::start([](world& in, guid from, guid to) -> rt::task<void> {
        (void)co_await in.r.array->replace_drive(from, to);
      }(w, w.r.drive_id(0), w.r.drive_id(spare)));
    }
    return true;
  }

  void power_off() {
    w.power_off();
    if (on) on->bytes.power_cut();
  }
  // Refused: an honest answer, if it is allowed to be.
  bool boot() {
    auto s = w.boot();
    if (!s && w.cut()) {  // in the middle of it: once more
      power_off();
      lose_struck();
      s = w.boot();
    }
    if (!s && ++w.errors == 1) w.first_error = "starting: " + s.error().message();
    return s.has_value();
  }
  void lose_struck() {
    if (c.what != kind::power_cut) return;
    for (const auto d : struck) w.faults[d].gone = true;
  }
  bool after_a_cut() {
    if (!w.cut()) return true;
    power_off();
    lose_struck();
    return boot();
  }
  bool restart() {
    // What is wrong in a region that is being written when the power goes is taken for right.
    if ((c.what == kind::corrupt || chance.below(2) == 0) && w.shut_down()) {
      on->bytes.all_durable();
      return boot();
    }
    power_off();
    return boot();
  }

  void run() {
    choose();
    if (!start()) return w.wrong("it did not even start: " + w.first_error);
    if (!prepare()) return;
    w.play(on, loads[static_cast<int>(c.during)], 12, chance);
    if (c.what == kind::power_cut && !w.cut()) {
      power_off();
      lose_struck();
      if (!boot()) return;
    } else {
      w.all_due();
      if (!after_a_cut()) return;
    }
    w.judge(on);
    if (c.what == kind::stale) {
      w.play(on, world::load::mixed, 3, chance);  // what they miss
      for (const auto d : struck) w.come_back(d);
    }
    w.play(on, world::load::mixed, 3, chance);
    w.judge(on);
    if (!restart()) return;
    w.judge(on);
    w.play(on, world::load::mixed, 2, chance);
    w.judge(on);
    const auto info = w.r.array->lun(on->id);
    if (!info) return;
    if (info->health == lun_health::healthy && c.what != kind::read_errors) w.scrub(on);
    if (c.faults == 0 && info->health != lun_health::healthy) w.wrong("no drive is lost, and the LUN is not healthy");
  }
};

std::vector<cell> all_cells() {
  std::vector<cell> out;
  for (const auto& l : levels) {
    for (unsigned faults = 0; faults <= l.survives + 1; ++faults) {
      if (faults > l.drives) continue;
      for (int k = 0; k < static_cast<int>(std::size(kinds)); ++k) {
        const auto what = static_cast<kind>(k);
        if (faults == 0 ? what != kind::none && what != kind::power_cut : what == kind::none) continue;
        for (int a = 0; a < 6; ++a) out.push_back({&l, faults, what, static_cast<activity>(a)});
      }
    }
  }
  return out;
}

std::uint64_t lives = 0, first_seed = 1;
std::string only;
bool report = false;

TEST(fault_matrix, up_to_the_redundancy_everything_is_correct_and_beyond_it_no_byte_is_wrong) {
  std::uint64_t cells = 0;
  for (const auto& c : all_cells()) {
    if (!only.empty() && c.name() != only) continue;
    ++cells;
    std::uint64_t errors = 0, wrong = 0;
    for (std::uint64_t seed = first_seed; seed < first_seed + lives; ++seed) {
      const std::string again = "fault_matrix_test --lives=1 --seed=" + std::to_string(seed) + " --cell=" + c.name();
      living(again);
      life one(c, seed);
      one.run();
      errors += one.w.errors > 0 ? 1 : 0;
      wrong += one.w.wrongs.empty() ? 0 : 1;
      if (!one.w.wrongs.empty()) ADD_FAILURE() << one.w.wrongs.front() << "\nAgain: " << again;
      if (c.faults <= c.l->survives && one.w.errors > 0) {
        ADD_FAILURE() << "an error within the redundancy: " << one.w.first_error << "\nAgain: " << again;
      }
    }
    const char* result = wrong > 0 ? "FAILURE" : errors > 0 ? "honest error" : "correct";
    if (report) std::printf("cell|%s|%s|%llu\n", c.name().c_str(), result, static_cast<unsigned long long>(lives));
  }
  EXPECT_GT(cells, 0U) << "no such cell";
  RecordProperty("cells", static_cast<int>(cells));
}

TEST(fault_matrix, the_same_seed_gives_the_same_trace) {
  const auto cells = all_cells();
  for (std::size_t i = 0; i < cells.size(); i += 97) {
    living("the_same_seed_gives_the_same_trace, " + cells[i].name());
    life one(cells[i], 7), other(cells[i], 7);
    one.run();
    other.run();
    EXPECT_EQ(one.w.trace(), other.w.trace()) << cells[i].name();
    EXPECT_GT(one.w.requests(), 50U);
  }
}

}  // namespace
}  // namespace vds::sim

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  using namespace vds::sim;
  lives = seeds(1);
  if (const char* text = argument(argc, argv, "--lives=")) lives = std::strtoull(text, nullptr, 10);
  if (const char* text = argument(argc, argv, "--seed=")) first_seed = std::strtoull(text, nullptr, 10);
  if (const char* text = argument(argc, argv, "--cell=")) only = text;
  report = argument(argc, argv, "--report") != nullptr;
  return RUN_ALL_TESTS();
}
