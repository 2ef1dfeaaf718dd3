#include "apps/vdsd/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "apps/common/daemon.h"
#include "apps/vdsd/error_output.h"

namespace vds::vdsd {
namespace {

std::string words_for(int status) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return "killed by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
  }
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

// What a child needs, made before the fork: afterwards nothing may be allocated.
struct preparation {
  explicit preparation(const child_options& options) : words(options.command), variables(options.environment) {
    for (std::string& w : words) arguments.push_back(w.data());
    arguments.push_back(nullptr);
    for (std::string& v : variables) environment.push_back(v.data());
    for (char** v = environ; *v != nullptr; ++v) environment.push_back(*v);
    environment.push_back(nullptr);
  }
  std::vector<std::string> words, variables;
  std::vector<char*> arguments, environment;
};

void limit(__rlimit_resource_t what, std::uint64_t most) noexcept {
  rlimit now{};
  if (most == 0 || ::getrlimit(what, &now) != 0) return;
  now.rlim_cur = now.rlim_max = std::min<rlim_t>(now.rlim_max, most);
  ::setrlimit(what, &now);
}

// Between fork and exec: only what is async-signal-safe.
[[noreturn]] void become(const preparation& made, const child_options& options, int output, int error_pipe, int failed,
                         pid_t parent) noexcept {
  daemon::reset_signals_in_child();
  if (options.ends_with_us) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // we died in between
  }
  ::setsid();  // a group of its own: it can be killed with all it started
  ::dup2(output, STDOUT_FILENO);
  if (error_pipe >= 0) ::dup2(error_pipe, STDERR_FILENO);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  limit(RLIMIT_NOFILE, options.limits.files);
  limit(RLIMIT_AS, options.limits.memory_bytes);
  ::execvpe(made.arguments[0], made.arguments.data(), made.environment.data());
  const int error = errno;
  [[maybe_unused]] const auto told = ::write(failed, &error, sizeof error);
  ::_exit(127);
}

// "..., and the last thing it said": why it ended is usually there.
std::string with_last_line(std::string words, const error_output* errors) {
  if (errors != nullptr && !errors->last_line().empty()) words += ": " + errors->last_line();
  return words;
}

}  // namespace

child_process::child_process(pid_t pid) : pid_(pid) {}

result<std::unique_ptr<child_process>> child_process::start(const child_options& options,
                                                            monotonic::duration ready_within) {
  int out[2], fail[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return failure_from_errno(errno, "pipe");
  unique_fd out_read(out[0]), out_write(out[1]);
  if (::pipe2(fail, O_CLOEXEC) != 0) return failure_from_errno(errno, "pipe");
  unique_fd fail_read(fail[0]), fail_write(fail[1]);
  // One that lives on without us keeps our standard error: a pipe would break with us.
  std::unique_ptr<error_output> errors;
  unique_fd error_write;
  if (options.ends_with_us) {
    auto pipe = error_output::make(error_write);
    if (!pipe) return std::move(pipe).error();
    errors = std::move(*pipe);
  }
  const preparation made_ready(options);

  const pid_t us = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failure_from_errno(errno, "fork");
  if (pid == 0) become(made_ready, options, out_write.get(), error_write.get(), fail_write.get(), us);
  out_write.reset();
  fail_write.reset();
  error_write.reset();
  const auto reap = [&](int signal) {
    if (signal != 0) ::kill(signal == SIGKILL ? -pid : pid, signal);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  };
  int error = 0;
  if (::read(fail_read.get(), &error, sizeof error) == sizeof error) {
    reap(0);
    return failure_from_errno(error, "starting " + options.command.front());
  }
  const deadline until = monotonic::now() + ready_within;
  std::string line;
  while (line.find("ready\n") == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - monotonic::now()).count();
    pollfd both[2] = {{out_read.get(), POLLIN, 0}, {errors ? errors->fd() : -1, POLLIN, 0}};
    const int n = left > 0 ? ::poll(both, 2, static_cast<int>(left)) : 0;
    if (n < 0 && errno == EINTR) continue;
    if (n > 0 && both[1].revents != 0) {
      errors->pass_on();
      if (both[0].revents == 0) continue;
    }
    char some[256];
    const ssize_t got = n > 0 ? ::read(out_read.get(), some, sizeof some) : -1;
    if (n == 0) {
      reap(SIGKILL);
      return failure(errc::timed_out,
                     with_last_line(options.command.front() + " did not get ready in time", errors.get()));
    }
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      // It closed its output: it ends, or it will never say that it is ready.
      const int status = reap(SIGTERM);
      if (errors) errors->pass_on();
      return failure(
          errc::unavailable,
          with_last_line(options.command.front() + " " + words_for(status) + " before it was ready", errors.get()));
    }
    line.append(some, static_cast<std::size_t>(got));
    if (line.size() > 64 << 10) line.erase(0, 32 << 10);  // a talkative one
  }
  std::unique_ptr<child_process> made(new child_process(pid));
  made->errors_ = std::move(errors);
  made->pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  made->wake_.reset(::eventfd(0, EFD_CLOEXEC));
  made->watcher_ = std::thread([c = made.get()] { c->watch(); });
  return made;
}

child_process::~child_process() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto told = ::write(wake_.get(), &one, sizeof one);
  if (watcher_.joinable()) watcher_.join();
}

void child_process::watch() {
  pollfd all[3] = {{pidfd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}, {errors_ ? errors_->fd() : -1, POLLIN, 0}};
  while (all[0].revents == 0 && all[1].revents == 0) {
    if (::poll(all, 3, -1) < 0 && errno != EINTR) break;
    if (all[2].revents != 0 && !errors_->pass_on()) all[2].fd = -1;  // it closed its own
  }
  int status = 0;
  const pid_t got = ::waitpid(pid_, &status, all[0].revents != 0 ? 0 : WNOHANG);
  if (got != pid_) return;  // it lives on without us
  if (errors_) errors_->pass_on();
  std::function<void(const std::string&)> then;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    words_ = with_last_line(words_for(status), errors_.get());
    then.swap(then_);
    ended_signal_.notify_all();
  }
  if (then) then(words_);
}

void child_process::on_exit(std::function<void(const std::string& words)> then) {
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) {
      then_ = std::move(then);
      return;
    }
  }
  then(words_);
}

void child_process::signal(int number) {
  const std::lock_guard lock(mutex_);
  if (!ended_) ::kill(number == SIGKILL ? -pid_ : pid_, number);
}

bool child_process::wait(monotonic::duration limit) {
  std::unique_lock lock(mutex_);
  return ended_signal_.wait_for(lock, limit, [this] { return ended_; });
}

}  // namespace vds::vdsd
