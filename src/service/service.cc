#include "service/service.h"

#include "service/service_core.h"
#include "service/service_object.h"

namespace vds::service {

service::service(std::shared_ptr<service_core> core) : core_(std::move(core)) {}
service::~service() { stop(); }

result<std::unique_ptr<service>> service::start(service_options options, provider_launcher& launcher,
                                                clock_source& clock) {
  auto core = service_core::make(std::move(options), launcher, clock);
  if (!core) return std::move(core).error().in("starting the service");
  (*core)->start_providers();
  return std::unique_ptr<service>(new service(std::move(*core)));
}

com_ptr<IUnknown> service::loader() { return com_ptr<IVdsServiceLoader>(make<loader_object>(core_)); }

com_ptr<IUnknown> service::object() {
  const auto made = make<service_object>(core_);
  return com_ptr<IVdsService>(made);
}

bool service::wait_ready(deadline until) { return core_->await_ready(until); }
void service::stop() { core_->stop(); }

}  // namespace vds::service
