#include <gtest/gtest.h>

#include "array/testing/rig.h"

namespace vds::array {
namespace {

using testing::rig;

array::bytes bytes_of(std::string_view text) {
  const auto* p = reinterpret_cast<const std::byte*>(text.data());
  return {p, p + text.size()};
}

TEST(settings, travel_with_each_drive_and_survive_restarts) {
  rig r(3);
  ASSERT_TRUE(r.boot());
  ASSERT_TRUE(r.ex.run(r.array->put_setting("a/1", bytes_of("one"))));
  ASSERT_TRUE(r.ex.run(r.array->put_setting("a/2", bytes_of("two"))));
  ASSERT_TRUE(r.ex.run(r.array->put_setting("b/1", {})));
  ASSERT_TRUE(r.ex.run(r.array->put_setting("a/1", bytes_of("uno"))));
  ASSERT_TRUE(r.ex.run(r.array->erase_setting("a/2")));
  r.power_cut();
  ASSERT_TRUE(r.boot({0, 2}));  // any two of the three
  EXPECT_EQ(r.array->setting("a/1"), bytes_of("uno"));
  EXPECT_EQ(r.array->setting("a/2"), std::nullopt);
  EXPECT_EQ(r.array->setting("b/1"), bytes_of(""));
  EXPECT_EQ(r.array->settings("a/").size(), 1U);
  EXPECT_EQ(r.array->settings("").size(), 2U);
}

TEST(settings, several_change_together_and_an_operation_remembers_it) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  const guid operation{{7}};
  ASSERT_TRUE(r.ex.run(r.array->put_setting("old", bytes_of("x"))));
  std::vector<array::setting_change> changes = {{"old", std::nullopt}, {"new", bytes_of("y")}, {"new", bytes_of("z")}};
  ASSERT_TRUE(r.ex.run(r.array->change_settings(changes, operation)));
  EXPECT_EQ(r.array->setting("old"), std::nullopt);
  EXPECT_EQ(r.array->setting("new"), bytes_of("z"));
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->operation(operation).is, operation_outcome::state::done);
  EXPECT_EQ(r.array->setting("new"), bytes_of("z"));
  // Repeated, it joins what was done instead of doing it again.
  ASSERT_TRUE(r.ex.run(r.array->erase_setting("new")));
  ASSERT_TRUE(r.ex.run(r.array->change_settings(changes, operation)));
  EXPECT_EQ(r.array->setting("new"), std::nullopt);
}

TEST(settings, are_bounded) {
  rig r(2, 2048ULL << 20);
  ASSERT_TRUE(r.boot());
  const auto put = [&r](std::string key, std::size_t n) {
    auto s = r.ex.run(r.array->put_setting(std::move(key), array::bytes(n, std::byte{1})));
    return s ? std::optional<errc>() : s.error().code();
  };
  EXPECT_EQ(put("", 1), errc::invalid_argument);
  EXPECT_EQ(put(std::string(256, 'k'), 1), errc::invalid_argument);
  EXPECT_EQ(put("k", 65537), errc::too_large);
  int n = 0;
  while (put("k" + std::to_string(n), 65536) == std::nullopt) ASSERT_LT(++n, 100);
  EXPECT_EQ(n, 63);  // of 64 KiB, with their keys: less than 4 MiB
  EXPECT_EQ(put("more", 65536), errc::too_large);
  ASSERT_TRUE(r.ex.run(r.array->erase_setting("k0")));
  EXPECT_EQ(put("more", 65536), std::nullopt);
  r.power_cut();
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->settings("").size(), 63U);
}

TEST(settings, leave_room_for_the_rest_of_the_configuration_on_small_drives) {
  rig r(2, 4 << 20);
  ASSERT_TRUE(r.boot());
  status s;
  int n = 0;
  while (s) s = r.ex.run(r.array->put_setting("k" + std::to_string(n++), array::bytes(16384, std::byte{1})));
  EXPECT_EQ(s.error().code(), errc::no_space);
  EXPECT_GT(n, 4);
  for (int i = 0; i < 40; ++i)  // replacing is always possible, and so are snapshots
    ASSERT_TRUE(r.ex.run(r.array->put_setting("small", array::bytes(100, static_cast<std::byte>(i)))));
  ASSERT_TRUE(r.create(lun_type::mirror, 65536));
  ASSERT_TRUE(r.shut_down());
  ASSERT_TRUE(r.boot());
  EXPECT_EQ(r.array->setting("small"), array::bytes(100, std::byte{39}));
}

TEST(settings, that_do_not_change_write_nothing) {
  rig r(2);
  ASSERT_TRUE(r.boot());
  ASSERT_TRUE(r.ex.run(r.array->put_setting("k", bytes_of("v"))));
  std::size_t requests = 0;
  for (auto& d : r.drives)
    d->set_rule([&requests](const io::faulty_device::call&) {
      ++requests;
      return io::fault::none;
    });
  ASSERT_TRUE(r.ex.run(r.array->put_setting("k", bytes_of("v"))));
  ASSERT_TRUE(r.ex.run(r.array->erase_setting("other")));
  EXPECT_EQ(requests, 0U);
}

// A snapshot of the log that is being written when the array closes ends with it: a write that came later would meet
// drives that are not ours any more.
TEST(settings, and_snapshots_of_the_log_write_nothing_once_the_array_is_closed) {
  for (int n = 1; n <= 24; ++n) {
    rig r(2, 4 << 20, static_cast<std::uint64_t>(n));
    ASSERT_TRUE(r.boot());
    for (int i = 0; i < n; ++i)
      ASSERT_TRUE(r.ex.run(r.array->put_setting("k", array::bytes(16384, static_cast<std::byte>(i)))));
    ASSERT_TRUE(r.ex.run(r.array->close()));
    const auto requests = r.drives[0]->requests() + r.drives[1]->requests();
    r.ex.run();
    EXPECT_EQ(r.drives[0]->requests() + r.drives[1]->requests(), requests) << n;
    r.array.reset();
    r.ex.run();
    ASSERT_TRUE(r.boot());
    EXPECT_EQ(r.array->setting("k"), array::bytes(16384, static_cast<std::byte>(n - 1)));
  }
}

}  // namespace
}  // namespace vds::array
