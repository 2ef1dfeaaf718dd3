#include "baseline.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vds::bench {
namespace {

using steady = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

alignas(4096) std::array<char, 4096> block{};

}  // namespace

double sample::percentile(double p) const {
  if (us.empty()) return 0;
  std::vector<double> sorted = us;
  std::sort(sorted.begin(), sorted.end());
  const auto at = static_cast<std::size_t>(std::ceil(p / 100 * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(at, 1, sorted.size()) - 1];
}

sample timed(std::string name, std::size_t rounds, const std::function<void()>& once) {
  sample s{.name = std::move(name), .us = {}};
  s.us.reserve(rounds);
  const auto begun = steady::now();
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto t = steady::now();
    once();
    s.us.push_back(std::chrono::duration<double, std::micro>(steady::now() - t).count());
  }
  s.seconds = std::chrono::duration<double>(steady::now() - begun).count();
  return s;
}

sample dsync_writes(const std::filesystem::path& dir, std::size_t rounds) {
  const auto path = dir / "dsync";
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_DSYNC, 0600);
  if (fd < 0) die("open");
  constexpr off_t span = 4 << 20;
  for (off_t at = 0; at < span; at += 4096) {
    if (::pwrite(fd, block.data(), block.size(), at) != 4096) die("pwrite");
  }
  off_t at = 0;
  auto s = timed("O_DSYNC 4 KiB write", rounds, [&] {
    if (::pwrite(fd, block.data(), block.size(), at) != 4096) die("pwrite");
    at = (at + 4096) % span;
  });
  ::close(fd);
  std::filesystem::remove(path);
  return s;
}

sample fdatasync_appends(const std::filesystem::path& dir, std::size_t rounds) {
  const auto path = dir / "fdatasync";
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_APPEND, 0600);
  if (fd < 0) die("open");
  auto s = timed("4 KiB append + fdatasync", rounds, [&] {
    if (::write(fd, block.data(), block.size()) != 4096 || ::fdatasync(fd) != 0) die("append");
  });
  ::close(fd);
  std::filesystem::remove(path);
  return s;
}

sample sqlite_commits(const std::filesystem::path& dir, std::size_t rounds) {
  const auto path = dir / "commits.db";
  sqlite3* db = nullptr;
  const auto must = [&](int code) {
    if (code != SQLITE_OK) {
      std::fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
      std::exit(1);
    }
  };
  must(sqlite3_open(path.c_str(), &db));
  must(sqlite3_exec(db,
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)",
                    nullptr, nullptr, nullptr));
  auto s = timed("SQLite commit (WAL, FULL)", rounds,
                 [&] { must(sqlite3_exec(db, "INSERT INTO t(v) VALUES (zeroblob(200))", nullptr, nullptr, nullptr)); });
  sqlite3_close(db);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path.string() + suffix);
  return s;
}

sample socket_round_trips(std::size_t rounds) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) die("socketpair");
  std::array<char, 128> message{};
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  if (child == 0) {
    ::close(pair[0]);
    while (::recv(pair[1], message.data(), message.size(), MSG_WAITALL) == 128) {
      if (::send(pair[1], message.data(), message.size(), MSG_NOSIGNAL) != 128) break;
    }
    std::_Exit(0);
  }
  ::close(pair[1]);
  auto s = timed("unix socket ping-pong", rounds, [&] {
    if (::send(pair[0], message.data(), message.size(), MSG_NOSIGNAL) != 128 ||
        ::recv(pair[0], message.data(), message.size(), MSG_WAITALL) != 128) {
      die("ping-pong");
    }
  });
  ::close(pair[0]);
  ::waitpid(child, nullptr, 0);
  return s;
}

}  // namespace vds::bench
