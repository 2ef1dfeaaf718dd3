// call_context.h: on whose behalf the current thread runs a call, and under which operation. The server's stub sets it
// for the duration of a dispatch; proxies read it and pass it on. One per thread: work that moves to another thread
// takes a copy along.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/guid.h"

namespace vds {

struct call_context {
  guid operation_id;                      // nil: the call begins no operation of the service's
  std::uint32_t caller_uid = 0;           // of the program that asked, not of the process in between
  std::uint32_t caller_pid = 0;           // 0: a call of this process itself
  std::string caller;                     // for logs and owners of operations: "alice (pid 4711)"
  std::optional<vds::deadline> deadline;  // when the caller stops waiting for an answer
};

call_context& current_call() noexcept;

// Replaces the thread's context, and puts the old one back.
class [[nodiscard]] scoped_call {
 public:
  explicit scoped_call(call_context context);
  ~scoped_call();
  scoped_call(const scoped_call&) = delete;
  scoped_call& operator=(const scoped_call&) = delete;

 private:
  call_context previous_;
};

}  // namespace vds
