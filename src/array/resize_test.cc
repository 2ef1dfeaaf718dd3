// LUNs are extended and shrunk under I/O, with data compared. Power cuts on the way: tests/crash/resize_cut_test.cc.
#include <gtest/gtest.h>

#include "array/layout/growth.h"
#include "array/testing/rig.h"

namespace vds::array::testing {
namespace {

struct kind {
  lun_type type;
  std::size_t drives;
  unsigned survives;
};
constexpr kind kinds[] = {{lun_type::simple, 1, 0}, {lun_type::span, 2, 0},   {lun_type::stripe, 3, 0},
                          {lun_type::mirror, 2, 1}, {lun_type::parity, 3, 1}, {lun_type::raid6, 4, 2},
                          {lun_type::raid10, 4, 1}, {lun_type::raid50, 6, 1}, {lun_type::raid60, 8, 2}};

result<lun_info> make(rig& r, const kind& k, std::uint64_t bytes) { return r.create_on(k.drives, k.type, bytes); }
status extend(rig& r, const guid& lun, std::uint64_t by, std::vector<guid> drives = {}) {
  return r.ex.run(r.array->extend_lun(lun, byte_count{by}, std::move(drives), {}));
}
status shrink(rig& r, const guid& lun, std::uint64_t by) {
  return r.ex.run(r.array->shrink_lun(lun, byte_count{by}, {}));
}
bool starts_with(rig& r, const guid& lun, std::span<const std::byte> what) {
  const auto all = r.read_all(lun);
  return all && all->size() >= what.size() && std::equal(what.begin(), what.end(), all->begin());
}
bool zeros_from(rig& r, const guid& lun, std::size_t from) {
  const auto all = r.read_all(lun);
  return all && std::all_of(all->begin() + static_cast<std::ptrdiff_t>(from), all->end(),
                            [](auto b) { return b == std::byte{0}; });
}

TEST(extending, keeps_what_is_there_adds_zeros_and_what_the_lun_survives) {
  for (const auto& k : kinds) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 300 << 10);
    ASSERT_TRUE(lun) << lun.error().message();
    ASSERT_TRUE(r.fill(lun->id, 3));
    const auto before = *r.read_all(lun->id);
    r.events.clear();
    const auto grown = extend(r, lun->id, 1 << 20);
    ASSERT_TRUE(grown) << grown.error().message();
    r.ex.run();
    const auto now = *r.array->lun(lun->id);
    EXPECT_EQ(now.size.n, (300u << 10) + (1u << 20));
    EXPECT_EQ(now.type, lun->type);
    EXPECT_EQ(now.survives_drive_losses, k.survives);
    EXPECT_EQ(std::count_if(r.events.begin(), r.events.end(),
                            [](auto& e) { return e.what == array_event::kind::lun_modified; }),
              1);
    EXPECT_TRUE(starts_with(r, lun->id, before));
    EXPECT_TRUE(zeros_from(r, lun->id, before.size()));
    ASSERT_TRUE(r.fill(lun->id, 4));
    r.power_cut();
    ASSERT_TRUE(r.boot());
    r.ex.run();
    EXPECT_TRUE(r.holds(lun->id, 4));
    for (std::size_t i = 0; i < k.survives; ++i) r.drives[i]->vanish();
    EXPECT_TRUE(r.holds(lun->id, 4));
  }
}

TEST(extending, takes_the_drives_given_first_and_never_puts_two_members_on_one) {
  rig r(4, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2, 1}, 1 << 20);
  ASSERT_TRUE(lun);
  ASSERT_TRUE(extend(r, lun->id, 1 << 20, {r.drive_id(2), r.drive_id(3)}));
  const auto now = *r.array->lun(lun->id);
  ASSERT_EQ(now.drives.size(), 4U);
  for (const auto& p : now.plexes) EXPECT_EQ(p.drives.size(), 2U);
  ASSERT_TRUE(r.fill(lun->id, 5));
  r.drives[0]->vanish();
  EXPECT_TRUE(r.holds(lun->id, 5));
  EXPECT_EQ(extend(r, lun->id, 1 << 20, {guid{{9}}}).error().code(), errc::not_found);
  EXPECT_EQ(extend(r, guid{{9}}, 1 << 20).error().code(), errc::not_found);
  EXPECT_EQ(extend(r, lun->id, 0).error().code(), errc::invalid_argument);
}

TEST(extending, a_drive_given_that_has_a_member_gets_more_of_that_one) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2, 1}, 1 << 20);
  ASSERT_TRUE(extend(r, lun->id, 1 << 20, {r.drive_id(1)}));
  const auto now = *r.array->lun(lun->id);
  EXPECT_EQ(now.plexes[0].drives, std::vector{r.drive_id(0)});
  EXPECT_EQ(now.plexes[1].drives, std::vector{r.drive_id(1)});
}

TEST(extending, a_simple_lun_over_a_second_drive_makes_it_a_span) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::simple, 1, 0}, 4 << 20);
  ASSERT_TRUE(lun);
  const auto most = r.array->max_extension(lun->id, {});
  ASSERT_TRUE(most);
  ASSERT_GT(most->n, 4u << 20);
  const auto plan = r.array->plan_extension(lun->id, *most, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->type, lun_type::span);
  EXPECT_EQ(plan->drives.size(), 2U);
  EXPECT_EQ(extend(r, lun->id, most->n + 1).error().code(), errc::no_space);
  EXPECT_EQ(r.array->lun(lun->id)->size.n, 4u << 20);
  ASSERT_TRUE(extend(r, lun->id, most->n));
  EXPECT_EQ(r.array->lun(lun->id)->type, lun_type::span);
  EXPECT_EQ(r.array->lun(lun->id)->size.n, (4u << 20) + most->n);
  EXPECT_EQ(r.array->max_extension(lun->id, {})->n, 0U);
  ASSERT_TRUE(r.fill(lun->id, 6));
  EXPECT_TRUE(r.holds(lun->id, 6));
}

TEST(extending, waits_for_deleted_data_to_be_wiped) {
  rig r(1, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::simple, 1, 0}, 1 << 20);
  auto other = make(r, {lun_type::simple, 1, 0}, r.array->drive(r.drive_id(0))->free.n);
  ASSERT_TRUE(lun && other);
  ASSERT_TRUE(r.fill(other->id, 7));
  bool waited = false;
  array::change_options how;
  how.report = [&waited](const progress& p) { waited = waited || p.phase == "wiping"; };
  std::optional<status> done;
  rt::start([](rig& g, guid o, guid l, array::change_options h, std::optional<status>& d) -> rt::task<void> {
    (void)co_await g.array->delete_lun(o);
    d = co_await g.array->extend_lun(l, byte_count{2 << 20}, {}, std::move(h));
  }(r, other->id, lun->id, how, done));
  r.ex.run();
  ASSERT_TRUE(done && *done);
  EXPECT_TRUE(waited);
  EXPECT_TRUE(zeros_from(r, lun->id, 0));
}

TEST(extending, under_writes_loses_none_of_them) {
  for (const auto& k : kinds) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(lun);
    const auto data = r.pattern(lun->id, 8);
    bool wrote = true;
    for (std::size_t from = 0; from < data.size(); from += 8192)
      rt::start([](rig& g, guid l, std::span<const std::byte> part, std::size_t at, bool& fine) -> rt::task<void> {
        fine = (co_await g.array->device(l)->write(lba{at / 512}, io::const_buffer(part))).has_value() && fine;
      }(r, lun->id, std::span(data).subspan(from, 8192), from, wrote));
    std::optional<status> first, second;
    const auto grow = [](rig& g, guid l, std::optional<status>& d) -> rt::task<void> {
      d = co_await g.array->extend_lun(l, byte_count{1 << 20}, {}, {});
    };
    rt::start(grow(r, lun->id, first));
    rt::start(grow(r, lun->id, second));
    r.ex.run();
    ASSERT_TRUE(first && second && *first);
    EXPECT_EQ(second->error().code(), errc::busy);  // one at a time
    EXPECT_TRUE(wrote);
    EXPECT_TRUE(starts_with(r, lun->id, data));
    EXPECT_EQ(r.array->lun(lun->id)->size.n, 2u << 20);
  }
}

TEST(extending, is_called_off_before_it_is_committed_or_not_at_all) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2, 1}, 1 << 20);
  const auto free = r.array->drive(r.drive_id(0))->free;
  array::change_options how;
  how.commit = [] { return false; };
  EXPECT_EQ(r.ex.run(r.array->extend_lun(lun->id, byte_count{1 << 20}, {}, how)).error().code(), errc::cancelled);
  EXPECT_EQ(r.ex.run(r.array->shrink_lun(lun->id, byte_count{1 << 19}, how)).error().code(), errc::cancelled);
  EXPECT_EQ(r.array->lun(lun->id)->size.n, 1u << 20);
  EXPECT_EQ(r.array->drive(r.drive_id(0))->free, free);
  ASSERT_TRUE(r.fill(lun->id, 1)) << "what a shrink that was called off had put out of reach is back";
}

TEST(extending, the_same_operation_again_joins_the_first_also_after_a_restart) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2, 1}, 1 << 20);
  array::change_options how;
  how.operation = guid{{5}};
  ASSERT_TRUE(r.ex.run(r.array->extend_lun(lun->id, byte_count{1 << 20}, {}, how)));
  ASSERT_TRUE(r.ex.run(r.array->extend_lun(lun->id, byte_count{1 << 20}, {}, how)));
  r.power_cut();
  ASSERT_TRUE(r.boot());
  ASSERT_TRUE(r.ex.run(r.array->extend_lun(lun->id, byte_count{1 << 20}, {}, how)));
  EXPECT_EQ(r.array->lun(lun->id)->size.n, 2u << 20);
}

TEST(extending, a_degraded_lun_uses_another_drive_and_stays_rebuildable) {
  for (const auto& k : {kind{lun_type::mirror, 2, 1}, kind{lun_type::parity, 3, 1}}) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives + 1, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 2));
    const auto before = *r.read_all(lun->id);
    r.drives[0]->vanish();
    ASSERT_TRUE(r.fill(lun->id, 2));
    ASSERT_EQ(r.array->lun(lun->id)->health, lun_health::degraded);
    ASSERT_TRUE(extend(r, lun->id, 1 << 20));
    ASSERT_TRUE(starts_with(r, lun->id, before));
    ASSERT_TRUE(r.fill(lun->id, 3));
    ASSERT_TRUE(r.ex.run(r.array->recover_lun(lun->id)));
    EXPECT_EQ(r.array->lun(lun->id)->health, lun_health::healthy);
    r.drives[1]->vanish();
    EXPECT_TRUE(r.holds(lun->id, 3));
  }
}

TEST(shrinking, keeps_what_is_left_and_gives_back_the_rest_wiped) {
  for (const auto& k : kinds) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 2 << 20);
    ASSERT_TRUE(lun);
    ASSERT_TRUE(r.fill(lun->id, 3));
    auto before = *r.read_all(lun->id);
    before.resize((2u << 20) - (1300u << 10));
    const auto free = r.array->drive(r.drive_id(0))->free.n;
    const auto cut = shrink(r, lun->id, 1300 << 10);
    ASSERT_TRUE(cut) << cut.error().message();
    r.ex.run();
    EXPECT_EQ(r.array->lun(lun->id)->size.n, before.size());
    if (k.type != lun_type::span) {
      EXPECT_GT(r.array->drive(r.drive_id(0))->free.n, free);
    }
    EXPECT_TRUE(starts_with(r, lun->id, before));
    std::vector<std::byte> beyond(512);
    EXPECT_EQ(r.ex.run(r.array->device(lun->id)->read(lba{before.size() / 512}, io::buffer(beyond))).error().code(),
              errc::out_of_range);
    for (std::size_t i = 0; i < k.drives; ++i) {
      lun_spec all;
      all.type = lun_type::simple;
      all.drives = {r.drive_id(i)};
      all.size = r.array->drive(r.drive_id(i))->free;
      auto rest = r.ex.run(r.array->create_lun(all));
      ASSERT_TRUE(rest);
      EXPECT_TRUE(r.reads_zeros(rest->id));
    }
    r.power_cut();
    ASSERT_TRUE(r.boot());
    r.ex.run();
    EXPECT_TRUE(starts_with(r, lun->id, before));
    for (std::size_t i = 0; i < k.survives; ++i) r.drives[i]->vanish();
    EXPECT_TRUE(starts_with(r, lun->id, before));
  }
}

TEST(shrinking, what_was_logged_for_the_end_does_not_come_back_when_the_lun_grows_again) {
  for (const auto& k : kinds) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 1 << 20);
    ASSERT_TRUE(r.fill(lun->id, 3));
    // Small writes: what a stripe journal has to log.
    const std::vector<std::byte> some(4096, std::byte{7});
    for (std::uint64_t at = 0; at < 1 << 20; at += 1 << 16)
      ASSERT_TRUE(r.ex.run(r.array->device(lun->id)->write(lba{at / 512}, io::const_buffer(some))));
    ASSERT_TRUE(shrink(r, lun->id, 1 << 19));
    ASSERT_TRUE(extend(r, lun->id, 1 << 19));
    r.power_cut();
    ASSERT_TRUE(r.boot());
    EXPECT_TRUE(zeros_from(r, lun->id, 1 << 19));
  }
}

TEST(shrinking, leaves_something_or_does_nothing) {
  rig r(2, 8 << 20);
  ASSERT_TRUE(r.boot());
  auto lun = make(r, {lun_type::mirror, 2, 1}, 1 << 20);
  EXPECT_EQ(shrink(r, lun->id, 1 << 20).error().code(), errc::invalid_argument);
  EXPECT_EQ(shrink(r, lun->id, UINT64_MAX).error().code(), errc::invalid_argument);
  EXPECT_EQ(shrink(r, lun->id, 0).error().code(), errc::invalid_argument);
  EXPECT_EQ(shrink(r, guid{{9}}, 512).error().code(), errc::not_found);
  EXPECT_EQ(r.array->lun(lun->id)->size.n, 1u << 20);
}

TEST(shrinking, waits_for_writes_to_what_goes_and_refuses_later_ones) {
  for (const auto& k : kinds) {
    SCOPED_TRACE(to_string(k.type));
    rig r(k.drives, 8 << 20);
    ASSERT_TRUE(r.boot());
    auto lun = make(r, k, 2 << 20);
    ASSERT_TRUE(r.fill(lun->id, 1));
    for (auto& d : r.drives) d->set_latency(10ms);
    const auto data = r.pattern(lun->id, 2);
    int done = 0, refused = 0;
    const auto write = [](rig& g, guid l, const std::vector<std::byte>& all, std::size_t from, int& well,
                          int& not_any_more) -> rt::task<void> {
      const auto s =
          co_await g.array->device(l)->write(lba{from / 512}, io::const_buffer(std::span(all).subspan(from, 16384)));
      if (s) ++well;
      if (!s && s.error() == errc::out_of_range) ++not_any_more;
    };
    for (std::size_t from = 0; from < data.size(); from += 16384)
      rt::start(write(r, lun->id, data, from, done, refused));
    std::optional<status> cut;
    rt::start([](rig& g, guid l, std::optional<status>& d) -> rt::task<void> {
      d = co_await g.array->shrink_lun(l, byte_count{1 << 20}, {});
    }(r, lun->id, cut));
    rt::start(write(r, lun->id, data, data.size() - 16384, done, refused));
    r.ex.run();
    ASSERT_TRUE(cut && *cut);
    EXPECT_EQ(done, 128);
    EXPECT_EQ(refused, 1);
    EXPECT_TRUE(starts_with(r, lun->id, std::span(data).first(1 << 20)));
    ASSERT_TRUE(extend(r, lun->id, 1 << 20));
    EXPECT_TRUE(zeros_from(r, lun->id, 1 << 20));
  }
}

TEST(growth, is_planned_from_the_drives_given_then_own_ones_then_the_roomiest) {
  using layout::plan;
  const std::vector<layout::drive_room> all = {{1, 4, 0}, {2, 4, 0}, {3, 50, 0}, {4, 9, 0}, {5, 8, 8}};
  const auto slots = [](const std::vector<plan::share>& s) {
    std::vector<std::pair<std::uint32_t, std::uint64_t>> out;
    for (const auto& one : s) out.emplace_back(one.slot, one.extents);
    return out;
  };
  using list = std::vector<std::pair<std::uint32_t, std::uint64_t>>;
  auto p = layout::plan_growth({{{1}, 10}, {{2}, 10}}, {all[3]}, all);
  ASSERT_TRUE(p);
  EXPECT_EQ(slots((*p)[0]), (list{{4, 9}, {1, 1}}));
  EXPECT_EQ(slots((*p)[1]), (list{{2, 4}, {3, 6}}));
  EXPECT_FALSE(layout::plan_growth({{{1}, 60}}, {}, {all[0], all[2]}));
  EXPECT_FALSE(layout::plan_growth({{{1}, 5}, {{2}, 5}}, {}, {all[0], all[1], all[2]}))
      << "the second cannot go where the first one is";
  EXPECT_FALSE(layout::plan_growth({{{1}, 5}}, {}, {all[0], all[4]})) << "it would be full of its journal";
}

}  // namespace
}  // namespace vds::array::testing
