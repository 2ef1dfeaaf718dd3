// Random writes of two initiators, aborts, resets, masks, lost connections and logins, in a random order of everything
// that is ready. Whenever task management is answered, a login succeeds or a mask has changed, nothing that was said to
// be over by that may change the medium any more.
//   iscsi_interleavings_test [--runs=N] [--seed=FIRST]      2,000 runs from seed 1; ctest runs those
#include <charconv>
#include <map>
#include <set>

#include "base/log.h"
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

std::uint64_t runs = 2000, first_seed = 1;

constexpr std::uint64_t blocks = 8;

class interleaving {
 public:
  explicit interleaving(std::uint64_t seed)
      : seed_(seed), random_(seed), rig_({}, seed), d_(rig_.add_lun(0, {true, {}}, 64)) {
    d_.drive.set_latency(1ms);
    for (int who : {0, 1}) log_in(who);
  }

  void run() {
    for (int step = 0; step < 12 && !::testing::Test::HasFailure(); ++step) {
      for (std::uint64_t n = random_.below(4); n > 0; --n) write(static_cast<int>(random_.below(2)));
      for (std::uint64_t n = random_.below(30); n > 0 && rig_.ex().step(); --n) {
      }
      act(static_cast<int>(random_.below(2)));
    }
    rig_.ex().advance(50ms);
    look("the end");
  }

 private:
  struct party {
    std::unique_ptr<initiator> i;
    std::map<std::uint32_t, std::uint32_t> writes;  // tag to value
  };

  std::string name(int who) const { return who == 0 ? "iqn.2026-01.test:a" : "iqn.2026-01.test:b"; }

  void log_in(int who) {
    login_options o;
    o.initiator = name(who);
    o.initial_r2t = random_.below(2) == 0;
    o.immediate_data = random_.below(2) == 0;
    o.header_digest = random_.below(2) == 0;
    o.data_digest = random_.below(2) == 0;
    parties_[who].i = rig_.log_in(o);
  }

  void write(int who) {
    party& p = parties_[who];
    const int at = static_cast<int>(random_.below(blocks - 1));
    const std::uint32_t value = ++last_value_;
    bytes data(1024);
    for (std::size_t i = 0; i < data.size(); i += 4) store(&data[i], be32(value));
    // Sometimes held up behind everything, sometimes durable at once.
    p.writes[rig_.run(p.i->begin(0, {0x2a, random_.below(4) == 0 ? 8 : 0, 0, 0, 0, at, 0, 0, 2, 0}, data))] = value;
  }

  void act(int who) {
    party& p = parties_[who];
    switch (random_.below(9)) {
      case 0: {
        if (p.writes.empty()) return;
        auto victim = std::next(p.writes.begin(), static_cast<std::ptrdiff_t>(random_.below(p.writes.size())));
        EXPECT_LE(rig_.run(p.i->manage(task_function::abort_task, 0, victim->first)), 1);
        over({victim->second});
        p.writes.erase(victim);
        return look("ABORT TASK");
      }
      case 1:
        EXPECT_EQ(rig_.run(p.i->manage(task_function::abort_task_set, 0)), 0);
        over_with(who);
        return look("ABORT TASK SET");
      case 2:
      case 3: {
        const bool reset = random_.below(2) == 0;
        settle_arrival(1 - who);
        const auto what = reset ? task_function::logical_unit_reset : task_function::clear_task_set;
        EXPECT_EQ(rig_.run(p.i->manage(what, 0)), 0);
        over_with(0);
        over_with(1);
        look(reset ? "LOGICAL UNIT RESET" : "CLEAR TASK SET");
        for (party& each : parties_) rig_.run(each.i->clear_attentions(0));
        return;
      }
      case 4:
        if (random_.below(2) == 0) p.i->stream->close();
        log_in(who);
        over_with(who);
        return look("reinstatement");
      case 5: {
        settle_arrival(who);
        EXPECT_TRUE(rig_.run(rig_.target.set_access(0, {false, {name(1 - who)}})));
        over_with(who);
        look("masking");
        EXPECT_TRUE(rig_.run(rig_.target.set_access(0, {true, {}})));
        rig_.run(p.i->clear_attentions(0));
        return;
      }
      case 6:
        settle_arrival(1 - who);
        EXPECT_EQ(rig_.run(p.i->manage(task_function::target_cold_reset, 0)), 0);
        over_with(0);
        over_with(1);
        look("TARGET COLD RESET");
        for (int each : {0, 1}) log_in(each);
        return;
      default:
        for (const auto& [tag, value] : std::exchange(p.writes, {})) EXPECT_EQ(rig_.run(p.i->finish(tag)).status, 0);
        return;
    }
  }

  // What this initiator has sent has been received (if not done): a question behind it was answered. Between initiators
  // nothing else orders a command before a reset.
  void settle_arrival(int who) {
    EXPECT_EQ(rig_.run(parties_[who].i->manage(task_function::abort_task, 0, 0xfffffff0)), 1);
  }

  void over_with(int who) {
    std::vector<std::uint32_t> values;
    for (const auto& [tag, value] : std::exchange(parties_[who].writes, {})) values.push_back(value);
    over(values);
  }

  std::vector<std::uint32_t> medium() {
    d_.drive.set_latency(0ms);
    bytes raw(blocks * 512);
    EXPECT_TRUE(rig_.run(d_.drive.read(lba{0}, raw)));
    d_.drive.set_latency(1ms);
    std::vector<std::uint32_t> values(blocks);
    for (std::size_t b = 0; b < blocks; ++b) {
      values[b] = load<be32>(&raw[b * 512]);
      for (std::size_t i = 4; i < 512; i += 4)
        if (load<be32>(&raw[b * 512 + i]) != values[b]) ADD_FAILURE() << "a mixed block, seed " << seed_;
    }
    return values;
  }

  // These writes have ended: where they are now they may stay, nowhere else may they come.
  void over(const std::vector<std::uint32_t>& values) {
    const auto now = medium();
    for (const std::uint32_t v : values) {
      auto& places = ended_[v];
      for (std::size_t b = 0; b < blocks; ++b)
        if (now[b] == v) places.insert(b);
    }
  }

  void look(const char* after) {
    const auto now = medium();
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto it = ended_.find(now[b]);
      if (it != ended_.end() && !it->second.contains(b))
        ADD_FAILURE() << "write " << now[b] << " landed in block " << b << " after it was over; seen after " << after
                      << ", seed " << seed_;
    }
    // Who was overwritten since does not come back.
    for (auto& [v, places] : ended_) std::erase_if(places, [&](std::size_t b) { return now[b] != v; });
  }

  const std::uint64_t seed_;
  seeded_random random_;
  rig rig_;
  rig::device& d_;
  party parties_[2];
  std::uint32_t last_value_ = 0;
  std::map<std::uint32_t, std::set<std::size_t>> ended_;
};

TEST(interleavings, nothing_lands_after_it_was_said_to_be_over) {
  for (std::uint64_t seed = first_seed; seed < first_seed + runs && !HasFailure(); ++seed) interleaving(seed).run();
}

}  // namespace
}  // namespace vds::iscsi::testing

int main(int argc, char** argv) {
  ::setenv("VDS_LOG", "warn", 0);
  vds::log::start("interleavings");
  ::testing::InitGoogleTest(&argc, argv);
  const auto number = [](std::string_view text, std::string_view name, std::uint64_t& into) {
    if (text.starts_with(name)) std::from_chars(text.data() + name.size(), text.data() + text.size(), into);
  };
  for (int i = 1; i < argc; ++i) {
    number(argv[i], "--runs=", vds::iscsi::testing::runs);
    number(argv[i], "--seed=", vds::iscsi::testing::first_seed);
  }
  return RUN_ALL_TESTS();
}
