// Plexes join and leave LUNs under I/O, with data compared. Power cuts on the way: tests/crash/plex_cut_test.cc.
#include <gtest/gtest.h>

#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

result<lun_info> make_on(rig& r, std::vector<std::size_t> drives, lun_type type, std::uint64_t bytes) {
  lun_spec s;
  s.type = type;
  s.size = byte_count{bytes};
  for (const auto i : drives) s.drives.push_back(r.drive_id(i));
  if (type == lun_type::mirror) s.plexes = static_cast<unsigned>(drives.size());
  return r.ex.run(r.array->create_lun(s));
}
status add(rig& r, const guid& lun, const guid& source) { return r.ex.run(r.array->add_plexes(lun, source, {})); }
status remove(rig& r, const guid& lun, const guid& plex) { return r.ex.run(r.array->remove_plex(lun, plex, {})); }
std::vector<guid> plex_ids(rig& r, const guid& lun) {
  std::vector<guid> out;
  const auto info = r.array->lun(lun);
  for (const auto& p : info->plexes) out.push_back(p.id);
  return out;
}
byte_count free_of(rig& r, std::size_t drive) {
  const auto d = r.array->drive(r.drive_id(drive));
  return byte_count{d->free.n + d->wiping.n};
}
std::ptrdiff_t told(const rig& r, array_event::kind what, const guid& object) {
  return std::count_if(r.events.begin(), r.events.end(),
                       [&](const auto& e) { return e.what == what && e.object == object; });
}

TEST(plexes, a_lun_becomes_a_plex_of_another_whose_data_it_then_holds) {
  struct kind {
    lun_type type, becomes;
    std::vector<std::size_t> target, source;
  };
  const kind kinds[] = {{lun_type::simple, lun_type::mirror, {0}, {1}},
                        {lun_type::span, lun_type::mirror, {0, 1}, {2, 3}},
                        {lun_type::stripe, lun_type::raid10, {0, 1}, {2, 3}},
                        {lun_type::mirror, lun_type::mirror, {0, 1}, {2, 3}},
                        {lun_type::raid10, lun_type::raid10, {0, 1, 2, 3}, {4, 5, 6, 7}}};
  for (const auto& k : kinds) {
    SCOPED_TRACE(to_string(k.type));
    rig r(8, 4 << 20);
    ASSERT_TRUE(r.boot());
    const auto lun = make_on(r, k.target, k.type, 1 << 20), source = make_on(r, k.source, k.type, 1 << 20);
    ASSERT_TRUE(lun && source);
    const guid id = lun->id;
    ASSERT_TRUE(r.fill(id, 3) && r.fill(source->id, 4));
    auto ids = plex_ids(r, id);
    for (const auto& p : source->plexes) ids.push_back(p.id);
    r.events.clear();
    const auto added = add(r, id, source->id);
    ASSERT_TRUE(added) << added.error().message();
    EXPECT_FALSE(r.array->lun(source->id));
    EXPECT_EQ(r.array->device(source->id), nullptr);
    auto now = *r.array->lun(id);
    EXPECT_EQ(now.type, k.becomes);
    EXPECT_EQ(now.change, lun_change::reconfiguring);
    EXPECT_EQ(now.plexes.back().health, lun_health::resyncing);
    EXPECT_EQ(now.health, lun_health::degraded) << "what is not filled is no copy";
    EXPECT_TRUE(now.work);
    ASSERT_TRUE(r.ex.run(r.array->wait_filled(id)));
    r.ex.run();
    now = *r.array->lun(id);
    EXPECT_EQ(now.health, lun_health::healthy);
    EXPECT_EQ(now.change, lun_change::none);
    EXPECT_FALSE(now.work);
    EXPECT_EQ(now.plexes.size(), lun->plexes.size() + source->plexes.size());
    EXPECT_EQ(now.survives_drive_losses, now.plexes.size() - 1);
    EXPECT_EQ(plex_ids(r, id), ids) << "a plex is the same plex, whatever LUN it is of";
    EXPECT_EQ(told(r, array_event::kind::lun_departed, source->id), 1);
    EXPECT_GE(told(r, array_event::kind::lun_modified, id), 2);
    EXPECT_TRUE(r.holds(id, 3));
    r.power_cut();
    ASSERT_TRUE(r.boot());
    r.ex.run();
    EXPECT_EQ(plex_ids(r, id), ids);
    EXPECT_EQ(r.array->lun(id)->health, lun_health::healthy);
    for (const auto i : k.target) r.drives[i]->vanish();
    EXPECT_TRUE(r.holds(id, 3)) << "the new plex holds something else";
  }
}

TEST(plexes, what_is_written_while_one_is_filled_is_on_it) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  const auto lun = make_on(r, {0}, lun_type::simple, 2 << 20), source = make_on(r, {1}, lun_type::simple, 2 << 20);
  ASSERT_TRUE(lun && source && r.fill(lun->id, 3) && r.fill(source->id, 4));
  auto expected = *r.read_all(lun->id);
  ASSERT_TRUE(add(r, lun->id, source->id));
  // In between the extents that are being copied, and across their borders.
  const auto writing = [&]() -> rt::task<void> {
    for (std::uint64_t n = 0; n < 200; ++n) {
      const std::uint64_t at = n * 7919 % (expected.size() / 512 - 4);
      std::vector<std::byte> data(4 * 512, static_cast<std::byte>(n + 1));
      std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(at * 512));
      const auto done = co_await r.array->device(lun->id)->write(lba{at}, io::const_buffer(data));
      EXPECT_TRUE(done);
    }
  };
  rt::start(writing());
  r.ex.run();
  ASSERT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  r.drives[0]->vanish();
  EXPECT_TRUE(*r.read_all(lun->id) == expected);
}

TEST(plexes, what_a_larger_source_has_left_over_is_free_and_wiped) {
  rig r(2, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto free = free_of(r, 1);
  const auto lun = make_on(r, {0}, lun_type::simple, 300 << 10), source = make_on(r, {1}, lun_type::simple, 1 << 20);
  ASSERT_TRUE(lun && source && r.fill(lun->id, 3) && r.fill(source->id, 4));
  ASSERT_TRUE(add(r, lun->id, source->id));
  r.ex.run();
  EXPECT_EQ(free.n - free_of(r, 1).n, 5u << 16);
  const auto other = make_on(r, {1}, lun_type::simple, free_of(r, 1).n);
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_TRUE(r.reads_zeros(other->id));
  ASSERT_TRUE(r.ex.run(r.array->delete_lun(other->id)));
  // Beyond its end the new plex holds what the others do there, not what the source did.
  ASSERT_TRUE(r.ex.run(r.array->extend_lun(lun->id, byte_count{20 << 10}, {}, {})));
  r.drives[0]->vanish();
  const auto all = r.read_all(lun->id);
  ASSERT_TRUE(all);
  EXPECT_TRUE(std::all_of(all->begin() + (300 << 10), all->end(), [](auto b) { return b == std::byte{0}; }));
}

TEST(plexes, what_cannot_join_is_refused_and_nothing_has_changed) {
  rig r(4, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto lun = make_on(r, {0}, lun_type::simple, 1 << 20);
  ASSERT_TRUE(lun && r.fill(lun->id, 3));
  struct row {
    const char* why;
    std::vector<std::size_t> drives;
    lun_type type;
    std::uint64_t bytes;
    errc code;
  };
  for (const row& one : {row{"smaller", {1}, lun_type::simple, 512 << 10, errc::invalid_argument},
                         row{"on the same drive", {0}, lun_type::simple, 1 << 20, errc::invalid_argument},
                         row{"a plex on the same drive", {1, 0}, lun_type::mirror, 1 << 20, errc::invalid_argument},
                         row{"striped otherwise", {1, 2}, lun_type::stripe, 1 << 20, errc::invalid_argument},
                         row{"parity", {1, 2, 3}, lun_type::parity, 1 << 20, errc::not_supported}}) {
    SCOPED_TRACE(one.why);
    const auto source = make_on(r, one.drives, one.type, one.bytes);
    ASSERT_TRUE(source && r.fill(source->id, 5));
    EXPECT_EQ(add(r, lun->id, source->id).error().code(), one.code);
    EXPECT_TRUE(r.holds(source->id, 5) && r.holds(lun->id, 3));
    EXPECT_TRUE(r.fill(source->id, 6)) << "it goes on as a LUN";
    ASSERT_TRUE(r.ex.run(r.array->delete_lun(source->id)));
  }
  EXPECT_EQ(add(r, lun->id, lun->id).error().code(), errc::invalid_argument);
  EXPECT_EQ(add(r, lun->id, guid{{9}}).error().code(), errc::not_found);
  EXPECT_EQ(add(r, guid{{9}}, lun->id).error().code(), errc::not_found);
  const auto source = make_on(r, {1}, lun_type::simple, 1 << 20);
  ASSERT_TRUE(source);
  r.drives[1]->vanish();
  ASSERT_FALSE(r.fill(source->id, 1));
  EXPECT_EQ(add(r, lun->id, source->id).error().code(), errc::unavailable);
  EXPECT_EQ(r.array->lun(lun->id)->plexes.size(), 1U);
}

TEST(plexes, any_can_leave_and_takes_nothing_along) {
  for (std::size_t leaving = 0; leaving < 3; ++leaving) {
    SCOPED_TRACE(leaving);
    rig r(3, 4 << 20);
    ASSERT_TRUE(r.boot());
    const auto free = free_of(r, leaving);
    const auto lun = make_on(r, {0, 1, 2}, lun_type::mirror, 1 << 20);
    ASSERT_TRUE(lun);
    const guid id = lun->id;
    ASSERT_TRUE(lun->plexes.size() == 3 && r.fill(id, 3));
    auto ids = plex_ids(r, id);
    ASSERT_TRUE(remove(r, id, ids[leaving]));
    EXPECT_EQ(remove(r, id, ids[leaving]).error().code(), errc::not_found);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(leaving));
    EXPECT_EQ(plex_ids(r, id), ids) << "the others are what they were";
    EXPECT_EQ(r.array->lun(id)->type, lun_type::mirror);
    EXPECT_EQ(r.array->lun(id)->health, lun_health::healthy);
    EXPECT_EQ(r.array->lun(id)->survives_drive_losses, 1U);
    EXPECT_EQ(free_of(r, leaving).n, free.n);
    ASSERT_TRUE(r.holds(id, 3) && r.fill(id, 4));
    const auto other = make_on(r, {leaving}, lun_type::simple, free.n);
    ASSERT_TRUE(other);
    EXPECT_TRUE(r.reads_zeros(other->id)) << "the room was not wiped";
    r.power_cut();
    ASSERT_TRUE(r.boot());
    r.ex.run();
    EXPECT_EQ(plex_ids(r, id), ids);
    ASSERT_TRUE(remove(r, id, ids[0]));
    EXPECT_EQ(r.array->lun(id)->type, lun_type::simple);
    EXPECT_EQ(remove(r, id, ids[1]).error().code(), errc::invalid_argument) << "the only one stays";
    ASSERT_TRUE(r.holds(id, 4) && r.fill(id, 5));
    ASSERT_TRUE(r.shut_down() && r.boot());
    EXPECT_TRUE(r.holds(id, 5));
    EXPECT_EQ(plex_ids(r, id), std::vector<guid>{ids[1]});
  }
}

TEST(plexes, readers_and_writers_notice_nothing_of_one_that_leaves) {
  rig r(3, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto lun = make_on(r, {0, 1, 2}, lun_type::mirror, 1 << 20);
  ASSERT_TRUE(lun && r.fill(lun->id, 3));
  auto expected = *r.read_all(lun->id);
  const auto busy = [&](std::uint64_t first) -> rt::task<void> {
    for (std::uint64_t n = first; n < 120; n += 4) {
      const std::uint64_t at = n * 16;
      std::vector<std::byte> data(16 * 512, static_cast<std::byte>(n + 1)), back(data.size());
      EXPECT_TRUE(co_await r.array->device(lun->id)->write(lba{at}, io::const_buffer(data)));
      EXPECT_TRUE(co_await r.array->device(lun->id)->read(lba{at}, io::buffer(back)));
      EXPECT_TRUE(data == back) << "at " << at;
      std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(at * 512));
    }
  };
  const auto leaving = [&]() -> rt::task<void> {
    for (std::size_t left = 3; left > 1; --left) {
      const auto done = co_await r.array->remove_plex(lun->id, r.array->lun(lun->id)->plexes[0].id, {});
      EXPECT_TRUE(done);
    }
  };
  for (std::uint64_t w = 0; w < 4; ++w) rt::start(busy(w));
  rt::start(leaving());
  r.ex.run();
  EXPECT_EQ(r.array->lun(lun->id)->plexes.size(), 1U);
  EXPECT_TRUE(*r.read_all(lun->id) == expected);
}

TEST(plexes, the_last_one_that_holds_the_data_stays) {
  rig r(3, 4 << 20);
  r.rebuild_bytes_per_second = 1 << 16;  // filling takes long enough to be met
  ASSERT_TRUE(r.boot());
  const auto lun = make_on(r, {0}, lun_type::simple, 1 << 20), source = make_on(r, {1}, lun_type::simple, 1 << 20);
  ASSERT_TRUE(lun && source && r.fill(lun->id, 3) && r.fill(source->id, 4));
  const auto meeting = [&]() -> rt::task<void> {
    EXPECT_TRUE(co_await r.array->add_plexes(lun->id, source->id, {}));
    const auto plexes = r.array->lun(lun->id)->plexes;
    EXPECT_EQ(plexes[1].health, lun_health::resyncing);
    const auto last = co_await r.array->remove_plex(lun->id, plexes[0].id, {});
    EXPECT_TRUE(!last && last.error().code() == errc::unavailable);
    const auto unfilled = co_await r.array->remove_plex(lun->id, plexes[1].id, {});
    EXPECT_TRUE(unfilled) << "one that is being filled may go";
  };
  rt::start(meeting());
  r.ex.run();
  EXPECT_EQ(r.array->lun(lun->id)->plexes.size(), 1U);
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  EXPECT_TRUE(r.holds(lun->id, 3));
  const auto other = make_on(r, {1}, lun_type::simple, free_of(r, 1).n);
  ASSERT_TRUE(other);
  EXPECT_TRUE(r.reads_zeros(other->id)) << "what was not believed of the plex is believed of who has the room now";
}

TEST(plexes, filling_goes_on_after_a_crash_and_is_not_believed_before) {
  for (const bool lost : {false, true}) {
    SCOPED_TRACE(lost ? "the only whole plex is lost" : "it comes to its end");
    rig r(2, 4 << 20);
    r.rebuild_bytes_per_second = 1 << 16;
    ASSERT_TRUE(r.boot());
    const auto lun = make_on(r, {0}, lun_type::simple, 1 << 20), source = make_on(r, {1}, lun_type::simple, 1 << 20);
    ASSERT_TRUE(lun && source && r.fill(lun->id, 3) && r.fill(source->id, 4));
    const guid id = lun->id;
    ASSERT_TRUE(add(r, id, source->id));
    r.power_cut();
    ASSERT_TRUE(r.boot());
    EXPECT_EQ(r.array->lun(id)->health, lun_health::degraded);
    EXPECT_EQ(r.array->lun(id)->change, lun_change::reconfiguring);
    EXPECT_TRUE(r.holds(id, 3));
    if (lost) {
      r.drives[0]->vanish();
      EXPECT_FALSE(r.read_all(id)) << "what the source held is not the LUN's";
      continue;
    }
    ASSERT_TRUE(r.ex.run(r.array->wait_filled(id)));
    r.ex.run();
    EXPECT_EQ(r.array->lun(id)->health, lun_health::healthy);
    r.drives[0]->vanish();
    EXPECT_TRUE(r.holds(id, 3));
  }
}

TEST(plexes, one_whose_drive_is_lost_while_it_is_filled_is_rebuilt_on_a_spare) {
  rig r(3, 4 << 20);
  r.rebuild_bytes_per_second = 1 << 20;
  ASSERT_TRUE(r.boot());
  const auto lun = make_on(r, {0}, lun_type::simple, 1 << 20), source = make_on(r, {1}, lun_type::simple, 1 << 20);
  ASSERT_TRUE(lun && source && r.fill(lun->id, 3));
  const auto losing = [&]() -> rt::task<void> {
    EXPECT_TRUE(co_await r.array->add_plexes(lun->id, source->id, {}));
    r.drives[1]->vanish();
    const auto filled = co_await r.array->wait_filled(lun->id);
    EXPECT_TRUE(!filled && filled.error().code() == errc::unavailable);
  };
  rt::start(losing());
  r.ex.run();
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::degraded);
  ASSERT_TRUE(r.ex.run(r.array->set_spare(r.drive_id(2), true)));
  r.ex.run();
  EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
  EXPECT_EQ(r.array->lun(lun->id)->change, lun_change::none);
  r.drives[0]->vanish();
  EXPECT_TRUE(r.holds(lun->id, 3));
}

TEST(plexes, adding_twice_under_one_operation_adds_once) {
  rig r(2, 4 << 20);
  ASSERT_TRUE(r.boot());
  const auto lun = make_on(r, {0}, lun_type::simple, 1 << 20), source = make_on(r, {1}, lun_type::simple, 1 << 20);
  ASSERT_TRUE(lun && source);
  array::array::change_options how;
  how.operation = guid{{7}};
  ASSERT_TRUE(r.ex.run(r.array->add_plexes(lun->id, source->id, how)));
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_TRUE(r.ex.run(r.array->add_plexes(lun->id, source->id, how))) << "it was done before the power went";
  EXPECT_EQ(r.array->operation(how.operation).is, operation_outcome::state::done);
  EXPECT_EQ(r.array->lun(lun->id)->plexes.size(), 2U);
}

}  // namespace
}  // namespace vds::array::testing
