// The daemon from outside: started, asked over its socket, stopped, killed, started again.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "base/unique_fd.h"
#include "io/uring/tcp.h"
#include "providers/array/provider.h"
#include "providers/array/testing/vds_caller.h"
#include "wire/orpc/endpoint.h"

namespace vds::arrayd {
namespace {

using array_provider::testing::caller;

// A process and what it says. Killed, if it still runs, when it goes.
class process {
 public:
  explicit process(std::vector<std::string> arguments) {
    int out[2], err[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(err, O_CLOEXEC), 0);
    std::vector<char*> argv;
    for (auto& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], 1);
      ::dup2(err[1], 2);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_.reset(out[0]);
    err_.reset(err[0]);
  }
  ~process() {
    if (pid_ > 0) kill(SIGKILL);
  }
  // The first line of standard output; what there is when the process ends before.
  std::string line() {
    std::string text;
    char c = 0;
    while (::read(out_.get(), &c, 1) == 1 && c != '\n') text += c;
    return text;
  }
  int kill(int signal) {
    ::kill(pid_, signal);
    return wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string errors() {
    std::string text;
    char b[4096];
    for (ssize_t n; (n = ::read(err_.get(), b, sizeof b)) > 0;) text.append(b, static_cast<std::size_t>(n));
    return text;
  }

 private:
  pid_t pid_ = -1;
  unique_fd out_, err_;
};

class vds_arrayd : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "vds-arrayd-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(base_); }

  std::unique_ptr<process> start(std::vector<std::string> more = {}, const std::string& dir = "array") {
    std::vector<std::string> arguments = {VDS_ARRAYD,      "--dir",          base_ + "/" + dir, "--socket",
                                          base_ + "/sock", "--iscsi-portal", "127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto p = std::make_unique<process>(std::move(arguments));
    EXPECT_EQ(p->line(), "ready");
    return p;
  }
  caller connect() {
    auto e = wire::endpoint::connect_unix(runtime_, base_ + "/sock");
    EXPECT_TRUE(e) << e.error().message();
    com_ptr<IUnknown> p;
    EXPECT_EQ((*e)->activate(array_provider::clsid, __uuidof(IVdsProviderPrivate), p.put_void()), S_OK);
    return caller(p);
  }

  wire::runtime runtime_{4};
  std::string base_;
};

TEST_F(vds_arrayd, luns_have_the_same_ids_numbers_and_addresses_after_a_stop_and_after_a_kill) {
  auto p = start({"--drives", "3x64M"});
  guid id;
  std::string url, serial;
  {
    caller c = connect();
    EXPECT_EQ(c.drives().size(), 3u);
    auto lun = c.create(VDS_LT_MIRROR, 8 << 20, {}, L"*");
    ASSERT_TRUE(lun);
    id = caller::id_of(lun.get());
    url = caller::details_of(lun.get()).url;
    serial = caller::details_of(lun.get()).serial;
  }
  EXPECT_THAT(url, testing::StartsWith("iscsi://127.0.0.1:"));
  EXPECT_EQ(p->kill(SIGTERM), 0) << p->errors();
  for (int round = 0; round < 2; ++round) {
    p = start();
    caller c = connect();
    EXPECT_EQ(c.lun_ids(), std::set<guid>{id});
    auto lun = c.luns().at(0).as<IVdsLun>();
    EXPECT_EQ(caller::details_of(lun.get()).url, url);
    EXPECT_EQ(caller::details_of(lun.get()).serial, serial);
    EXPECT_EQ(c.drives().size(), 3u);
    EXPECT_EQ(p->kill(SIGKILL), 128 + SIGKILL);
  }
}

TEST_F(vds_arrayd, waits_for_its_port_while_a_dying_predecessor_still_holds_it) {
  auto p = start({"--drives", "1x64M"});
  const auto portal = [this] {
    caller c = connect();
    const auto lun = c.luns().at(0).as<IVdsLun>();
    const std::string url = caller::details_of(lun.get()).url;
    return url.substr(8, url.find('/', 8) - 8);
  };
  {
    caller c = connect();
    ASSERT_TRUE(c.create(VDS_LT_SIMPLE, 8 << 20));
  }
  const std::string before = portal();
  p->kill(SIGKILL);
  auto ring = io::reactor_thread::start("holder");
  ASSERT_TRUE(ring);
  auto holder = io::listen_tcp((*ring)->reactor(), before, {.patience = 30s});
  ASSERT_TRUE(holder) << holder.error().message();
  std::thread letting_go([&] {
    std::this_thread::sleep_for(300ms);  // longer than a start takes: it finds the port taken
    holder->reset();
  });
  p = start();
  letting_go.join();
  EXPECT_EQ(portal(), before);
}

TEST_F(vds_arrayd, a_second_one_on_the_same_directory_is_refused_with_words) {
  auto p = start({"--drives", "1x64M"});
  process second(
      {VDS_ARRAYD, "--dir", base_ + "/array", "--socket", base_ + "/other", "--iscsi-portal", "127.0.0.1:0"});
  EXPECT_EQ(second.line(), "");
  EXPECT_THAT(second.errors(), testing::HasSubstr("is served by process"));
  EXPECT_EQ(second.wait(), 1);
  EXPECT_EQ(p->kill(SIGTERM), 0) << p->errors();
}

TEST_F(vds_arrayd, its_socket_is_for_its_own_user_only) {
  auto p = start();
  struct stat st {};
  ASSERT_EQ(::stat((base_ + "/sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(vds_arrayd, drives_added_at_run_time_are_there_after_a_kill) {
  auto p = start();
  {
    caller c = connect();
    EXPECT_TRUE(c.drives().empty());
    const auto admin = c.subsystem.as<IVdsxDriveAdmin>();
    VDS_OBJECT_ID id{};
    ASSERT_EQ(admin->AddDrive(to_wide(base_ + "/elsewhere.img").c_str(), 64 << 20, 0, &id), S_OK);
    EXPECT_EQ(admin->AddDrive(to_wide(base_ + "/elsewhere.img").c_str(), 0, 0, &id), VDS_E_OBJECT_EXISTS);
    EXPECT_TRUE(c.create(VDS_LT_SIMPLE, 4 << 20));
  }
  p->kill(SIGKILL);
  p = start();
  caller c = connect();
  EXPECT_EQ(c.drives().size(), 1u);
  EXPECT_EQ(c.luns().size(), 1u);
}

TEST_F(vds_arrayd, drive_files_carried_to_another_directory_bring_their_luns) {
  auto p = start({"--drives", "2x64M"});
  guid id;
  {
    caller c = connect();
    auto lun = c.create(VDS_LT_STRIPE, 8 << 20);
    ASSERT_TRUE(lun);
    id = caller::id_of(lun.get());
  }
  EXPECT_EQ(p->kill(SIGTERM), 0) << p->errors();
  std::filesystem::create_directory(base_ + "/new");
  for (const auto& e : std::filesystem::directory_iterator(base_ + "/array")) {
    if (e.path().extension() == ".img")
      std::filesystem::copy(e.path(), std::filesystem::path(base_ + "/new") / e.path().filename());
  }
  p = start({}, "new");
  EXPECT_EQ(connect().lun_ids(), std::set<guid>{id});
}

TEST_F(vds_arrayd, drives_of_a_killed_array_added_one_by_one_to_an_empty_one_are_imported) {
  auto p = start({"--drives", "2x64M"});
  guid id;
  {
    caller c = connect();
    auto lun = c.create(VDS_LT_MIRROR, 8 << 20);
    ASSERT_TRUE(lun);
    id = caller::id_of(lun.get());
  }
  p->kill(SIGKILL);
  p = start({}, "new");
  caller c = connect();
  EXPECT_TRUE(c.luns().empty());
  const auto admin = c.subsystem.as<IVdsxDriveAdmin>();
  for (const char* name : {"drive-000.img", "drive-001.img"}) {
    VDS_OBJECT_ID drive{};
    EXPECT_EQ(admin->AddDrive(to_wide(base_ + "/array/" + name).c_str(), 0, 0, &drive), S_OK);
  }
  EXPECT_EQ(c.lun_ids(), std::set<guid>{id});
  c.sink->wait_for(VDS_NF_LUN_ARRIVE, id);
  const auto url = caller::details_of(c.luns().at(0).as<IVdsLun>().get()).url;
  p->kill(SIGKILL);
  p = start({}, "new");
  caller again = connect();
  EXPECT_EQ(again.lun_ids(), std::set<guid>{id});
  EXPECT_EQ(caller::details_of(again.luns().at(0).as<IVdsLun>().get()).url, url);
}

}  // namespace
}  // namespace vds::arrayd
