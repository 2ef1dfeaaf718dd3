// child_process.h: a provider's process that we started: it told us it is ready, we hear of its end, and can bring it
// about. What one that ends with us writes on standard error passes through us to ours, so that its last line can be
// told as the reason of its end. Thread: one of its own, that waits for the process. Any thread may call.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace vds::vdsd {

// What the process may take; 0: as much as we.
struct child_limits {
  std::uint64_t memory_bytes = 0;  // of address space
  std::uint64_t files = 0;         // open at a time
};

class error_output;

struct child_options {
  std::vector<std::string> command;  // the program, found by PATH when it has no slash, and its arguments
  // Ends with us, however we end. Otherwise it lives on. It has a session of its own either way.
  bool ends_with_us = true;
  std::vector<std::string> environment{};  // NAME=VALUE, besides ours
  child_limits limits{};
};

class child_process {
 public:
  // Blocks until it printed `ready`, ended (failure with the reason), or the time is up (it is killed).
  static result<std::unique_ptr<child_process>> start(const child_options& options, monotonic::duration ready_within);
  ~child_process();  // forgets it: a process that is to end is ended first

  pid_t pid() const noexcept { return pid_; }
  // Once, on a thread of ours, when the process has ended: "killed by signal 9 (Killed)", "ended with status 3".
  void on_exit(std::function<void(const std::string& words)> then);
  void signal(int number);               // SIGKILL: to it and whatever of its own it started
  bool wait(monotonic::duration limit);  // whether it has ended

 private:
  explicit child_process(pid_t pid);
  void watch();

  const pid_t pid_;
  std::unique_ptr<error_output> errors_;  // null: its standard error is ours
  std::mutex mutex_;
  std::condition_variable ended_signal_;
  bool ended_ = false;
  std::string words_;
  std::function<void(const std::string&)> then_;
  std::thread watcher_;
  unique_fd pidfd_, wake_;
};

}  // namespace vds::vdsd
