#include "apps/vds/com_work.h"

#include <chrono>
#include <mutex>
#include <thread>

#include "apps/vds/com_calls.h"
#include "apps/vds/com_operation.h"
#include "apps/vds/command_error.h"
#include "com/hresult.h"

namespace vds::cli {
namespace {

constexpr auto look_again = std::chrono::milliseconds(100);

operation_view take_job(VDSX_JOB_PROP& prop) {
  operation_view v;
  v.id = from_com(prop.id);
  v.kind = take(prop.pwszKind);
  v.object = from_com(prop.objectId);
  v.object_type = static_cast<std::uint32_t>(prop.objectType);
  v.state = static_cast<std::uint32_t>(prop.state);
  v.percent = prop.ulPercent;
  v.phase = take(prop.pwszPhase);
  v.bytes_done = prop.ullBytesDone;
  v.bytes_total = prop.ullBytesTotal;
  v.bytes_per_second = prop.ullBytesPerSecond;
  if (prop.ullSecondsLeft != ~0ull) v.seconds_left = prop.ullSecondsLeft;
  v.waiting_for = take(prop.pwszWaitingFor);
  v.hresult = prop.hrResult;
  v.hresult_name = hresult_name(prop.hrResult);
  v.owner = "array";
  v.begun_ns = prop.ullBegunUnixNs;
  v.ended_ns = prop.ullEndedUnixNs;
  return v;
}

// A job as an operation. It has no async object that could be waited for: it is looked at.
class job_operation final : public operation {
 public:
  job_operation(com_ptr<IVdsxJobs> worker, const guid& id, com_ptr<IVdsService> service)
      : doing_("job " + to_string(id)), id_(id), worker_(std::move(worker)), service_(std::move(service)) {}

  operation_view status() override {
    VDSX_JOB_PROP prop{};
    check(worker_->GetJob(to_com(id_), &prop), doing_, service_.get());
    return take_job(prop);
  }
  void when_done(std::function<void()> callback) override {
    std::thread([worker = worker_, id = id_, callback = std::move(callback)] {
      while (true) {
        VDSX_JOB_PROP prop{};
        const HRESULT hr = worker->GetJob(to_com(id), &prop);
        const operation_view v = take_job(prop);
        if (FAILED(hr) || v.state == operation_done) break;
        std::this_thread::sleep_for(look_again);
      }
      callback();
    }).detach();  // the process may end before the job does
  }
  guid finish() override {
    const operation_view v = status();
    if (v.hresult < 0) throw command_error(doing_, v.hresult, v.hresult_name, std::string(hresult_text(v.hresult)));
    return {};
  }
  void cancel() override { check(worker_->CancelJob(to_com(id_)), "cancelling the " + doing_, service_.get()); }

 private:
  const std::string doing_;
  const guid id_;
  const com_ptr<IVdsxJobs> worker_;
  const com_ptr<IVdsService> service_;
};

}  // namespace

std::vector<com_ptr<IVdsxJobs>> com_work::workers() {
  const char* doing = "asking what the arrays do";
  std::vector<com_ptr<IVdsxJobs>> out;
  com_ptr<IEnumVdsObject> providers;
  check(service_->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, providers.put()), doing, alive());
  for (const auto& p : all_of(providers.get(), doing, alive())) {
    const auto provider = p.as<IVdsHwProvider>();
    com_ptr<IEnumVdsObject> systems;
    if (!provider || FAILED(provider->QuerySubSystems(systems.put())) || !systems) continue;
    for (const auto& s : all_of(systems.get(), doing, alive()))
      if (auto jobs = s.as<IVdsxJobs>()) out.push_back(std::move(jobs));
  }
  return out;
}

std::vector<operation_view> com_work::operations(bool also_ended) {
  const char* doing = "asking for the operations";
  taken_array<VDSX_OPERATION_PROP> props;
  check(need<IVdsxOperations>(service_, doing, alive())->Query(also_ended ? TRUE : FALSE, props.put(), props.count()),
        doing, alive());
  std::vector<operation_view> out;
  for (auto& p : props) out.push_back(take_operation(p));
  for (const auto& worker : workers()) {
    taken_array<VDSX_JOB_PROP> jobs;
    // One array that does not answer hides no other operation.
    if (FAILED(worker->QueryJobs(jobs.put(), jobs.count()))) continue;
    for (auto& j : jobs) {
      auto v = take_job(j);
      if (also_ended || v.state != operation_done) out.push_back(std::move(v));
    }
  }
  return out;
}

com_ptr<IVdsxJobs> com_work::worker_of(const guid& job, operation_view& found) {
  for (auto& worker : workers()) {
    VDSX_JOB_PROP prop{};
    if (FAILED(worker->GetJob(to_com(job), &prop))) continue;
    found = take_job(prop);
    return worker;
  }
  return {};
}

operation_view com_work::operation_status(const guid& id) {
  const char* doing = "asking for the operation";
  VDSX_OPERATION_PROP prop{};
  const HRESULT hr = need<IVdsxOperations>(service_, doing, alive())->Get(to_com(id), &prop);
  operation_view job;
  if (hr == VDS_E_OBJECT_NOT_FOUND && worker_of(id, job)) return job;
  check(hr, doing, alive());
  return take_operation(prop);
}

operation_ptr com_work::open_operation(const guid& id) {
  const std::string doing = "operation " + to_string(id);
  com_ptr<IVdsAsync> async;
  const HRESULT hr = need<IVdsxOperations>(service_, doing, alive())->Open(to_com(id), async.put());
  if (hr == VDS_E_OBJECT_NOT_FOUND) {
    operation_view job;
    if (auto worker = worker_of(id, job)) return std::make_unique<job_operation>(std::move(worker), id, service_);
  }
  check(hr, doing, alive());
  return com_operation(std::move(async), doing, service_);
}

guid com_work::scrub(const guid& lun) {
  const char* doing = "scrubbing the LUN";
  com_ptr<IUnknown> found;
  check(service_->GetObject(to_com(lun), VDS_OT_LUN, found.put()), doing, alive());
  VDS_OBJECT_ID job{};
  check(need<IVdsxLunCheck>(found, doing, alive())->Scrub(0, &job), doing, alive());
  return from_com(job);
}

plan_view com_work::plan(const guid& subsystem, const std::function<HRESULT(IVdsxPlanning*, VDSX_PLAN*)>& ask) {
  const char* doing = "planning";
  com_ptr<IUnknown> found;
  check(service_->GetObject(to_com(subsystem), VDS_OT_SUB_SYSTEM, found.put()), doing, alive());
  VDSX_PLAN plan{};
  check(ask(need<IVdsxPlanning>(found, doing, alive()).get(), &plan), doing, alive());
  plan_view v;
  v.hresult = plan.hrResult;
  v.hresult_name = hresult_name(plan.hrResult);
  v.type = static_cast<std::uint32_t>(plan.type);
  v.size_bytes = plan.ullSizeInBytes;
  for (LONG i = 0; plan.pSteps != nullptr && i < plan.lNumberOfSteps; ++i) {
    const VDSX_PLAN_STEP& s = plan.pSteps[i];
    v.steps.push_back({from_com(s.objectId), static_cast<std::uint32_t>(s.objectType),
                       static_cast<std::uint32_t>(s.action), s.ullBytesTaken, s.ullBytesFreed, s.ullBytesToWrite,
                       s.lSurvivesBefore, s.lSurvivesMeanwhile, s.lSurvivesAfter});
  }
  CoTaskMemFree(plan.pSteps);
  return v;
}

event_page com_work::events(std::uint64_t since, std::uint32_t most, std::uint32_t timeout_ms) {
  const char* doing = "reading events";
  taken_array<VDSX_EVENT> all;
  ULONGLONG next = since;
  BOOL lost = FALSE;
  check(
      need<IVdsxEvents>(service_, doing, alive())->Read(since, most, timeout_ms, all.put(), all.count(), &next, &lost),
      doing, alive());
  event_page page;
  for (const auto& e : all)
    page.events.push_back(
        {e.ullSequence, e.ullUnixNs, e.ulEventCode, static_cast<std::uint32_t>(e.type), from_com(e.id)});
  page.next = next;
  page.lost = lost != FALSE;
  return page;
}

}  // namespace vds::cli
