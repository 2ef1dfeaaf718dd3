// service.h: the Virtual Disk Service without its processes and sockets: providers, the model of their objects,
// operations and events, and the COM objects that clients begin with. apps/vdsd joins it to the wire.
//
// start() returns before providers are loaded; clients may come at once, and their calls wait until it is ready. stop()
// ends providers in order and leaves what still runs in the journal, for the next start.
// Any thread. The launcher and the clock must outlive the service.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "com/com_ptr.h"
#include "service/events/event_hub.h"
#include "service/operations/journal.h"
#include "service/provider_host/provider.h"
#include "service/provider_launcher.h"

namespace vds::service {

struct service_options {
  std::string state_dir;                 // exists; databases are made in it
  std::vector<provider_spec> providers;  // besides the registered ones
  provider_options provider;
  event_hub::options events;
  std::size_t history = 10'000;                                // ended operations kept
  monotonic::duration ready_limit = std::chrono::seconds(10);  // ready even if a provider has not made it by then
  std::function<void(std::string_view)> at_journal_step;       // tests
};

class service_core;

class service {
 public:
  static result<std::unique_ptr<service>> start(service_options options, provider_launcher& launcher,
                                                clock_source& clock = system_clock_source());
  ~service();

  com_ptr<IUnknown> loader();  // CLSID_VdsLoader
  com_ptr<IUnknown> object();  // CLSID_VdsService
  bool wait_ready(deadline until);
  void stop();
  service_core& core() noexcept { return *core_; }

 private:
  explicit service(std::shared_ptr<service_core> core);
  std::shared_ptr<service_core> core_;
};

}  // namespace vds::service
