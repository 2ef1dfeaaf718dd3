// vds-arrayd: an array and its iSCSI target in a process of their own, until SIGTERM.
#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>

#include "apps/arrayd/daemon.h"
#include "base/log.h"

int main(int argc, char** argv) {
  using namespace vds;
  const auto parsed = arrayd::parse_command_line(argc, argv);
  if (parsed.exit_status >= 0) return parsed.exit_status;
  log::start("vds-arrayd");

  // Before any thread starts, so that all of them leave the signals to sigwait below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // Every drive and every initiator is a descriptor.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }

  auto daemon = arrayd::daemon::start(parsed.given);
  if (!daemon) {
    fmt::print(stderr, "vds-arrayd: {}\n", daemon.error().message());
    return 1;
  }
  log::info("{} is served; initiators find it at {}", parsed.given.directory, (*daemon)->array().portal());
  std::puts("ready");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  log::info("ending on signal {}", signal);
  daemon->reset();
  return 0;
}
