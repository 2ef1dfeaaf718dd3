// interrupt.h: Ctrl-C as something to wait for. An eventfd that becomes readable and stays so; a signal handler, a
// test or another thread raises it.
#pragma once

#include "base/unique_fd.h"

namespace vds::cli {

class interrupt {
 public:
  interrupt();
  int fd() const noexcept { return fd_.get(); }
  bool raised() const noexcept;
  void raise() const noexcept;  // async-signal-safe

 private:
  unique_fd fd_;
};

// SIGINT raises it instead of ending the process, from here on; a second SIGINT ends the process as usual.
void raise_on_sigint(const interrupt& i);

}  // namespace vds::cli
