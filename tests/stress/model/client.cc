#include "tests/stress/model/client.h"

#include <fmt/format.h>
#include <vdsxadmin.h>
#include <vdsxarray.h>

#include <array>
#include <thread>

#include "base/log.h"
#include "com/call_context.h"
#include "com/hresult.h"
#include "com/memory.h"
#include "com/strings.h"
#include "sdk/async_output.h"
#include "sdk/enum_object.h"

namespace vds::stress {

namespace {

constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t largest = 16 * mib;  // what there is room for, whatever the clients do
constexpr std::size_t most_luns = 40;

void release(VDSX_OPERATION_PROP& p) {
  for (auto* text : {&p.pwszKind, &p.pwszPhase, &p.pwszOwner, &p.pwszWaitingFor})
    CoTaskMemFree(std::exchange(*text, nullptr));
}

// The service learns the id of the operation that a call begins from the call.
call_context with(const guid& operation) {
  call_context context = current_call();
  context.operation_id = operation;
  return context;
}

}  // namespace

client::client(com_ptr<IVdsService> service, guid subsystem, fleet& model, std::uint64_t seed)
    : service_(std::move(service)), subsystem_(subsystem), model_(model), random_(seed) {}

void client::some_call() {
  struct row {
    unsigned weight;
    void (client::*call)();
  };
  static constexpr auto calls = std::to_array<row>({{14, &client::create},
                                                    {2, &client::create_too_much},
                                                    {4, &client::join},
                                                    {12, &client::rename},
                                                    {12, &client::mask},
                                                    {14, &client::resize},
                                                    {4, &client::remove},
                                                    {20, &client::read},
                                                    {6, &client::list},
                                                    {6, &client::cancel},
                                                    {6, &client::look_at_an_operation},
                                                    {1, &client::list_operations},
                                                    {2, &client::nonsense}});
  unsigned all = 0;
  for (const row& r : calls) all += r.weight;
  auto at = static_cast<unsigned>(chance(all));
  for (const row& r : calls) {
    if (at < r.weight) return (this->*r.call)();
    at -= r.weight;
  }
}

guid client::new_id() {
  guid id;
  for (auto& b : id.bytes) b = static_cast<std::uint8_t>(random_());
  return id;
}

com_ptr<IVdsSubSystem> client::subsystem() {
  com_ptr<IUnknown> found;
  const HRESULT hr = service_->GetObject(to_com(subsystem_), VDS_OT_SUB_SYSTEM, found.put());
  if (hr == S_OK) return found.as<IVdsSubSystem>();
  model_.violated("asking for the subsystem: " + describe(hr));
  return {};
}

com_ptr<IVdsLun> client::lun(const guid& id) {
  const tick begin = model_.now();
  com_ptr<IUnknown> found;
  const HRESULT hr = service_->GetObject(to_com(id), VDS_OT_LUN, found.put());
  model_.found(id, hr, begin);
  return hr == S_OK ? found.as<IVdsLun>() : com_ptr<IVdsLun>();
}

HRESULT client::properties(IVdsLun* of, guid& id, lun_seen& out) {
  VDS_LUN_PROP p{};
  const HRESULT hr = of->GetProperties(&p);
  const co_task_ptr<wchar_t> name(p.pwszFriendlyName), identification(p.pwszIdentification), mask(p.pwszUnmaskingList);
  if (FAILED(hr)) return hr;
  id = from_com(p.id);
  out = {to_utf8(name.get()), to_utf8(mask.get()), static_cast<std::int64_t>(p.ullSize), p.type};
  return hr;
}

client::ended client::wait(IVdsAsync* async) {
  ended e;
  VDS_ASYNC_OUTPUT raw{};
  if (const HRESULT hr = async->Wait(&e.result, &raw); FAILED(hr)) {
    model_.violated("IVdsAsync::Wait: " + describe(hr));
    e.result = hr;
  }
  const auto out = sdk::async_output::adopt(raw);
  if (SUCCEEDED(e.result) && out.object() != nullptr) {
    lun_seen seen;
    if (const auto made = com_ptr<IUnknown>(out.object()).as<IVdsLun>()) (void)properties(made.get(), e.object, seen);
  }
  return e;
}

client::ended client::make(const guid& operation, const lun_seen& as) {
  const auto on = subsystem();
  const auto creation = on ? on.as<IVdsxLunCreation>() : com_ptr<IVdsxLunCreation>();
  if (!creation) return {E_NOINTERFACE, {}};
  std::wstring mask = to_wide(as.mask), name = to_wide(as.name);
  com_ptr<IVdsAsync> async;
  const scoped_call scope(with(operation));
  const HRESULT hr = creation->CreateNamedLun(as.type, static_cast<ULONGLONG>(as.size), nullptr, 0, mask.data(),
                                              nullptr, name.data(), async.put());
  if (FAILED(hr)) return {hr, {}};
  return wait(async.get());
}

// --- changes

void client::create() {
  if (model_.alive() >= most_luns) return remove();
  static constexpr auto types = std::to_array({VDS_LT_SIMPLE, VDS_LT_MIRROR, VDS_LT_STRIPE, VDS_LT_PARITY});
  const guid id = new_id();
  const lun_seen as{fmt::format("made by {}", to_string(id).substr(0, 8)), chance(2) != 0 ? "*" : "",
                    static_cast<std::int64_t>(1 + chance(4)) * mib, types[chance(types.size())]};
  const tick begin = model_.now();
  model_.operation_begins(id, as);
  const ended e = make(id, as);
  if (e.result == S_OK) {
    if (!e.object) return model_.violated("the LUN that operation " + to_string(id) + " made is gone at once");
    model_.created(e.object, as, begin);
  } else if (e.result != VDS_E_OPERATION_CANCELED) {
    model_.violated("making a LUN: " + describe(e.result));
  }
  model_.operation_ended(id, e.result, e.object);
}

void client::create_too_much() {
  const ended e = make(new_id(), {"far too large", "", std::int64_t{1} << 40, VDS_LT_SIMPLE});
  if (e.result != VDS_E_NOT_ENOUGH_SPACE) model_.violated("making a LUN of 1 TiB: " + describe(e.result));
}

// The request of somebody else, again, while his is under way or after it has ended: nothing is made twice.
void client::join() {
  const auto which = model_.some_operation(random_(), fleet::which_operation::that_makes);
  if (!which) return;
  const tick begin = model_.now();
  const ended e = make(which->id, *which->to_make);
  if (e.result == S_OK && !e.object)
    model_.operation_told(which->id, e.result, begin);  // deleted since
  else
    model_.operation_ended(which->id, e.result, e.object);
}

void client::rename() {
  const auto id = model_.some_lun(random_());
  const auto on = id ? lun(*id) : com_ptr<IVdsLun>();
  const auto naming = on ? on.as<IVdsLunNaming>() : com_ptr<IVdsLunNaming>();
  if (!naming) return;
  const std::string to = fmt::format("name {}", chance(1000));
  const ticket t = model_.renaming(*id, to);
  model_.renamed(t, naming->SetFriendlyName(to_wide(to).data()));
}

void client::mask() {
  const auto id = model_.some_lun(random_());
  const auto on = id ? lun(*id) : com_ptr<IVdsLun>();
  if (!on) return;
  const std::string to = chance(4) == 0 ? "" : fmt::format("iqn.2026-01.org.vds:host-{}", chance(1000));
  const ticket t = model_.masking(*id, to);
  model_.masked(t, on->SetMask(to_wide(to).data()));
}

void client::resize() {
  const auto id = model_.some_lun(random_());
  const auto on = id ? lun(*id) : com_ptr<IVdsLun>();
  if (!on) return;
  std::int64_t by = static_cast<std::int64_t>(1 + chance(3)) * mib;
  // Clients that extend at once may go beyond what is meant to be the largest; there is room for that.
  if (chance(2) != 0 || model_.likely_size(*id) + by > largest) by = -by;
  const guid operation = new_id();
  model_.operation_begins(operation);
  const ticket t = model_.resizing(*id, by);
  com_ptr<IVdsAsync> async;
  HRESULT hr;
  {
    const scoped_call scope(with(operation));
    hr = by > 0 ? on->Extend(static_cast<ULONGLONG>(by), nullptr, 0, async.put())
                : on->Shrink(static_cast<ULONGLONG>(-by), async.put());
  }
  const bool begun = SUCCEEDED(hr);
  if (begun) hr = wait(async.get()).result;
  model_.resized(t, hr);
  if (begun)
    model_.operation_ended(operation, hr, {});
  else
    model_.operation_refused(operation, hr);
}

void client::remove() {
  const auto id = model_.some_lun(random_());
  const auto on = id ? lun(*id) : com_ptr<IVdsLun>();
  if (!on) return;
  const ticket t = model_.deleting(*id);
  model_.deleted(t, on->Delete());
}

// --- reads

void client::read() {
  const auto id = model_.some_lun(random_());
  const auto on = id ? lun(*id) : com_ptr<IVdsLun>();
  if (!on) return;
  const tick begin = model_.now();
  guid told;
  lun_seen seen;
  const HRESULT hr = properties(on.get(), told, seen);
  model_.read(*id, hr, seen, begin);
  if (hr == S_OK && told != *id) model_.violated("LUN " + to_string(*id) + " calls itself " + to_string(told));
}

void client::list() {
  const auto on = subsystem();
  if (!on) return;
  const tick begin = model_.now();
  com_ptr<IEnumVdsObject> all;
  HRESULT hr = on->QueryLuns(all.put());
  std::vector<com_ptr<IUnknown>> found;
  if (hr == S_OK) hr = sdk::read_enum(all.get(), found);
  if (hr != S_OK) return model_.violated("listing the LUNs: " + describe(hr));
  std::set<guid> ids;
  for (const auto& each : found) {
    guid id;
    lun_seen seen;
    const auto one = each.as<IVdsLun>();
    hr = one ? properties(one.get(), id, seen) : E_NOINTERFACE;
    if (hr == VDS_E_OBJECT_DELETED) return;  // since it was listed; which one, nobody can say
    if (hr != S_OK) return model_.violated("properties of a LUN in a list: " + describe(hr));
    if (!ids.insert(id).second) model_.violated("LUN " + to_string(id) + " is listed twice");
  }
  model_.listed(ids, begin);
}

// --- operations of others

void client::cancel() {
  const auto which = model_.some_operation(random_(), fleet::which_operation::under_way);
  const auto operations = service_.as<IVdsxOperations>();
  if (!which || !operations) return;
  const tick begin = model_.now();
  com_ptr<IVdsAsync> async;
  const HRESULT hr = operations->Open(to_com(which->id), async.put());
  if (hr == VDS_E_OBJECT_NOT_FOUND) return model_.operation_told(which->id, std::nullopt, begin);
  if (hr != S_OK) return model_.violated("opening an operation: " + describe(hr));
  model_.cancel_begins(which->id);
  model_.cancel_answered(which->id, async->Cancel());
  if (chance(4) == 0) model_.operation_told(which->id, wait(async.get()).result, begin);
}

void client::look_at_an_operation() {
  const auto which = model_.some_operation(random_(), fleet::which_operation::any);
  const auto operations = service_.as<IVdsxOperations>();
  if (!which || !operations) return;
  const tick begin = model_.now();
  VDSX_OPERATION_PROP p{};
  const HRESULT hr = operations->Get(to_com(which->id), &p);
  release(p);
  if (hr != S_OK && hr != VDS_E_OBJECT_NOT_FOUND) return model_.violated("an operation's properties: " + describe(hr));
  model_.operation_told(which->id, hr == S_OK ? std::optional(p.hrResult) : std::nullopt, begin);
}

void client::list_operations() {
  const auto operations = service_.as<IVdsxOperations>();
  if (!operations) return;
  const tick begin = model_.now();
  VDSX_OPERATION_PROP* rows = nullptr;
  LONG n = 0;
  const HRESULT hr = operations->Query(TRUE, &rows, &n);
  if (hr != S_OK) return model_.violated("listing operations: " + describe(hr));
  const co_task_ptr<VDSX_OPERATION_PROP> owned(rows);
  std::map<guid, HRESULT> all;
  for (LONG i = 0; i < n; ++i) {
    release(rows[i]);
    if (!all.emplace(from_com(rows[i].id), rows[i].hrResult).second)
      model_.violated("operation " + to_string(from_com(rows[i].id)) + " is listed twice");
  }
  model_.operations_listed(all, begin);
}

// Calls that are refused, whatever else goes on.
void client::nonsense() {
  const auto on = subsystem();
  com_ptr<IUnknown> found;
  const auto expect = [&](const char* what, HRESULT hr, HRESULT right) {
    if (hr != right) model_.violated(fmt::format("{}: {}", what, describe(hr)));
  };
  expect("an object that never was", service_->GetObject(to_com(new_id()), VDS_OT_LUN, found.put()),
         VDS_E_OBJECT_NOT_FOUND);
  if (!on) return;
  com_ptr<IVdsAsync> async;
  std::wstring nobody;
  expect("a LUN of no size", on->CreateLun(VDS_LT_SIMPLE, 0, nullptr, 0, nobody.data(), nullptr, async.put()),
         E_INVALIDARG);
}

// --- alone

void client::make_one(VDS_LUN_TYPE type) {
  const guid id = new_id();
  const lun_seen as{"one", "", mib, type};
  const tick begin = model_.now();
  model_.operation_begins(id, as);
  const ended e = make(id, as);
  if (e.result != S_OK) model_.violated("making the only LUN: " + describe(e.result));
  if (e.object) model_.created(e.object, as, begin);
  model_.operation_ended(id, e.result, e.object);
}

bool client::settle() {
  const auto on = subsystem();
  const auto worker = on ? on.as<IVdsxJobs>() : com_ptr<IVdsxJobs>();
  for (int tries = 0; worker && tries < 6000; ++tries) {
    VDSX_JOB_PROP* jobs = nullptr;
    LONG n = 0;
    if (worker->QueryJobs(&jobs, &n) != S_OK) return false;
    const co_task_ptr<VDSX_JOB_PROP> owned(jobs);
    bool any = false;
    for (LONG i = 0; i < n; ++i) {
      any = any || jobs[i].state != VDSX_OS_DONE;
      for (auto* text : {&jobs[i].pwszKind, &jobs[i].pwszPhase, &jobs[i].pwszWaitingFor}) CoTaskMemFree(*text);
    }
    if (!any) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::map<guid, lun_seen> client::inventory() {
  std::map<guid, lun_seen> out;
  const auto on = subsystem();
  com_ptr<IEnumVdsObject> all;
  std::vector<com_ptr<IUnknown>> found;
  if (!on || on->QueryLuns(all.put()) != S_OK || sdk::read_enum(all.get(), found) != S_OK) {
    model_.violated("the inventory cannot be taken");
    return out;
  }
  for (const auto& each : found) {
    guid id;
    lun_seen seen;
    if (const HRESULT hr = properties(each.as<IVdsLun>().get(), id, seen); hr != S_OK)
      model_.violated("taking the inventory: " + describe(hr));
    else
      out.emplace(id, seen);
  }
  return out;
}

void client::delete_everything() {
  for (const auto& [id, seen] : inventory()) {
    const auto on = lun(id);
    if (!on) continue;
    const ticket t = model_.deleting(id);
    model_.deleted(t, on->Delete());
  }
}

std::uint64_t client::free_bytes() {
  const auto on = subsystem();
  com_ptr<IEnumVdsObject> all;
  std::vector<com_ptr<IUnknown>> found;
  if (!on || on->QueryDrives(all.put()) != S_OK || sdk::read_enum(all.get(), found) != S_OK) return 0;
  std::uint64_t sum = 0;
  for (const auto& each : found) {
    VDSX_DRIVE_PROP p{};
    const auto drive = each.as<IVdsxDrive>();
    if (!drive || drive->GetDetails(&p) != S_OK) return 0;
    CoTaskMemFree(p.pwszPath);
    sum += p.ullFreeBytes;
  }
  return sum;
}

std::size_t client::unfinished() {
  VDSX_OPERATION_PROP* rows = nullptr;
  LONG n = 0;
  if (service_.as<IVdsxOperations>()->Query(FALSE, &rows, &n) != S_OK) return 1;
  const co_task_ptr<VDSX_OPERATION_PROP> owned(rows);
  for (LONG i = 0; i < n; ++i) release(rows[i]);
  return static_cast<std::size_t>(n);
}

}  // namespace vds::stress
