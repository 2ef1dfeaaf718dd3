// Random lives of an array: LUNs come and go, initiators write, drives vanish, come back, hang, fail, are replaced and
// taken over, the power goes in the middle of anything, also of starting. What the array says of itself is believed
// and held against it: a LUN that survives a loss must survive it.
//   random_life_test [--lives=N] [--seed=FIRST]      VDS_SIM_SEEDS=N: that many lives
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/world.h"

namespace vds::sim {
namespace {

std::uint64_t lives = 0, first_seed = 1;

struct counts {
  std::uint64_t cuts = 0, restarts = 0, losses = 0, luns = 0, rebuilds = 0, doomed = 0;
};
counts total;

struct random_life {
  enum class existence { maybe, there, gone };
  struct known {
    std::shared_ptr<lun> what;
    existence is = existence::there;
    bool doomed = false;  // more was taken from it than it survives
  };
  seeded_random chance;
  world w;
  std::vector<known> luns;
  std::vector<guid> ids;                  // of drives, by medium; nil: removed
  std::set<std::size_t> unnoticed, sick;  // something was done to them that the array need not know of yet

  explicit random_life(std::uint64_t seed) : chance(seed * 6364136223846793005ULL), w(7, seed) {}

  bool wrong() const { return !w.wrongs.empty() || ::testing::Test::HasFailure(); }
  array::drive_state state(std::size_t i) const {
    const auto d = w.r.array->drive(ids[i]);
    return d ? d->state : array::drive_state::missing;
  }
  std::vector<std::size_t> online() const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] && state(i) == array::drive_state::online) out.push_back(i);
    return out;
  }
  void notice() {
    std::erase_if(unnoticed, [this](auto i) { return state(i) != array::drive_state::online; });
    std::erase_if(sick, [this](auto i) { return w.faults[i].unreadable.empty(); });
  }
  bool on_drive(const known& l, std::size_t i) const {
    const auto uses = w.r.array->drive_uses(ids[i]);
    return std::any_of(uses.begin(), uses.end(), [&](const auto& u) { return u.lun == l.what->id; });
  }

  // May this drive be taken away? What that costs is noted.
  bool may_lose(std::size_t i) {
    notice();
    const auto working = online();
    if (unnoticed.contains(i) || state(i) != array::drive_state::online || working.size() < 5) return false;
    if ((working.size() - unnoticed.size() - 1) * 2 <= working.size()) return false;  // no quorum
    std::vector<known*> lost;
    for (auto& l : luns) {
      const auto info = w.r.array->lun(l.what->id);
      if (!info && l.is == existence::maybe) l.doomed = true;  // being made, perhaps on this one
      if (!info || l.doomed) continue;
      std::size_t gone = on_drive(l, i) ? 1 : 0;
      for (const auto other : unnoticed) gone += on_drive(l, other) ? 1 : 0;
      for (const auto other : sick) gone += other != i && on_drive(l, other) ? 1 : 0;
      if (gone > 0 && info->survives_drive_losses < gone) lost.push_back(&l);
    }
    if (!lost.empty() && chance.below(8) != 0) return false;
    for (auto* l : lost) l->doomed = true, ++total.doomed;
    ++total.losses;
    return true;
  }

  bool boot() {
    for (int again = 0;; ++again) {
      if (again < 2 && chance.below(3) == 0) w.cut_after(1 + chance.below(60));
      const auto s = w.boot();
      if (s && !w.cut()) break;
      if (!w.cut()) {
        w.wrong("it does not start: " + s.error().message());
        return false;
      }
      power_off();
    }
    w.r.ex.run_ready();
    ++total.restarts;
    notice();
    for (auto& l : luns) {
      const bool there = w.r.array->lun(l.what->id).has_value();
      if (l.is == existence::there && !there) w.wrong("an acknowledged LUN is missing");
      if (l.is == existence::gone && there) w.wrong("a deleted LUN is back");
      l.is = there ? existence::there : existence::gone;
    }
    std::erase_if(luns, [](const auto& l) { return l.is == existence::gone; });
    return !wrong();
  }
  void power_off() {
    ++total.cuts;
    w.power_off();
    for (auto& l : luns) l.what->bytes.power_cut();
  }

  void judge() {
    for (auto& l : luns) {
      if (l.is != existence::there) continue;
      const auto before = w.errors;
      w.judge(l.what);
      if (w.errors > before && !l.doomed)
        w.wrong(std::string(to_string(l.what->type)) + " within its redundancy: " + w.first_error);
      if (w.errors > before) w.errors = 0;
    }
    w.quiet();
    notice();
    check_space();
    for (auto& l : luns) {
      const auto info = w.r.array->lun(l.what->id);
      if (info && info->health == lun_health::healthy && sick.empty() && unnoticed.empty() && !l.doomed)
        w.scrub(l.what);
    }
  }

  // On drives that work each extent belongs to at most one LUN, and used, free and wiping extents add up.
  void check_space() {
    std::map<guid, std::map<std::uint64_t, std::uint64_t>> used;  // drive -> offset -> end
    bool moving = false;
    for (const auto& l : w.r.array->luns()) {
      moving = moving || l.work;
      for (const auto& p : l.plexes) {
        for (const auto& e : p.extents) {
          const auto d = w.r.array->drive(e.drive);
          if (!d || d->state != array::drive_state::online) continue;
          if (!used[e.drive].emplace(e.offset.n, e.offset.n + e.size.n).second) w.wrong("an extent is used twice");
        }
      }
    }
    for (const auto& d : w.r.array->drives()) {
      if (d.state != array::drive_state::online || moving) continue;
      std::uint64_t end = 0, bytes = 0;
      for (const auto& [from, to] : used[d.id]) {
        if (from < end) w.wrong("extents overlap");
        end = to;
        bytes += to - from;
      }
      if (bytes + d.free.n + d.wiping.n != d.capacity.n) w.wrong("space of " + d.path + " is lost or made up");
    }
  }

  void create() {
    struct kind {
      lun_type type;
      unsigned plexes;
    };
    const kind all[] = {{lun_type::simple, 0}, {lun_type::stripe, 0}, {lun_type::mirror, 2}, {lun_type::mirror, 3},
                        {lun_type::parity, 0}, {lun_type::raid6, 0},  {lun_type::raid10, 0}};
    const auto& k = all[chance.below(7)];
    array::lun_spec s;
    s.id = random_guid(chance);
    s.type = k.type;
    s.plexes = k.plexes;
    s.size = byte_count{(1 + chance.below(6)) * 32768};
    const bool parity = k.type == lun_type::parity || k.type == lun_type::raid6;
    luns.push_back(
        {std::make_shared<lun>(lun{s.id, s.type, 64, content(s.size.n / sector_bytes, parity)}), existence::maybe});
    if (!sick.empty() || !unnoticed.empty()) luns.back().doomed = true;  // made on what is lost already
    rt::start([](random_life& me, array::lun_spec spec) -> rt::task<void> {
      const auto made = co_await me.w.r.array->create_lun(spec);
      for (auto& l : me.luns)
        if (l.what->id == spec.id && !me.w.cut()) l.is = made ? existence::there : existence::gone;
      if (made) ++total.luns;
    }(*this, s));
  }
  void remove() {
    auto& l = luns[chance.below(luns.size())];
    if (l.is != existence::there) return;
    l.is = existence::maybe;
    rt::start([](random_life& me, guid id) -> rt::task<void> {
      const auto done = co_await me.w.r.array->delete_lun(id);
      for (auto& m : me.luns)
        if (m.what->id == id && done) m.is = existence::gone;
    }(*this, l.what->id));
  }
  void forget_deleted() {
    for (auto& l : luns)
      if (l.is == existence::gone && w.r.array->lun(l.what->id)) w.wrong("a deleted LUN is there");
    std::erase_if(luns, [](const auto& l) { return l.is == existence::gone; });
  }

  void lose(std::size_t i) {
    if (!may_lose(i)) return;
    unnoticed.insert(i);
    const auto how = chance.below(5);
    const auto strike = [this, i, how] {
      if (how <= 1) w.vanish(i);
      if (how == 2) w.hang(i);
      if (how == 3) w.faults[i].write_errors = true;
    };
    if (how == 4)
      (void)w.r.ex.run(w.r.array->fail_drive(ids[i]));
    else if (chance.below(2) == 0)
      strike();
    else
      w.at_request(1 + chance.below(30), strike);
  }
  void sicken(std::size_t i) {
    w.quiet();  // nothing moves to it later that was not asked for its redundancy
    if (w.cut() || !sick.empty() || !ids[i] || w.r.array->drive(ids[i])->spare || !may_lose(i)) return;
    sick.insert(i);
    const std::uint64_t from = 1024 + chance.below(5000);
    for (std::uint64_t b = from; b < from + 40; ++b) w.faults[i].unreadable.insert(b);
  }
  void bring_new() {
    // What nobody uses any more makes place first.
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!ids[i] || state(i) == array::drive_state::online || !w.r.array->drive_uses(ids[i]).empty()) continue;
      if (!w.r.ex.run(w.r.array->remove_drive(ids[i]))) continue;
      ids[i] = {};
      w.vanish(i);
    }
    if (ids.size() >= 14) return;
    w.r.add_medium(4 << 20);
    w.faults.resize(w.r.media.size());
    const auto added = w.r.ex.run(w.r.array->add_drive(w.r.open(ids.size()), {.zeroed = true}));
    ids.push_back(added ? added->id : guid{});
    w.arm(ids.size() - 1);
    if (!added) w.vanish(ids.size() - 1);
  }
  void rebuild() {
    if (!sick.empty()) return;
    ++total.rebuilds;
    const auto a = chance.below(ids.size()), b = chance.below(ids.size());
    auto& all = *w.r.array;
    rt::start([](array::array& of, guid from, guid to, guid on, std::uint64_t what) -> rt::task<void> {
      if (what == 0) (void)co_await of.set_spare(to, true);
      if (what == 1) (void)co_await of.replace_drive(from, to);
      if (what == 2) (void)co_await of.recover_lun(on);
      if (what == 3) (void)co_await of.set_spare(to, false);
    }(all, ids[a], ids[b], luns.empty() ? guid{} : luns[chance.below(luns.size())].what->id, chance.below(4)));
  }

  void step() {
    const auto some = chance.below(ids.size());
    switch (chance.below(16)) {
      case 0:
        if (luns.size() < 5) create();
        break;
      case 1:
        if (luns.size() > 2) remove();
        break;
      case 2:
        lose(some);
        break;
      case 3:
        if (w.faults[some].gone && ids[some]) w.come_back(some);
        break;
      case 4:
        sicken(some);
        break;
      case 5:
        bring_new();
        break;
      case 6:
      case 7:
        rebuild();
        break;
      case 8:
        w.cut_after(1 + chance.below(80));
        break;
      case 9:
        w.quiet();
        w.all_due();
        if (!w.cut()) restart();
        break;
      default:
        for (auto& l : luns)
          if (l.is == existence::there) w.start_some(l.what, world::load::mixed, chance);
    }
  }
  void restart() {
    if (chance.below(2) == 0 && w.shut_down()) {
      for (auto& l : luns) l.what->bytes.all_durable();
    } else {
      power_off();
    }
    if (boot()) judge();
  }

  void live() {
    if (!w.boot()) return w.wrong("it does not begin");
    for (std::size_t i = 0; i < 7; ++i) ids.push_back(w.r.drive_id(i));
    for (int i = 0; i < 3; ++i) create();
    w.quiet();
    for (int i = 0; i < 25 && !wrong(); ++i) {
      step();
      if (!w.cut()) w.let_run(chance);
      if (w.cut()) {
        power_off();
        if (!boot()) return;
      }
      forget_deleted();
      if (i % 6 == 5) {
        w.quiet();
        w.all_due();
        if (w.cut()) continue;
        judge();
        if (w.cut()) {
          power_off();
          if (!boot()) return;
        }
      }
    }
    if (wrong()) return;
    w.quiet();
    w.all_due();
    power_off();
    if (boot()) judge();
  }
};

TEST(random_life, no_life_loses_what_was_acknowledged_within_its_redundancy_or_reads_a_wrong_byte_beyond_it) {
  for (std::uint64_t seed = first_seed; seed < first_seed + lives; ++seed) {
    const std::string again = "random_life_test --lives=1 --seed=" + std::to_string(seed);
    living(again);
    SCOPED_TRACE("Again: " + again);
    random_life one(seed);
    one.live();
    if (!one.w.wrongs.empty()) ADD_FAILURE() << one.w.wrongs.front();
    if (HasFailure()) return;
  }
  std::printf("%llu lives: %llu power cuts, %llu starts, %llu lost drives, %llu LUNs made, %llu doomed\n",
              static_cast<unsigned long long>(lives), static_cast<unsigned long long>(total.cuts),
              static_cast<unsigned long long>(total.restarts), static_cast<unsigned long long>(total.losses),
              static_cast<unsigned long long>(total.luns), static_cast<unsigned long long>(total.doomed));
}

TEST(random_life, the_same_seed_is_the_same_life) {
  random_life one(first_seed), other(first_seed);
  one.live();
  other.live();
  EXPECT_EQ(one.w.trace(), other.w.trace());
}

}  // namespace
}  // namespace vds::sim

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  using namespace vds::sim;
  lives = seeds(500);
  if (const char* text = argument(argc, argv, "--lives=")) lives = std::strtoull(text, nullptr, 10);
  if (const char* text = argument(argc, argv, "--seed=")) first_seed = std::strtoull(text, nullptr, 10);
  return RUN_ALL_TESTS();
}
