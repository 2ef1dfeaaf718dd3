#include "apps/vdsd/error_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>

namespace vds::vdsd {
namespace {

constexpr std::size_t longest = 500;

}  // namespace

result<std::unique_ptr<error_output>> error_output::make(unique_fd& write_end) {
  int both[2];
  if (::pipe2(both, O_CLOEXEC) != 0) return failure_from_errno(errno, "pipe");
  auto made = std::make_unique<error_output>();
  made->read_.reset(both[0]);
  write_end.reset(both[1]);
  // Ours alone: the child's end stays one that waits.
  ::fcntl(both[0], F_SETFL, O_NONBLOCK);
  return made;
}

bool error_output::pass_on() {
  char some[4096];
  for (;;) {
    const ssize_t got = ::read(read_.get(), some, sizeof some);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 && errno == EAGAIN;
    const auto size = static_cast<std::size_t>(got);
    [[maybe_unused]] const auto told = ::write(STDERR_FILENO, some, size);
    remember(some, size);
  }
}

void error_output::remember(const char* text, std::size_t size) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < size; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      if (line_.find_first_not_of(' ') != std::string::npos) last_ = line_;
      line_.clear();
    } else if (line_.size() < longest) {
      line_ += std::iscntrl(c) != 0 ? ' ' : static_cast<char>(c);
    }
  }
}

std::string error_output::last_line() const {
  const std::lock_guard lock(mutex_);
  return line_.find_first_not_of(' ') != std::string::npos ? line_ : last_;
}

}  // namespace vds::vdsd
