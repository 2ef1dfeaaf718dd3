#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "apps/vds/com_gateway.h"
#include "apps/vds/run.h"
#include "base/log.h"

namespace {

bool ask(const std::string& question) {
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

int main(int argc, char** argv) {
  ::setenv("VDS_LOG", "error", 0);  // NOLINT(concurrency-mt-unsafe): what the library notes is no part of our output
  vds::log::start("vds");
  std::signal(SIGPIPE, SIG_IGN);  // `vds events | head` ends when a line cannot be written
  const vds::cli::interrupt stop;
  const int status = vds::cli::run(
      {argv + 1, argv + argc}, {std::cout, std::cerr, vds::cli::detect_terminal, vds::cli::connect_by_com, stop, ask});
  // Not exit(): proxies are released when the socket closes, and libvds's threads have nothing to clean up.
  std::cout.flush();
  ::_exit(status);
}
