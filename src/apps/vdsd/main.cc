// vdsd: the Virtual Disk Service, in the foreground, until SIGTERM.
#include <fmt/format.h>

#include <cstdio>

#include "apps/common/daemon.h"
#include "apps/vdsd/server.h"
#include "base/log.h"

int main(int argc, char** argv) {
  using namespace vds;
  const auto parsed = vdsd::parse_command_line(argc, argv);
  if (parsed.exit_status >= 0) return parsed.exit_status;
  log::start("vdsd");
  daemon::take_signals();
  auto running = vdsd::server::start(parsed.given);
  if (!running) {
    fmt::print(stderr, "vdsd: {}\n", running.error().message());
    return 1;
  }
  log::info("listening on {}", parsed.given.socket);
  daemon::say_ready();
  const int signal = daemon::wait_for_end();
  log::info("ending on signal {}", signal);
  daemon::say_stopping();
  running->reset();
  return 0;
}
