#include "apps/arrayd/directory.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace vds::arrayd {
namespace {

class arrayd_directory : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "vds-arrayd-dir-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::unique_ptr<directory> opened(const std::string& path) {
    auto d = directory::open(path);
    EXPECT_TRUE(d) << d.error().message();
    return std::move(*d);
  }
  std::string path_;
};

TEST_F(arrayd_directory, one_process_at_a_time_has_it_and_the_refused_one_hears_which) {
  auto first = opened(path_);
  const auto second = directory::open(path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::busy);
  EXPECT_NE(second.error().message().find(std::to_string(::getpid())), std::string::npos) << second.error().message();
  first.reset();
  EXPECT_TRUE(directory::open(path_));
}

TEST_F(arrayd_directory, drives_and_settings_are_there_after_reopening) {
  {
    auto d = opened(path_ + "/new");
    ASSERT_TRUE(d->add_pending("/dev/one"));
    ASSERT_TRUE(d->add_pending("/dev/two"));
    ASSERT_TRUE(d->add_pending("/dev/three"));
    ASSERT_TRUE(d->settle("/dev/one"));
    ASSERT_TRUE(d->remove("/dev/two"));
    ASSERT_TRUE(d->add_pending("/made/four"));
    ASSERT_TRUE(d->made("/made/four"));
    ASSERT_TRUE(d->made("/dev/one"));  // is a member
    ASSERT_TRUE(d->remove("/dev/never"));
    ASSERT_TRUE(d->set("id", "a"));
    ASSERT_TRUE(d->set("id", "b"));
  }
  auto d = opened(path_ + "/new");
  const auto entries = d->entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].path, "/dev/one");
  EXPECT_FALSE(entries[0].pending);
  EXPECT_FALSE(entries[0].made);
  EXPECT_EQ(entries[1].path, "/dev/three");
  EXPECT_TRUE(entries[1].pending);
  EXPECT_FALSE(entries[1].made);
  EXPECT_EQ(entries[2].path, "/made/four");
  EXPECT_TRUE(entries[2].pending);
  EXPECT_TRUE(entries[2].made);
  EXPECT_EQ(d->setting("id"), "b");
  EXPECT_EQ(d->setting("nothing"), std::nullopt);
}

TEST_F(arrayd_directory, its_own_drives_move_with_it) {
  {
    auto d = opened(path_ + "/here");
    ASSERT_TRUE(d->add_pending(d->file("drive-000.img")));
  }
  std::filesystem::rename(path_ + "/here", path_ + "/there");
  auto d = opened(path_ + "/there");
  ASSERT_EQ(d->entries().size(), 1u);
  EXPECT_EQ(d->entries()[0].path, d->file("drive-000.img"));
}

TEST_F(arrayd_directory, drive_files_carried_into_an_empty_one_are_taken_in_once) {
  std::ofstream(path_ + "/b.img") << "x";
  std::ofstream(path_ + "/a.img") << "x";
  std::ofstream(path_ + "/notes.txt") << "x";
  auto d = opened(path_);
  EXPECT_EQ(d->adopt_drive_files().value(), 2u);
  EXPECT_EQ(d->entries()[0].path, d->file("a.img"));
  std::ofstream(path_ + "/c.img") << "x";
  EXPECT_EQ(d->adopt_drive_files().value(), 0u);  // a stranger's drive in a living array is added by hand only
}

TEST_F(arrayd_directory, a_damaged_database_is_refused_with_its_name) {
  { opened(path_); }
  std::ofstream(path_ + "/state.db", std::ios::trunc) << std::string(8192, 'x');
  std::filesystem::remove(path_ + "/state.db-wal");
  const auto d = directory::open(path_);
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error().code(), errc::corrupt);
  EXPECT_NE(d.error().message().find("state.db"), std::string::npos);
}

}  // namespace
}  // namespace vds::arrayd
