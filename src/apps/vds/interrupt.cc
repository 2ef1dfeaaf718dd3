#include "apps/vds/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>

#include "base/assert.h"

namespace vds::cli {
namespace {

std::atomic<int> signal_fd = -1;

void on_sigint(int) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(signal_fd.load(), &one, sizeof one);
}

}  // namespace

interrupt::interrupt() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { always(fd_); }

bool interrupt::raised() const noexcept {
  pollfd p{fd_.get(), POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

void interrupt::raise() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
}

void raise_on_sigint(const interrupt& i) {
  signal_fd = i.fd();
  struct sigaction action {};
  action.sa_handler = on_sigint;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  always(::sigaction(SIGINT, &action, nullptr) == 0);
}

}  // namespace vds::cli
