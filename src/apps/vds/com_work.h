// com_work.h: what is going on: operations that somebody began, the work that arrays do by themselves, plans, events.
#pragma once

#include <vdsxarray.h>

#include <functional>

#include "apps/vds/gateway.h"
#include "com/com_ptr.h"

namespace vds::cli {

class com_work {
 public:
  explicit com_work(com_ptr<IVdsService> service) : service_(std::move(service)) {}

  std::vector<operation_view> operations(bool also_ended);
  operation_view operation_status(const guid& id);
  operation_ptr open_operation(const guid& id);
  guid scrub(const guid& lun);
  plan_view plan(const guid& subsystem, const std::function<HRESULT(IVdsxPlanning*, VDSX_PLAN*)>& ask);
  event_page events(std::uint64_t since, std::uint32_t most, std::uint32_t timeout_ms);

 private:
  IVdsService* alive() const { return service_.get(); }
  std::vector<com_ptr<IVdsxJobs>> workers();  // the subsystems that tell of their work
  com_ptr<IVdsxJobs> worker_of(const guid& job, operation_view& found);

  com_ptr<IVdsService> service_;
};

}  // namespace vds::cli
