#include "apps/common/daemon.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

namespace vds::daemon {
namespace {

sigset_t end_signals() noexcept {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  return ends;
}

}  // namespace

void take_signals() {
  const sigset_t ends = end_signals();
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

int wait_for_end() {
  const sigset_t ends = end_signals();
  int signal = 0;
  while (sigwait(&ends, &signal) != 0) {
  }
  return signal;
}

void reset_signals_in_child() noexcept {
  const sigset_t ends = end_signals();
  pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
}

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
  sd_notify(0, "READY=1");
}

void say_stopping() { sd_notify(0, "STOPPING=1"); }
void say_status(const std::string& words) { sd_notify(0, ("STATUS=" + words).c_str()); }

result<unique_fd> own_directory(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (error) return failure_from_errno(error.value(), "making " + path);
  if (made) ::chmod(path.c_str(), 0700);
  const std::string lock = path + "/lock";
  unique_fd fd(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return failure_from_errno(errno, "opening " + lock);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return failure(errc::busy, "another process works on " + path);
    return failure_from_errno(errno, "locking " + lock);
  }
  return fd;
}

}  // namespace vds::daemon
