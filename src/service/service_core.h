// service_core.h: what the service consists of, behind its COM objects; see service.h.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "service/service.h"

namespace vds::service {

class service_core {
 public:
  static result<std::shared_ptr<service_core>> make(service_options options, provider_launcher& launcher,
                                                    clock_source& clock);
  ~service_core();

  void start_providers();
  bool ready() const;
  bool await_ready(deadline until);
  void await_ready();
  void stop();

  model& objects() noexcept { return *objects_; }
  operations& work() noexcept { return *operations_; }
  event_hub& events() noexcept { return *events_; }
  work_pool& slow() noexcept { return slow_; }        // calls that may wait for providers
  work_pool& readers() noexcept { return readers_; }  // blocking reads of events

  std::vector<std::shared_ptr<provider>> providers() const;
  status add(provider_spec p);                                    // registers and starts
  status remove(const guid& id);                                  // unregisters; its objects depart
  HRESULT for_all(HRESULT (IVdsHwProvider::*what)(), bool wait);  // S_FALSE when one failed

 private:
  service_core(service_options options, provider_launcher& launcher, clock_source& clock);
  std::shared_ptr<provider> make_provider(provider_spec p);

  const service_options options_;
  provider_launcher& launcher_;
  clock_source& clock_;
  std::shared_ptr<timer> timer_;
  std::unique_ptr<registry> registry_;
  std::shared_ptr<model> objects_;
  std::shared_ptr<operations> operations_;
  std::shared_ptr<event_hub> events_;
  work_pool slow_, readers_;
  mutable std::mutex mutex_;
  std::condition_variable ready_signal_;
  std::vector<std::shared_ptr<provider>> providers_;
  bool ready_ = false, stopped_ = false;
  std::thread starter_;
};

}  // namespace vds::service
