// daemon.h: what every foreground daemon here does: leaves signals to main, says `ready` once, tells systemd, and lets
// only one of its kind work on a directory.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace vds::daemon {

// Before any thread starts, so that all of them leave SIGTERM and SIGINT to wait_for_end(). Ignores SIGPIPE and takes
// as many file descriptors as the system allows.
void take_signals();
// Blocks until SIGTERM or SIGINT; its number.
int wait_for_end();
// Children must not inherit the mask. Async-signal-safe.
void reset_signals_in_child() noexcept;

// The line that scripts wait for, on standard output, and READY=1 to systemd.
void say_ready();
void say_stopping();
void say_status(const std::string& words);  // shown by systemctl status

// Makes the directory (0700, with its parents) and holds DIR/lock until the descriptor is closed; busy when another
// process has it.
result<unique_fd> own_directory(const std::string& path);

}  // namespace vds::daemon
