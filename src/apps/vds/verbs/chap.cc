// The verbs of `vds chap`. A secret comes from a file, from standard input, or from a person at a terminal who is not
// shown what is typed; never from the command line, where everybody on the host could read it.
#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "apps/vds/command_error.h"
#include "apps/vds/verbs/iscsi.h"
#include "apps/vds/verbs/verbs.h"
#include "base/unique_fd.h"

namespace vds::cli {
namespace {

constexpr std::size_t least = 12, most = 255;

std::string read_all(int fd, const std::string& what) {
  std::string out;
  char block[512];
  for (ssize_t n; (n = ::read(fd, block, sizeof block)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw command_error(exit_status::failed, fmt::format("reading {}: {}", what, std::strerror(errno)));
    out.append(block, static_cast<std::size_t>(n));
    if (out.size() > most + 2) break;  // said below
  }
  ::explicit_bzero(block, sizeof block);
  if (out.ends_with('\n')) out.pop_back();
  if (out.ends_with('\r')) out.pop_back();
  return out;
}

std::string ask(const char* question) {
  const unique_fd tty(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  termios before{};
  if (!tty || ::tcgetattr(tty.get(), &before) != 0)
    throw command_error(exit_status::usage, "there is no terminal to ask for the secret at",
                        "name a file with --secret-file, or '-' for standard input");
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  (void)!::write(tty.get(), question, std::strlen(question));
  ::tcsetattr(tty.get(), TCSAFLUSH, &silent);
  std::string line;
  for (char ch = 0; ::read(tty.get(), &ch, 1) == 1 && ch != '\n' && line.size() <= most;) line += ch;
  ::tcsetattr(tty.get(), TCSAFLUSH, &before);
  (void)!::write(tty.get(), "\n", 1);
  return line;
}

std::string read_secret(const options& o) {
  std::string secret;
  if (o.secret_file == "-") {
    secret = read_all(STDIN_FILENO, "the secret");
  } else if (!o.secret_file.empty()) {
    const unique_fd file(::open(o.secret_file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
      throw command_error(exit_status::failed, fmt::format("opening {}: {}", o.secret_file, std::strerror(errno)));
    secret = read_all(file.get(), o.secret_file);
  } else {
    secret = ask("secret: ");
    if (secret != ask("again: ")) throw command_error(exit_status::failed, "the two were not the same");
  }
  if (secret.size() < least || secret.size() > most)
    throw command_error(exit_status::failed, fmt::format("a CHAP secret has {} to {} bytes", least, most));
  return secret;
}

// --initiator and --mutual say which secret of the target it is.
void set(context& c, const options& o, const std::optional<std::string>& secret) {
  const target_view t = one_target(c, o, o.objects.front());
  auto& iscsi = c.service(o).iscsi();
  const auto initiator = o.initiator.empty() ? std::nullopt : std::optional(o.initiator);
  if (o.mutual)
    iscsi.set_mutual_secret(t.id, o.initiator, secret);
  else
    iscsi.set_secret(t.id, initiator, secret);
  const std::string whose = o.mutual    ? "with which the target proves itself to " + o.initiator
                            : initiator ? "of " + o.initiator
                                        : "of everybody";
  say_done(c, o, fmt::format("the secret {} is {}", whose, secret ? "set" : "cleared"), {{"id", to_string(t.id)}});
}

void check(const options& o) {
  if (o.mutual && o.initiator.empty())
    throw command_error(exit_status::usage, "say to which initiator the target proves itself", "--initiator IQN");
}

}  // namespace

void chap_set(context& c, const options& o) {
  check(o);
  std::string secret = read_secret(o);
  try {
    set(c, o, secret);
  } catch (...) {
    ::explicit_bzero(secret.data(), secret.size());
    throw;
  }
  ::explicit_bzero(secret.data(), secret.size());
}

void chap_clear(context& c, const options& o) {
  check(o);
  set(c, o, std::nullopt);
}

}  // namespace vds::cli
