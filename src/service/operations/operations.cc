#include "service/operations/operations.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "com/call_context.h"
#include "com/hresult.h"
#include "com/strings.h"
#include "sdk/async_output.h"

namespace vds::service {
namespace {

// How long a repeated call waits for the first one's method to answer.
constexpr auto join_limit = std::chrono::seconds(30);

void fill_ended(const operation_record& r, VDSX_OPERATION_PROP& out) {
  out = VDSX_OPERATION_PROP{};
  out.id = to_com(r.id);
  // What it made, once it has made it; until then what it was called on.
  out.objectId = to_com(r.output ? r.output : r.object);
  out.objectType = r.output ? sdk::object_type_of(r.type) : r.object_type;
  out.state = VDSX_OS_DONE;
  out.ulPercent = SUCCEEDED(r.result) ? 100 : 0;
  out.hrResult = r.result;
  out.asyncType = r.type;
  out.ullBegunUnixNs = r.begun_ns;
  out.ullEndedUnixNs = r.ended_ns;
  out.pwszKind = co_task_string(r.kind);
  out.pwszOwner = co_task_string(r.owner);
}

std::string owner_of(const call_context& call) {
  if (!call.caller.empty()) return call.caller;
  if (call.caller_pid == 0) return "the service itself";
  return "uid " + std::to_string(call.caller_uid) + ", pid " + std::to_string(call.caller_pid);
}

// "IVdsLun::SetMask" is lun_set_mask.
std::string kind_of(std::string_view method) {
  constexpr std::string_view prefix = "IVds";
  if (method.starts_with(prefix)) method.remove_prefix(prefix.size());
  std::string out;
  for (const char c : method) {
    const bool upper = c >= 'A' && c <= 'Z';
    if ((upper || c == ':') && !out.empty() && out.back() != '_') out += '_';
    if (c != ':') out += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

result<std::shared_ptr<operations>> operations::open(journal_options options, std::shared_ptr<model> objects,
                                                     std::shared_ptr<timer> later, clock_source& clock) {
  std::shared_ptr<operations> made(new operations(options.history, std::move(objects), std::move(later), clock));
  journal::contents contents;
  auto opened = journal::open(std::move(options), contents);
  if (!opened) return std::move(opened).error();
  made->journal_ = std::move(*opened);
  for (operation_record& r : contents.ended) made->remember(std::move(r));
  // Open until their provider has said what became of them.
  for (operation_record& r : contents.unfinished) {
    const guid id = r.id;
    log::info("operation {} ({}) was under way when the service stopped", id, r.kind);
    auto reloaded = make<operation>(made, std::move(r));
    reloaded->reload();
    made->open_.emplace(id, std::move(reloaded));
  }
  return made;
}

std::uint64_t operations::unix_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.wall().time_since_epoch()).count());
}

HRESULT operations::begin(const std::shared_ptr<operation_provider>& provider, hw_object& on, const method& m,
                          const border::asynchronous_call& call, IVdsAsync** out) {
  // Nothing is journaled for a call that cannot be made.
  if (provider->incarnation() == 0) return VDS_E_PROVIDER_FAILURE;
  const call_context& caller = current_call();
  operation_record r;
  r.id = caller.operation_id ? caller.operation_id : random_guid(system_random());
  r.kind = m.operation;
  r.provider = provider->provider_id();
  r.object = on.id();
  r.object_type = on.kind();
  r.type = m.output;
  r.owner = owner_of(caller);
  r.begun_ns = unix_ns();

  com_ptr<operation> first, mine;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return VDS_E_PROVIDER_EXITING;
    if (const auto at = open_.find(r.id); at != open_.end()) {
      first = at->second;
    } else if (const auto old = history_.find(r.id); old != history_.end()) {
      if (old->second.kind != r.kind || old->second.object != r.object) return E_INVALIDARG;
      first = from_history(old->second);
    } else {
      mine = make<operation>(shared_from_this(), r);
      open_.emplace(r.id, mine);
    }
  }
  if (first) {
    // The same id again: a retry after a lost answer. It gets the first one's operation, and no second one begins.
    const operation_record known = first->record();
    if (known.kind != r.kind || known.object != r.object) return E_INVALIDARG;
    if (const HRESULT joined = first->join(monotonic::now() + join_limit); FAILED(joined)) return joined;
    *out = first.detach();
    return S_OK;
  }
  if (const status durable = journal_->begin(r); !durable) {
    log::error("operation {} ({}) cannot be journaled and is refused: {}", r.id, r.kind, durable.error());
    const HRESULT hr = to_hresult(durable.error());
    mine->never_began(hr);
    return hr;
  }
  const HRESULT hr = mine->start(call, provider, m.name);
  if (SUCCEEDED(hr)) *out = mine.detach();
  return hr;
}

void operations::note(const char* method, const guid& provider, VDS_OBJECT_TYPE kind, const guid& object,
                      HRESULT result) {
  operation_record r;
  r.id = random_guid(system_random());
  r.kind = kind_of(method);
  r.provider = provider;
  r.object = object;
  r.object_type = kind;
  r.owner = owner_of(current_call());
  r.begun_ns = r.ended_ns = unix_ns();
  r.result = result;
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  journal_->note(r);
  remember(std::move(r));
}

void operations::ended(operation& which, const std::shared_ptr<operation_provider>& provider) {
  operation_record r = which.record();
  com_ptr<operation> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = open_.find(r.id); at != open_.end()) {
      dropped = std::move(at->second);
      open_.erase(at);
    }
    remember(r);
  }
  journal_->end(r, [forget = forgetting_, provider, id = r.id] {
    if (provider) forget->add(provider, id);
  });
}

void operations::dropped(operation& which) {
  com_ptr<operation> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = open_.find(which.id()); at != open_.end()) {
      dropped = std::move(at->second);
      open_.erase(at);
    }
  }
  journal_->drop(which.id());
}

void operations::remember(operation_record r) {
  if (!history_.contains(r.id)) history_order_.push_back(r.id);
  const guid id = r.id;
  history_[id] = std::move(r);
  while (history_order_.size() > keep_) {
    history_.erase(history_order_.front());
    history_order_.pop_front();
  }
}

void operations::provider_started(const std::shared_ptr<operation_provider>& provider) {
  std::vector<com_ptr<operation>> theirs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, each] : open_)
      if (each->record().provider == provider->provider_id()) theirs.push_back(each);
  }
  for (const com_ptr<operation>& each : theirs) provider->post([each, provider] { each->settle(provider); });
}

void operations::provider_gone(const guid& provider) {
  std::vector<com_ptr<operation>> theirs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, each] : open_)
      if (each->record().provider == provider) theirs.push_back(each);
  }
  for (const com_ptr<operation>& each : theirs)
    each->finish(VDS_E_PROVIDER_FAILURE, sdk::async_output(each->record().type), {});
}

com_ptr<operation> operations::from_history(const operation_record& r) {
  auto made = make<operation>(shared_from_this(), r);
  const VDS_OBJECT_TYPE kind = sdk::object_type_of(r.type);
  sdk::async_output out(r.type);
  if (SUCCEEDED(r.result) && kind != VDS_OT_UNKNOWN) {
    com_ptr<hw_object> object = objects_->find(r.output, kind);
    if (!object) object = model::gone(kind, r.output);
    out = sdk::async_output::of(r.type, object->unknown());
  }
  made->restore(r.result, std::move(out));
  return made;
}

HRESULT operations::query(bool include_ended, VDSX_OPERATION_PROP** out, LONG* count) {
  if (out == nullptr || count == nullptr) return E_INVALIDARG;
  *out = nullptr;
  *count = 0;
  std::vector<operation_record> old;
  std::vector<com_ptr<operation>> open;
  {
    const std::lock_guard lock(mutex_);
    if (include_ended)
      for (const guid& id : history_order_)
        if (const auto at = history_.find(id); at != history_.end()) old.push_back(at->second);
    for (const auto& [id, each] : open_) open.push_back(each);
  }
  std::vector<std::pair<std::uint64_t, com_ptr<operation>>> ordered;
  for (com_ptr<operation>& each : open) ordered.emplace_back(each->record().begun_ns, std::move(each));
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const std::size_t n = old.size() + ordered.size();
  if (n == 0) return S_OK;
  auto* rows = static_cast<VDSX_OPERATION_PROP*>(CoTaskMemAlloc(n * sizeof(VDSX_OPERATION_PROP)));
  if (rows == nullptr) return E_OUTOFMEMORY;
  std::size_t at = 0;
  for (const operation_record& r : old) fill_ended(r, rows[at++]);
  for (const auto& [begun, each] : ordered) each->fill(rows[at++]);
  *out = rows;
  *count = static_cast<LONG>(n);
  return S_OK;
}

HRESULT operations::get(const guid& id, VDSX_OPERATION_PROP* out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = VDSX_OPERATION_PROP{};
  com_ptr<IVdsAsync> async;
  if (const HRESULT hr = open(id, async.put()); FAILED(hr)) return hr;
  return async.as<IVdsxOperation>()->GetProperties(out);
}

HRESULT operations::open(const guid& id, IVdsAsync** out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  const std::lock_guard lock(mutex_);
  com_ptr<operation> found;
  if (const auto at = open_.find(id); at != open_.end())
    found = at->second;
  else if (const auto old = history_.find(id); old != history_.end())
    found = from_history(old->second);
  if (!found) return VDS_E_OBJECT_NOT_FOUND;
  *out = found.detach();
  return S_OK;
}

std::size_t operations::unfinished() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

void operations::stop() {
  decltype(open_) open;  // they hold the table: let go, or it would hold itself
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    open.swap(open_);
  }
  for (const auto& [id, each] : open) each->let_go();
  journal_->close();
}

}  // namespace vds::service
