#include "apps/vds/wait.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "apps/vds/command_error.h"
#include "apps/vds/documents.h"
#include "apps/vds/progress.h"
#include "apps/vds/text.h"
#include "apps/vds/when.h"
#include "base/assert.h"

namespace vds::cli {
namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto redraw = 100ms;
constexpr auto retry_connection = 250ms;
constexpr auto patience_for_restart = 60s;

// Readable from the moment the operation is done. Shared with the callback, which may outlive the wait.
class done_signal {
 public:
  done_signal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { always(fd_); }
  int fd() const { return fd_.get(); }
  void raise() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
  }

 private:
  unique_fd fd_;
};

// The line at the bottom of a terminal; takes itself away.
class progress_display {
 public:
  progress_display(context& c, const options& o) : c_(c), shown_(c.where.err_is_terminal && !o.quiet && !o.json) {}
  ~progress_display() { clear(); }
  progress_display(const progress_display&) = delete;
  progress_display& operator=(const progress_display&) = delete;

  bool shown() const { return shown_; }
  void draw(const operation_view& op) {
    if (!shown_) return;
    meter_.note(steady::now(), op.bytes_done);
    say(progress_line(op, meter_.per_second(), c_.where.columns - 1, c_.where.utf8));
  }
  void say(const std::string& line) {
    if (!shown_) return;
    c_.err << "\r" << pad_right(line, last_) << std::flush;
    last_ = width(line);
  }
  void clear() {
    if (!shown_ || last_ == 0) return;
    c_.err << "\r" << std::string(last_, ' ') << "\r" << std::flush;
    last_ = 0;
  }

 private:
  context& c_;
  bool shown_;
  rate_meter meter_;
  std::size_t last_ = 0;
};

[[noreturn]] void detach(progress_display& display, const guid& id) {
  display.clear();
  throw command_error(exit_status::detached, fmt::format("no longer waiting; operation {} goes on", to_string(id)),
                      fmt::format("'vds op wait {0}' waits again, 'vds op cancel {0}' stops it", to_string(id)));
}

// Finds the operation again after the service went away; throws the last error when it does not come back.
operation_ptr find_again(context& c, const options& o, const guid& id, progress_display& display) {
  const auto until = steady::now() + patience_for_restart;
  display.say("the service went away; waiting for it to come back");
  while (true) {
    try {
      c.reconnect(o);
      return c.service(o).open_operation(id);
    } catch (const command_error& e) {
      if (e.status() != exit_status::unreachable || steady::now() >= until) throw;
    }
    pollfd p{c.stop.fd(), POLLIN, 0};
    const int woken = ::poll(&p, 1, static_cast<int>(std::chrono::milliseconds(retry_connection).count()));
    if (woken == 1) detach(display, id);
  }
}

}  // namespace

guid wait_for(context& c, const options& o, operation_ptr op) {
  raise_on_sigint(c.stop);
  progress_display display(c, o);
  std::optional<steady::time_point> until;
  if (o.timeout_s > 0)
    until = steady::now() + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(o.timeout_s));
  const guid id = op->status().id;
  while (true) {
    try {
      auto signal = std::make_shared<done_signal>();
      op->when_done([signal] { signal->raise(); });
      while (true) {
        auto pause = display.shown() ? std::optional<steady::duration>(redraw) : std::nullopt;
        if (until) pause = std::min(pause.value_or(*until - steady::now()), *until - steady::now());
        pollfd fds[] = {{signal->fd(), POLLIN, 0}, {c.stop.fd(), POLLIN, 0}};
        const auto ms = pause ? std::max<long>(0, std::chrono::ceil<std::chrono::milliseconds>(*pause).count()) : -1;
        ::poll(fds, 2, static_cast<int>(std::min<long>(ms, 3'600'000)));
        if (fds[0].revents != 0) break;
        if (fds[1].revents != 0) detach(display, id);
        if (until && steady::now() >= *until) {
          display.clear();
          throw command_error(fmt::format("waiting for operation {}", to_string(id)), hresult_of(0x8004245f),
                              "VDS_E_TIMEOUT", fmt::format("it was not done within {} s", o.timeout_s));
        }
        if (display.shown()) display.draw(op->status());
      }
      return op->finish();
    } catch (const service_gone&) {
      if (!id) throw;
    }
    op = find_again(c, o, id, display);
  }
}

void print_begun(context& c, const options& o, operation& op) {
  const operation_view v = op.status();
  if (o.json)
    c.out << dump(document(v));
  else
    c.out << to_string(v.id) << "\n";
}

}  // namespace vds::cli
