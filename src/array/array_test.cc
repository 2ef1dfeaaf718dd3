#include "array/array.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include "array/testing/rig.h"

namespace vds::array {
namespace {

using io::fault;
using testing::rig;
using call = io::faulty_device::call;
using request = io::faulty_device::request;

io::faulty_device::rule fails(request what) {
  return [what](const call& c) { return c.what == what ? fault::fail : fault::none; };
}

TEST(array, a_lun_is_created_written_read_and_found_again_after_a_restart) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  for (auto type : {lun_type::simple, lun_type::span, lun_type::stripe, lun_type::mirror}) {
    auto lun = r.create(type, 5 << 20);
    ASSERT_TRUE(lun) << lun.error().message();
    EXPECT_EQ(lun->type, type);
    EXPECT_TRUE(r.reads_zeros(lun->id));
    ASSERT_TRUE(r.fill(lun->id, static_cast<int>(type)));
  }
  const auto before = r.array->luns();
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot());
  ASSERT_EQ(r.array->lun_count(), before.size());
  for (const auto& lun : before) {
    const auto now = r.array->lun(lun.id);
    ASSERT_TRUE(now);
    EXPECT_EQ(now->number, lun.number);
    EXPECT_EQ(now->naa, lun.naa);
    EXPECT_EQ(now->drives, lun.drives);
    EXPECT_TRUE(r.holds(lun.id, static_cast<int>(lun.type)));
  }
}

TEST(array, given_drives_are_used_in_order_and_only_as_far_as_needed) {
  rig r(4, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto capacity = r.array->drives()[0].capacity.n;
  lun_spec s;
  s.type = lun_type::span;
  s.size = byte_count{capacity + 65536};
  s.drives = {r.drive_id(2), r.drive_id(0), r.drive_id(3)};
  auto lun = r.ex.run(r.array->create_lun(s));
  ASSERT_TRUE(lun) << lun.error().message();
  EXPECT_EQ(lun->drives, (std::vector<guid>{r.drive_id(2), r.drive_id(0)}));
  EXPECT_TRUE(r.fill(lun->id, 3));
  EXPECT_TRUE(r.holds(lun->id, 3));
  s.drives = {r.drive_id(1), r.drive_id(1)};
  EXPECT_EQ(r.ex.run(r.array->create_lun(s)).error().code(), errc::invalid_argument);
  s.drives = {guid{{9}}};
  EXPECT_EQ(r.ex.run(r.array->create_lun(s)).error().code(), errc::not_found);
  s.drives = {r.drive_id(1)};
  EXPECT_EQ(r.ex.run(r.array->create_lun(s)).error().code(), errc::no_space);
}

TEST(array, an_automatic_lun_survives_a_drive_when_it_can) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::automatic, 1 << 20);
  ASSERT_TRUE(lun);
  EXPECT_EQ(lun->type, lun_type::mirror);
  EXPECT_EQ(lun->survives_drive_losses, 1U);
  EXPECT_EQ(r.create(lun_type::automatic_plain, 1 << 20)->type, lun_type::simple);
  EXPECT_EQ(r.create(lun_type::raid60, 1 << 20).error().code(), errc::unavailable);
  EXPECT_EQ(r.create(lun_type::mirror, 1 << 20, 3).error().code(), errc::unavailable);
}

TEST(array, the_largest_size_it_names_can_be_created_and_nothing_larger) {
  rig r(3, 8 << 20);
  ASSERT_TRUE(r.boot());
  for (auto type : {lun_type::simple, lun_type::span, lun_type::stripe, lun_type::mirror}) {
    lun_spec s;
    s.type = type;
    const auto most = r.array->max_lun_size(s);
    ASSERT_TRUE(most);
    EXPECT_EQ(r.create(type, most->n + 1).error().code(), errc::no_space);
    auto lun = r.create(type, most->n);
    ASSERT_TRUE(lun) << lun.error().message();
    ASSERT_TRUE(r.ex.run(r.array->delete_lun(lun->id)));
  }
}

TEST(array, a_creation_called_off_at_the_last_moment_was_never_seen) {
  rig r(1, 8 << 20);
  ASSERT_TRUE(r.boot());
  const auto free = r.array->drives()[0].free;
  const auto heard = r.events.size();
  lun_spec s;
  s.type = lun_type::simple;
  s.size = {1 << 20};
  bool asked = false;
  const auto called_off = r.ex.run(r.array->create_lun(s, {}, {}, [&] { return asked = true, false; }));
  EXPECT_TRUE(asked);
  ASSERT_FALSE(called_off);
  EXPECT_EQ(called_off.error().code(), errc::cancelled);
  EXPECT_EQ(r.array->lun_count(), 0U);
  EXPECT_EQ(r.events.size(), heard);
  EXPECT_EQ(r.array->drives()[0].free.n, free.n);
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->lun_count(), 0U);
  EXPECT_TRUE(r.ex.run(r.array->create_lun(s, {}, {}, [] { return true; })));
}

TEST(array, deleted_data_is_wiped_before_its_space_is_used_again) {
  rig r(1, 4 << 20);
  ASSERT_TRUE(r.boot());
  lun_spec s;
  s.type = lun_type::simple;
  const auto most = r.array->max_lun_size(s)->n;
  auto lun = r.create(lun_type::simple, most);
  ASSERT_TRUE(r.fill(lun->id, 5));
  ASSERT_TRUE(r.ex.run(r.array->delete_lun(lun->id)));
  EXPECT_GT(r.array->drives()[0].wiping.n, 0U);
  std::vector<std::string> phases;
  s.size = byte_count{most};
  auto again = r.ex.run(r.array->create_lun(s, [&](const progress& p) { phases.emplace_back(p.phase); }));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_FALSE(phases.empty());
  EXPECT_TRUE(r.reads_zeros(again->id));
}

TEST(array, wiping_goes_on_after_a_crash) {
  rig r(1, 4 << 20);
  ASSERT_TRUE(r.boot());
  lun_spec s;
  s.type = lun_type::simple;
  const auto most = r.array->max_lun_size(s)->n;
  auto lun = r.create(lun_type::simple, most);
  ASSERT_TRUE(r.fill(lun->id, 5));
  ASSERT_TRUE(r.ex.run(r.array->delete_lun(lun->id)));
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->drives()[0].wiping.n, most);
  auto again = r.create(lun_type::simple, most);
  ASSERT_TRUE(again);
  EXPECT_TRUE(r.reads_zeros(again->id));
}

TEST(array, a_mirror_loses_a_drive_and_no_byte) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 3 << 20, 3);
  ASSERT_TRUE(lun);
  ASSERT_TRUE(r.fill(lun->id, 1));
  r.drives[1]->vanish();
  ASSERT_TRUE(r.fill(lun->id, 2));
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::degraded);
  EXPECT_EQ(r.array->lun(lun->id)->survives_drive_losses, 1U);
  EXPECT_EQ(r.state(1), drive_state::failed);
  EXPECT_TRUE(r.holds(lun->id, 2));
  r.drives[0]->vanish();
  EXPECT_TRUE(r.holds(lun->id, 2));
  EXPECT_EQ(r.array->lun(lun->id)->survives_drive_losses, 0U);
  EXPECT_TRUE(std::any_of(r.events.begin(), r.events.end(),
                          [&](auto& e) { return e.what == array_event::kind::lun_modified && e.object == lun->id; }));
}

TEST(array, a_drive_that_comes_back_stale_is_never_believed) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20, 3);
  ASSERT_TRUE(r.fill(lun->id, 1));
  r.drives[0]->vanish();
  ASSERT_TRUE(r.fill(lun->id, 2));
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.state(0), drive_state::stale);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(r.holds(lun->id, 2));
  ASSERT_TRUE(r.shut_down());
  EXPECT_EQ(r.boot({0}).error().code(), errc::unavailable);
  ASSERT_TRUE(r.boot({1, 2}));
  EXPECT_TRUE(r.holds(lun->id, 2));
}

TEST(array, both_halves_of_a_split_array_refuse_to_run_apart) {
  rig r(4);
  ASSERT_TRUE(r.boot());
  ASSERT_TRUE(r.create(lun_type::mirror, 1 << 20));
  ASSERT_TRUE(r.shut_down());
  EXPECT_EQ(r.boot({0, 1}).error().code(), errc::unavailable);
  EXPECT_EQ(r.boot({2, 3}).error().code(), errc::unavailable);
  ASSERT_TRUE(r.boot({0, 1, 3}));  // more than half may
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.state(2), drive_state::stale);
}

TEST(array, half_of_an_array_runs_when_forced_and_the_other_half_is_stale_then) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 1));
  ASSERT_TRUE(r.shut_down());
  EXPECT_FALSE(r.boot({0}));
  r.force = true;
  auto booted = r.boot({0});
  ASSERT_TRUE(booted) << booted.error().message();
  ASSERT_TRUE(r.fill(lun->id, 2));
  ASSERT_TRUE(r.shut_down());
  r.force = false;
  ASSERT_TRUE(r.boot());
  EXPECT_TRUE(r.holds(lun->id, 2));
  EXPECT_EQ(r.state(1), drive_state::stale);
}

TEST(array, a_cloned_drive_is_refused) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  ASSERT_TRUE(r.create(lun_type::mirror, 1 << 20));
  r.add_medium(32 << 20);
  std::vector<std::byte> image(32 << 20);
  r.media[0]->peek(lba{0}, image);
  r.media[2]->poke(lba{0}, image);
  EXPECT_EQ(r.ex.run(r.array->add_drive(r.open(2), {})).error().code(), errc::duplicate);
  ASSERT_TRUE(r.shut_down());
  const auto refused = r.boot();
  EXPECT_EQ(refused.error().code(), errc::duplicate);
  EXPECT_NE(refused.error().message().find("drive2"), std::string::npos);
}

TEST(array, drives_are_known_by_identity_and_not_by_place) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::stripe, 3 << 20);
  ASSERT_TRUE(r.fill(lun->id, 4));
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot({2, 0, 1}));
  EXPECT_TRUE(r.holds(lun->id, 4));
}

TEST(array, a_failed_flush_fails_the_drive_durably_before_it_is_answered) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20, 3);
  r.drives[2]->set_rule(fails(request::flush));
  ASSERT_TRUE(r.fill(lun->id, 6));
  EXPECT_EQ(r.state(2), drive_state::failed);
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.state(2), drive_state::stale);
  EXPECT_TRUE(r.holds(lun->id, 6));
}

TEST(array, a_drive_that_hangs_is_failed_and_io_goes_on) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20, 3);
  ASSERT_TRUE(r.fill(lun->id, 1));
  r.drives[0]->set_rule([](const call&) { return fault::hang; });
  const auto before = r.ex.clock().now();
  ASSERT_TRUE(r.fill(lun->id, 2));
  EXPECT_LE(r.ex.clock().now() - before, 61s);
  EXPECT_EQ(r.state(0), drive_state::failed);
  EXPECT_TRUE(r.holds(lun->id, 2));
  r.drives[0]->release_hung();
  r.ex.run();
  EXPECT_TRUE(r.holds(lun->id, 2));
}

TEST(array, an_unreadable_block_is_read_from_the_other_plex_and_rewritten) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 1));
  for (std::size_t bad = 0; bad < 2; ++bad) {
    int writes = 0;
    r.drives[bad]->set_rule([&writes](const call& c) {
      if (c.what == request::write) ++writes;
      return c.what == request::read ? fault::fail : fault::none;
    });
    // Piece by piece: each plex is the first choice for some of them.
    const auto expected = r.pattern(lun->id, 1);
    std::vector<std::byte> piece(65536);
    for (std::size_t at = 0; at < expected.size(); at += piece.size()) {
      ASSERT_TRUE(r.ex.run(r.array->device(lun->id)->read(lba{at / 512}, io::buffer(piece))));
      ASSERT_TRUE(std::equal(piece.begin(), piece.end(), expected.begin() + static_cast<std::ptrdiff_t>(at)));
    }
    EXPECT_GT(writes, 0);
    r.drives[bad]->set_rule(nullptr);
    EXPECT_EQ(r.state(bad), drive_state::online);
  }
  for (auto& d : r.drives) d->set_rule(fails(request::read));
  EXPECT_EQ(r.read_all(lun->id).error().code(), errc::medium_error);
}

TEST(array, bad_blocks_in_different_places_of_both_plexes_cost_nothing) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 1));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto offset = r.array->lun(lun->id)->plexes[i].extents[0].offset.n / 512 + 100 + 400 * i;
    r.drives[i]->set_rule([offset](const call& c) {
      return c.what == request::read && c.at.n <= offset && offset < c.at.n + c.count.n ? fault::fail : fault::none;
    });
  }
  EXPECT_TRUE(r.holds(lun->id, 1));
}

TEST(array, a_write_that_no_plex_took_is_an_error_and_leaves_no_two_truths) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20);
  ASSERT_TRUE(r.fill(lun->id, 1));
  // The first plex took it and says it did not; the second did not take it.
  const auto data = r.array->lun(lun->id)->plexes[0].extents[0].offset.n / 512;
  for (std::size_t i = 0; i < 2; ++i) {
    r.drives[i]->set_rule([data, i](const call& c) {
      return c.what == request::write && c.at.n >= data ? (i == 0 ? fault::fail_after : fault::fail) : fault::none;
    });
  }
  std::vector<std::byte> block(4096, std::byte{0xee});
  EXPECT_FALSE(r.ex.run(r.array->device(lun->id)->write(lba{0}, block)));
  for (auto& d : r.drives) d->set_rule(nullptr);
  auto first = r.read_all(lun->id);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(*r.read_all(lun->id), *first);
  r.ex.run();  // resynchronised
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  r.drives[0]->vanish();
  EXPECT_EQ(*r.read_all(lun->id), *first);
}

TEST(array, operations_are_found_after_a_crash_and_repeated_ones_join) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  lun_spec s;
  s.type = lun_type::mirror;
  s.size = byte_count{1 << 20};
  s.operation = guid{{7}};
  EXPECT_EQ(r.array->operation(s.operation).is, operation_outcome::state::unknown);
  auto lun = r.ex.run(r.array->create_lun(s));
  auto joined = r.ex.run(r.array->create_lun(s));
  ASSERT_TRUE(lun && joined);
  EXPECT_EQ(lun->id, joined->id);
  EXPECT_EQ(r.array->lun_count(), 1U);
  r.power_cut();
  ASSERT_TRUE(r.boot());
  const auto outcome = r.array->operation(s.operation);
  EXPECT_EQ(outcome.is, operation_outcome::state::done);
  EXPECT_EQ(outcome.lun, lun->id);
  ASSERT_TRUE(r.ex.run(r.array->forget_operation(s.operation)));
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->operation(s.operation).is, operation_outcome::state::unknown);
}

TEST(array, cancel_before_the_commit_undoes_and_after_it_is_too_late) {
  rig r(1, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto free = r.array->drives()[0].free.n;
  rt::cancel_source cancel;
  cancel.request();
  lun_spec s;
  s.type = lun_type::simple;
  s.size = byte_count{1 << 20};
  EXPECT_EQ(r.ex.run(r.array->create_lun(s, {}, cancel.token())).error().code(), errc::cancelled);
  EXPECT_EQ(r.array->drives()[0].free.n, free);
  auto lun = r.ex.run(r.array->create_lun(s));
  EXPECT_TRUE(lun);
}

TEST(array, concurrent_changes_share_batches_and_none_is_lost) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  const auto requests = r.drives[0]->requests();
  int made = 0;
  for (int i = 0; i < 100; ++i) {
    lun_spec s;
    s.type = lun_type::simple;
    s.size = byte_count{65536};
    rt::start([](vds::array::array& a, lun_spec spec, int& n) -> rt::task<void> {
      auto lun = co_await a.create_lun(std::move(spec));
      if (lun) ++n;
    }(*r.array, s, made));
  }
  r.ex.run();
  EXPECT_EQ(made, 100);
  EXPECT_LT(r.drives[0]->requests() - requests, 20U);
  const auto lun = r.array->lun_ids()[0];
  for (int i = 0; i < 2; ++i) {
    rt::start([](vds::array::array& a, guid id, int k) -> rt::task<void> {
      std::vector<std::string> everybody(1, "*");
      auto change = k == 0 ? a.set_name(id, "tank") : a.set_mask(id, std::move(everybody));
      (void)co_await std::move(change);
    }(*r.array, lun, i));
  }
  r.ex.run();
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->lun_count(), 100U);
  EXPECT_EQ(r.array->lun(lun)->name, "tank");
  EXPECT_EQ(r.array->lun(lun)->unmask, std::vector<std::string>{"*"});
}

TEST(array, the_log_stays_bounded_over_thousands_of_changes) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20);
  for (int i = 0; i < 1500; ++i) ASSERT_TRUE(r.ex.run(r.array->set_name(lun->id, std::to_string(i))));
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->lun(lun->id)->name, "1499");
}

TEST(array, what_is_not_ours_needs_force) {
  rig r(1);
  ASSERT_TRUE(r.boot());
  r.add_medium(32 << 20);
  const std::vector<std::byte> partition_table(512, std::byte{0x55});
  r.media[1]->poke(lba{0}, partition_table);
  EXPECT_EQ(r.ex.run(r.array->add_drive(r.open(1), {})).error().code(), errc::not_ours);
  auto added = r.ex.run(r.array->add_drive(r.open(1), {.force = true}));
  ASSERT_TRUE(added) << added.error().message();
  EXPECT_GT(r.array->drive(added->id)->wiping.n + r.array->drive(added->id)->free.n, 0U);
  auto lun = r.create(lun_type::mirror, 1 << 20);
  ASSERT_TRUE(lun);
  EXPECT_TRUE(r.reads_zeros(lun->id));
}

TEST(array, a_foreign_array_is_imported_when_all_its_drives_are_here) {
  rig other(2, 32 << 20, 5);
  ASSERT_TRUE(other.boot());
  auto lun = other.create(lun_type::mirror, 1 << 20);
  ASSERT_TRUE(other.fill(lun->id, 9));
  const auto id = other.array->id();
  ASSERT_TRUE(other.shut_down());
  auto options = other.options();
  options.id = guid{{2}};
  auto mine = other.ex.run(array::assemble(other.ex, {}, options));
  ASSERT_TRUE(mine);
  auto first = other.ex.run((*mine)->add_drive(other.open(0), {}));
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(first->state, drive_state::foreign);
  EXPECT_EQ((*mine)->lun_count(), 0U);
  auto second = other.ex.run((*mine)->add_drive(other.open(1), {}));
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(second->state, drive_state::online);
  EXPECT_EQ((*mine)->id(), id);
  other.array = std::move(*mine);
  EXPECT_TRUE(other.holds(lun->id, 9));
}

TEST(array, an_unused_drive_is_removed_and_forgotten) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  auto lun = r.create(lun_type::mirror, 1 << 20);
  const guid used = lun->drives[0];
  EXPECT_EQ(r.ex.run(r.array->remove_drive(used)).error().code(), errc::busy);
  for (std::size_t i = 0; i < 3; ++i) {
    const guid id = r.drive_id(i);
    if (std::find(lun->drives.begin(), lun->drives.end(), id) != lun->drives.end()) continue;
    ASSERT_TRUE(r.ex.run(r.array->remove_drive(id)));
  }
  EXPECT_EQ(r.array->drives().size(), 2U);
  ASSERT_TRUE(r.fill(lun->id, 1));
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->left_out_devices().size(), 1U);
  EXPECT_TRUE(r.holds(lun->id, 1));
}

TEST(array, twenty_thousand_luns_fit_and_their_number_costs_nothing) {
  rig r(2, std::uint64_t{3} << 30);
  r.extent_bytes = 1 << 16;
  ASSERT_TRUE(r.boot());
  const auto before = mallinfo2().uordblks;
  int made = 0;
  for (int i = 0; i < 20000; ++i) {
    lun_spec s;
    s.type = lun_type::mirror;
    s.size = byte_count{65536};
    rt::start([](vds::array::array& a, lun_spec spec, int& n) -> rt::task<void> {
      auto lun = co_await a.create_lun(std::move(spec));
      if (lun) ++n;
    }(*r.array, s, made));
  }
  r.ex.run();
  EXPECT_EQ(made, 20000);
  // Memory, where the allocator tells (sanitizers' do not).
  if (const auto after = mallinfo2().uordblks; after > before) {
    RecordProperty("bytes_per_lun", static_cast<int>((after - before) / 20000));
    EXPECT_LT((after - before) / 20000, 2048U);
  }
  const auto requests = r.drives[0]->requests();
  const auto last = r.create(lun_type::mirror, 65536);
  ASSERT_TRUE(last);
  EXPECT_LE(r.drives[0]->requests() - requests, 1U);
  EXPECT_EQ(last->number, 20000U);
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->lun_count(), 20001U);
  EXPECT_EQ(r.array->lun(last->id)->number, 20000U);
}

}  // namespace
}  // namespace vds::array
