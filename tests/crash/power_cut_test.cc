// The power is cut after the n-th request of all drives together, for every n of a history of changes and writes. The
// unflushed sectors that survive are chosen by the seed. Then the array is opened again and an observer compares.
// VDS_CRASH_SEEDS=n runs n seeds instead of a few; a failure prints its seed and its cut.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/crash/model.h"

namespace vds::array::testing {
namespace {

unsigned seeds(unsigned few) {
  const char* text = std::getenv("VDS_CRASH_SEEDS");
  return text != nullptr ? static_cast<unsigned>(std::atoi(text)) : few;
}

struct observer {
  rig r;
  std::map<guid, lun_model> luns;
  std::map<guid, guid> operations;  // acknowledged
  std::uint64_t last_value = 0;
  std::uint64_t requests = 0, cut_at = UINT64_MAX;
  bool cut = false;

  observer(std::size_t n, std::uint64_t seed) : r(n, 4 << 20, seed) {}

  // Counts the requests of all drives; the power goes at one of them.
  void arm() {
    for (auto& d : r.drives) {
      d->set_rule([this](const io::faulty_device::call&) {
        if (++requests == cut_at) {
          cut = true;
          for (auto& other : r.drives) other->power_cut();
        }
        return io::fault::none;
      });
    }
  }

  rt::task<void> create(lun_type type, std::uint64_t blocks, guid id) {
    lun_spec s;
    s.id = id;
    s.type = type;
    s.operation = name_guid(id, "create");
    s.size = byte_count{blocks * 4096};
    luns[id].is = lun_model::state::asked;
    luns[id].type = type;
    luns[id].blocks = blocks;
    auto lun = co_await r.array->create_lun(s);
    if (lun) {
      luns[id].is = lun_model::state::there;
      operations[s.operation] = id;
    } else if (!cut) {
      luns[id].is = lun_model::state::gone;
    }
  }
  rt::task<void> remove(guid id) {
    luns[id].is = lun_model::state::deleting;
    auto s = co_await r.array->delete_lun(id, name_guid(id, "delete"));
    if (s) {
      luns[id].is = lun_model::state::gone;
      operations[name_guid(id, "delete")] = id;
    }
  }
  rt::task<void> rename(guid id, std::string name) {
    const std::uint64_t asked = ++last_value;
    auto& m = luns[id];
    m.possible_names[asked] = name;
    auto s = co_await r.array->set_name(id, name);
    // Answers may be heard in another order than the changes were made.
    if (!s || asked < m.name_asked) co_return;
    m.name = name;
    m.name_asked = asked;
    m.possible_names.erase(m.possible_names.begin(), m.possible_names.upper_bound(asked));
  }
  rt::task<void> write(guid id, std::uint64_t block, bool fua) {
    const std::uint64_t value = ++last_value;
    auto& b = luns[id].content[block];
    b.possible.insert(value);
    const auto bytes = block_of(value);
    auto s = co_await r.array->device(id)->write(lba{block * 8}, io::const_buffer(bytes),
                                                 fua ? io::durability::fua : io::durability::cached);
    if (s && fua) {
      b.durable = value;
      b.possible.clear();
    }
  }
  rt::task<void> flush(guid id) {
    std::map<std::uint64_t, std::uint64_t> newest;  // of writes acknowledged before: here all that were started
    for (auto& [at, b] : luns[id].content)
      if (!b.possible.empty()) newest[at] = *b.possible.rbegin();
    auto s = co_await r.array->device(id)->flush();
    if (!s) co_return;
    for (auto& [at, value] : newest) {
      luns[id].content[at].durable = value;
      std::erase_if(luns[id].content[at].possible, [v = value](auto x) { return x <= v; });
    }
  }

  // The same history for the same seed, until the power goes. One step at a time, except for the group of creates.
  rt::task<void> history(std::uint64_t seed) {
    seeded_random chance(seed * 7919 + 1);
    std::vector<guid> ids;
    for (int i = 0; i < 3; ++i) {
      guid id{{static_cast<std::uint8_t>(0x40 + i)}};
      ids.push_back(id);
      const lun_type types[] = {lun_type::mirror, lun_type::stripe, lun_type::span};
      co_await create(types[i], 40, id);
      if (cut) co_return;
    }
    for (int i = 0; i < 14; ++i) {
      const guid id = ids[chance.below(ids.size())];
      if (luns[id].is != lun_model::state::there) continue;
      switch (chance.below(8)) {
        case 0:
          co_await rename(id, "name " + std::to_string(i));
          break;
        case 1:
        case 2:
          co_await flush(id);
          break;
        case 3:
          co_await write(id, chance.below(40), true);
          break;
        default:
          co_await write(id, chance.below(40), false);
          break;
      }
      if (cut) co_return;
    }
    co_await remove(ids[2]);
    if (cut) co_return;
    co_await create(lun_type::simple, 200, guid{{0x50}});  // on space that was just deleted, as far as it must be
    if (cut) co_return;
    co_await r.array->close();
  }

  void judge() {
    const auto booted = r.boot();
    ASSERT_TRUE(booted) << booted.error().message();
    check_extents(*r.array, r.extent_bytes);
    for (auto& [id, m] : luns) {
      const auto info = r.array->lun(id);
      if (m.is == lun_model::state::there) {
        ASSERT_TRUE(info) << "an acknowledged LUN is missing";
      }
      if (m.is == lun_model::state::gone) {
        ASSERT_FALSE(info) << "a deleted LUN is back";
      }
      if (!info) continue;
      EXPECT_EQ(info->type, m.type);
      EXPECT_EQ(info->size.n, m.blocks * 4096);
      EXPECT_EQ(info->health == lun_health::failed, false);
      EXPECT_TRUE(m.may_be_called(info->name)) << info->name;
      std::vector<std::byte> all;
      for (int pass = 0; pass < 3; ++pass) {  // while a mirror is resynchronised, and after
        auto bytes = r.read_all(id);
        ASSERT_TRUE(bytes) << bytes.error().message();
        if (pass > 0) {
          ASSERT_EQ(*bytes, all) << "reads alternate between old and new";
        }
        all = std::move(*bytes);
        if (pass == 1) r.ex.run();
      }
      for (std::uint64_t b = 0; b < m.blocks; ++b) {
        const auto it = m.content.find(b);
        // Sectors of 512 bytes are whole; a block of eight that was in flight may mix old and new ones.
        for (std::size_t s = 0; s < 8; ++s) {
          std::uint64_t value = 0;
          std::memcpy(&value, all.data() + b * 4096 + s * 512, 8);
          const bool fine =
              it == m.content.end() ? value == 0 : value == it->second.durable || it->second.possible.contains(value);
          ASSERT_TRUE(fine) << "block " << b << " of LUN " << to_string(id) << " holds " << value << ", durable was "
                            << (it == m.content.end() ? 0 : it->second.durable);
        }
      }
    }
    for (const auto& lun : r.array->luns()) ASSERT_TRUE(luns.contains(lun.id));
    for (const auto& [operation, lun] : operations) {
      const auto outcome = r.array->operation(operation);
      ASSERT_EQ(outcome.is, operation_outcome::state::done);
      EXPECT_EQ(outcome.lun, lun);
    }
    // And the array still works.
    auto fresh = r.create(lun_type::mirror, 65536);
    ASSERT_TRUE(fresh) << fresh.error().message();
    ASSERT_TRUE(r.reads_zeros(fresh->id));
    check_extents(*r.array, r.extent_bytes);
  }
};

TEST(power_cut, at_every_request_loses_nothing_acknowledged) {
  std::uint64_t cuts = 0;
  for (std::uint64_t seed = 1; seed <= seeds(3); ++seed) {
    for (std::uint64_t at = 1;; ++at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", cut at request " + std::to_string(at));
      observer o(3, seed * 1000 + at);
      ASSERT_TRUE(o.r.boot());
      o.cut_at = at;
      o.arm();
      o.r.ex.run(o.history(seed));
      const bool over = !o.cut;
      if (over) {
        for (auto& d : o.r.drives) d->power_cut();
      }
      o.r.end();
      o.judge();
      ++cuts;
      if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
      if (over) break;
    }
  }
  RecordProperty("cuts", static_cast<int>(cuts));
}

TEST(power_cut, while_the_array_recovers_from_a_power_cut_loses_nothing_either) {
  for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
    for (std::uint64_t at = 1;; ++at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", second cut at request " + std::to_string(at));
      observer o(3, seed * 5000 + at);
      ASSERT_TRUE(o.r.boot());
      o.cut_at = 60 + seed * 13;
      o.arm();
      o.r.ex.run(o.history(seed));
      o.r.end();
      // The boot itself, and the resynchronisation behind it.
      std::uint64_t requests = 0;
      bool cut = false;
      std::vector<std::unique_ptr<io::block_device>> devices;
      for (std::size_t i = 0; i < 3; ++i) devices.push_back(o.r.open(i));
      for (auto& d : o.r.drives) {
        d->set_rule([&, at](const io::faulty_device::call&) {
          if (++requests == at) {
            cut = true;
            for (auto& other : o.r.drives) other->power_cut();
          }
          return io::fault::none;
        });
      }
      auto a = o.r.ex.run(vds::array::array::assemble(o.r.ex, std::move(devices), o.r.options()));
      if (a) o.r.array = std::move(*a);
      o.r.ex.run();
      const bool over = !cut;
      if (over) {
        for (auto& d : o.r.drives) d->power_cut();
      }
      o.r.end();
      o.judge();
      if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
      if (over) break;
    }
  }
}

// Starts it and lets it run; the power may go in the middle of all of them.
void at_once(rt::task<void> t) { rt::start(std::move(t)); }

TEST(power_cut, with_many_changes_and_writes_in_flight_leaves_each_whole_or_absent) {
  for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
    for (std::uint64_t at = 1;; ++at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", cut at request " + std::to_string(at));
      observer o(3, seed * 9000 + at);
      ASSERT_TRUE(o.r.boot());
      guid mirror{{0x40}}, plain{{0x41}};
      o.r.ex.run(o.create(lun_type::mirror, 64, mirror));
      o.r.ex.run(o.create(lun_type::stripe, 64, plain));
      o.cut_at = at;
      o.arm();
      for (std::uint8_t i = 0; i < 6; ++i) {
        at_once(o.create(i % 2 == 0 ? lun_type::mirror : lun_type::simple, 16,
                         guid{{static_cast<std::uint8_t>(0x60 + i)}}));
        at_once(o.write(mirror, i * 9U, true));
        at_once(o.write(plain, i * 9U, i % 2 == 0));
      }
      at_once(o.rename(mirror, "tank"));
      at_once(o.remove(plain));
      o.r.ex.run();
      const bool over = !o.cut;
      if (over) {
        for (auto& d : o.r.drives) d->power_cut();
      }
      o.r.end();
      o.judge();
      if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
      if (over) break;
    }
  }
}

TEST(power_cut, while_a_snapshot_of_the_log_is_written_loses_no_change) {
  for (std::uint64_t at = 60;; at += seeds(1) > 1 ? 1 : 3) {
    SCOPED_TRACE("cut at request " + std::to_string(at));
    observer o(3, at);
    ASSERT_TRUE(o.r.boot());
    std::vector<guid> ids;
    for (std::uint8_t i = 0; i < 4; ++i) {
      ids.push_back(guid{{static_cast<std::uint8_t>(0x40 + i)}});
      o.r.ex.run(o.create(lun_type::simple, 16, ids.back()));
    }
    o.cut_at = at;
    o.arm();
    for (int i = 0; i < 70 && !o.cut; ++i) {
      // Two at a time, on different LUNs: a batch for both, and the snapshot between the batches.
      const guid a = ids[static_cast<std::size_t>(i) % 4], b = ids[static_cast<std::size_t>(i + 1) % 4];
      at_once(o.rename(a, "a" + std::to_string(i)));
      o.r.ex.run(o.rename(b, "b" + std::to_string(i)));
    }
    o.r.ex.run();
    const bool over = !o.cut;
    if (over) {
      for (auto& d : o.r.drives) d->power_cut();
    }
    o.r.end();
    o.judge();
    if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
    if (over) break;
  }
}

// Small log areas and large values: several snapshots happen on the way.
TEST(power_cut, at_every_request_leaves_settings_as_they_were_or_as_they_were_to_be) {
  using all = std::map<std::string, std::vector<std::byte>>;
  for (std::uint64_t at = 1;; ++at) {
    SCOPED_TRACE("cut at request " + std::to_string(at));
    observer o(3, at);
    ASSERT_TRUE(o.r.boot());
    o.cut_at = at;
    o.arm();
    all before, after;
    for (std::uint8_t i = 0; i < 12 && !o.cut; ++i) {
      before = after;
      std::vector<array::setting_change> changes;  // two at once: both or neither
      changes.push_back({"big/" + std::to_string(i % 2), std::vector<std::byte>(20000U + i, std::byte{i})});
      changes.push_back({"small", std::vector<std::byte>{std::byte{i}}});
      if (i % 3 == 2) changes[1].value.reset();
      for (const auto& c : changes) {
        if (c.value)
          after[c.key] = *c.value;
        else
          after.erase(c.key);
      }
      const auto s = o.r.ex.run(o.r.array->change_settings(std::move(changes)));
      if (s) before = after;
    }
    const bool over = !o.cut;
    if (over) {
      for (auto& d : o.r.drives) d->power_cut();
    }
    o.r.end();
    const auto booted = o.r.boot();
    ASSERT_TRUE(booted) << booted.error().message();
    const auto found = o.r.array->settings("");
    ASSERT_TRUE(found == before || found == after) << found.size() << " settings";
    if (over) {
      ASSERT_GT(at, 40U);
      break;
    }
  }
}

TEST(power_cut, with_a_lost_drive_afterwards_leaves_the_mirror_old_or_new) {
  // One write in flight on a mirror, cut at each of its requests; then either drive alone holds each sector old or new,
  // and what was acknowledged is on both.
  for (std::uint64_t at = 1; at < 40; ++at) {
    for (std::size_t lost = 0; lost < 2; ++lost) {
      SCOPED_TRACE("cut at request " + std::to_string(at) + ", drive " + std::to_string(lost) + " lost");
      observer o(3, at);
      ASSERT_TRUE(o.r.boot());
      guid id{{0x40}};
      o.r.ex.run(o.create(lun_type::mirror, 16, id));
      o.r.ex.run(o.write(id, 3, true));
      o.cut_at = at;
      o.arm();
      o.r.ex.run(o.write(id, 3, false));
      if (!o.cut) o.r.ex.run(o.write(id, 4, true));
      if (!o.cut) {
        for (auto& d : o.r.drives) d->power_cut();
      }
      o.r.end();
      std::vector<std::size_t> rest;
      for (std::size_t i = 0; i < 3; ++i)
        if (i != lost) rest.push_back(i);
      ASSERT_TRUE(o.r.boot(rest));
      auto bytes = o.r.read_all(id);
      ASSERT_TRUE(bytes) << bytes.error().message();
      for (std::uint64_t b = 0; b < 16; ++b) {
        for (std::size_t s = 0; s < 8; ++s) {
          std::uint64_t value = 0;
          std::memcpy(&value, bytes->data() + b * 4096 + s * 512, 8);
          auto& m = o.luns[id].content[b];
          ASSERT_TRUE(value == m.durable || m.possible.contains(value)) << "block " << b << " holds " << value;
        }
      }
    }
  }
}

// Every subset of the unflushed sectors of one batch of the log and one mirrored write, not only some by chance.
TEST(power_cut, every_subset_of_the_unflushed_sectors_of_a_write_is_old_or_new) {
  for (unsigned subset = 0; subset < 256; ++subset) {
    SCOPED_TRACE("subset " + std::to_string(subset));
    observer o(2, 1);
    ASSERT_TRUE(o.r.boot());
    guid id{{0x40}};
    o.r.ex.run(o.create(lun_type::mirror, 16, id));
    o.r.ex.run(o.write(id, 1, true));
    o.r.ex.run(o.write(id, 1, false));
    for (std::size_t d = 0; d < 2; ++d) {
      ASSERT_LE(o.r.drives[d]->unflushed_sectors(), 8U);
      o.r.drives[d]->power_cut([&](std::size_t i) { return ((d == 0 ? subset : ~subset) >> i & 1U) != 0; });
    }
    o.r.end();
    o.judge();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(vanishing, a_drive_at_every_request_of_a_mirror_costs_no_byte) {
  for (std::uint64_t seed = 1; seed <= seeds(1); ++seed) {
    for (std::uint64_t at = 1; at < 400; ++at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", drive 1 vanishes at its request " + std::to_string(at));
      observer o(3, seed * 100 + at);
      ASSERT_TRUE(o.r.boot());
      guid id{{0x40}};
      o.r.ex.run(o.create(lun_type::mirror, 32, id));
      std::uint64_t n = 0;
      o.r.drives[1]->set_rule([&](const io::faulty_device::call&) {
        if (++n == at) o.r.drives[1]->vanish();
        return io::fault::none;
      });
      seeded_random chance(seed);
      for (int i = 0; i < 12; ++i) {
        o.r.ex.run(o.write(id, chance.below(32), chance.below(2) == 0));
        if (i % 4 == 3) o.r.ex.run(o.flush(id));
        if (i % 5 == 4) o.r.ex.run(o.rename(id, std::to_string(i)));
      }
      o.r.ex.run(o.flush(id));
      for (auto& [block, b] : o.luns[id].content) ASSERT_TRUE(b.possible.empty()) << "a write failed";
      const bool vanished = n >= at;
      for (auto& d : o.r.drives) d->power_cut();
      o.r.end();
      o.judge();
      if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
      if (!vanished) break;
    }
  }
}

}  // namespace
}  // namespace vds::array::testing
