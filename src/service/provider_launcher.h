// provider_launcher.h: how a provider's process comes to life, as an interface: the service knows providers only as COM
// objects. The daemon implements it with processes and the wire; tests with objects of their own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "com/com.h"

namespace vds::service {

// A registered provider, or one that the configuration or the command line names.
struct provider_spec {
  guid id;  // of the provider object; nil: not known before it has been loaded once
  guid clsid;
  std::string name;
  VDS_PROVIDER_TYPE type = VDS_PT_HARDWARE;
  std::string version;
  guid version_id;
  std::string command;  // what to run; empty: the launcher knows from the class
  // False for providers whose process also carries I/O: they are never ended because management hangs.
  bool restart_when_hung = true;
};

// A provider that runs. Destruction lets go of it: ends the process, or leaves it alone where it is to live on.
class provider_connection {
 public:
  virtual ~provider_connection() = default;
  // Answers for IVdsProviderPrivate and IVdsProvider.
  virtual IUnknown* object() = 0;
  virtual unsigned pid() const = 0;
  // Ends a provider that no longer answers, at once. on_lost follows.
  virtual void kill() = 0;
};

class provider_launcher {
 public:
  virtual ~provider_launcher() = default;
  // Blocks until the provider can be called or its start has failed; gives up in bounded time. `on_lost` is called
  // once, on any thread, when it is gone, with the reason in words; it may be called before launch returns.
  virtual result<std::unique_ptr<provider_connection>> launch(const provider_spec& spec,
                                                              std::function<void(std::string why)> on_lost) = 0;
};

}  // namespace vds::service
