// director.h: plays the script. Every method of the sim provider begins with
//
//   if (const auto lie = director_.play("IVdsLun::Delete")) return *lie;
//
// The script comes from a file that is read again whenever it has changed, so that a test can turn a running provider.
// A file that cannot be read or parsed changes nothing and is said in the log. Any thread.
#pragma once

#include <sys/stat.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "com/com.h"
#include "providers/sim/script.h"

namespace vds::sim {

class director {
 public:
  director(script fixed, std::string file) : script_(std::move(fixed)), file_(std::move(file)) {}
  ~director() { stop(); }
  director(const director&) = delete;
  director& operator=(const director&) = delete;

  script now();
  // Hangs, dies, or gives the HRESULT to answer with; nothing: be honest.
  std::optional<HRESULT> play(const char* method);
  // Lets go of every call that hangs; they answer E_ABORT. For an orderly end of the process.
  void stop();
  bool stopping();
  // Blocks until stop().
  void hang();

 private:
  void refresh();  // with the lock held

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  script script_;
  const std::string file_;
  struct stat seen_ {};
};

// As if by a fault of its own: no destructor, no farewell to the peer, no core file.
[[noreturn]] void die() noexcept;

}  // namespace vds::sim
