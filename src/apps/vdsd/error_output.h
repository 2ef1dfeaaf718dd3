// error_output.h: the standard error of a process we started: passed on to ours, its last line remembered. One thread
// at a time, except last_line().
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace vds::vdsd {

class error_output {
 public:
  // `write_end` is the child's.
  static result<std::unique_ptr<error_output>> make(unique_fd& write_end);

  int fd() const noexcept { return read_.get(); }
  // What has been written so far, without waiting for more; false: nothing will follow.
  bool pass_on();
  std::string last_line() const;  // the last one that says something, cut at 500 bytes

 private:
  void remember(const char* text, std::size_t size);

  unique_fd read_;
  mutable std::mutex mutex_;
  std::string line_, last_;  // the one being written, the one before
};

}  // namespace vds::vdsd
