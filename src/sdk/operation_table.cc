#include "sdk/operation_table.h"

#include <utility>

#include "com/call_context.h"
#include "com/hresult.h"
#include "com/strings.h"

namespace vds::sdk {

guid current_operation() { return current_call().operation_id; }

void operation_table::use_durable(lookup_function lookup, object_function object, forget_function forget) {
  lookup_ = std::move(lookup);
  object_ = std::move(object);
  forget_ = std::move(forget);
}

operation_table::begun operation_table::begin(const guid& id, VDS_ASYNC_OUTPUT_TYPE type, bool look) {
  if (!id) return {make_async(type), false};
  if (com_ptr<async_object> known = find(id)) {
    if (known->state().type() != type) return {{}, true};
    return {std::move(known), true};
  }
  if (look && lookup_) {
    // Ended in an earlier life of this process; one that was running then has been undone by recovery.
    if (const auto outcome = lookup_(id); outcome && !outcome->running) {
      if (outcome->type != type) return {{}, true};
      return {from_durable(*outcome), true};
    }
  }
  const std::lock_guard lock(mutex_);
  auto [at, fresh] = known_.try_emplace(id);
  if (!fresh) return {at->second, true};
  at->second = make_async(type);
  order_.push_back(id);
  com_ptr<async_object> async = at->second;
  trim();
  return {std::move(async), false};
}

void operation_table::abandon(const guid& id) {
  com_ptr<async_object> dropped;
  const std::lock_guard lock(mutex_);
  if (auto at = known_.find(id); at != known_.end()) {
    dropped = std::move(at->second);
    known_.erase(at);
  }
}

com_ptr<async_object> operation_table::find(const guid& id) {
  const std::lock_guard lock(mutex_);
  const auto at = known_.find(id);
  return at == known_.end() ? com_ptr<async_object>{} : at->second;
}

HRESULT operation_table::ended_before(const guid& id, const com_ptr<async_object>& async,
                                      const operation_outcome& outcome) {
  if (outcome.type == async->state().type()) {
    finish_as(*async, outcome);
    return S_OK;
  }
  abandon(id);
  async->finish(E_INVALIDARG);  // for whoever joined in between
  return E_INVALIDARG;
}

com_ptr<async_object> operation_table::from_durable(const operation_outcome& outcome) {
  auto async = make_async(outcome.type);
  finish_as(*async, outcome);
  return async;
}

void operation_table::finish_as(async_object& async, const operation_outcome& outcome) {
  const VDS_OBJECT_TYPE kind = object_type_of(outcome.type);
  if (FAILED(outcome.result) || kind == VDS_OT_UNKNOWN) {
    async.finish(outcome.result);
  } else if (com_ptr<IUnknown> object = object_ ? object_(outcome.object_id, kind) : com_ptr<IUnknown>{}) {
    async.finish_with(object.get(), outcome.object_id);
  } else {
    async.finish(VDS_E_OBJECT_DELETED);  // made, and deleted since
  }
}

void operation_table::trim() {
  // Oldest first; what still runs is put back at the end. One round at most, so that a table full of running
  // operations costs O(1) a call in the long run and is bounded by what really runs.
  std::size_t looked = 0;
  const std::size_t limit = 8;
  while (order_.size() > keep_ && looked++ < limit) {
    const guid oldest = order_.front();
    order_.pop_front();
    const auto at = known_.find(oldest);
    if (at == known_.end()) continue;
    if (at->second->state().ended())
      known_.erase(at);
    else
      order_.push_back(oldest);
  }
}

HRESULT operation_table::query(const VDS_OBJECT_ID& id, VDSX_OPERATION_OUTCOME* out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = VDSX_OPERATION_OUTCOME{};
  out->outcome = VDSX_OUTCOME_UNKNOWN;
  const guid key = from_com(id);
  if (com_ptr<async_object> async = find(key)) {
    const bool ended = async->state().ended();
    const progress_report now = async->state().report();
    out->outcome = ended ? VDSX_OUTCOME_DONE : VDSX_OUTCOME_RUNNING;
    out->asyncType = async->state().type();
    out->ulPercent = now.percent;
    out->ullBytesDone = now.done;
    out->ullBytesTotal = now.total;
    out->pwszPhase = co_task_string(now.phase);
    if (ended) {
      ULONG percent = 0;
      async->state().query_status(&out->hrResult, &percent);
      out->objectId = to_com(async->object_id());
      out->objectType = object_type_of(out->asyncType);
    } else {
      out->hrResult = VDS_E_OPERATION_PENDING;
    }
    return S_OK;
  }
  if (!lookup_) return S_OK;
  if (const auto outcome = lookup_(key)) {
    out->outcome = outcome->running ? VDSX_OUTCOME_RUNNING : VDSX_OUTCOME_DONE;
    out->hrResult = outcome->running ? VDS_E_OPERATION_PENDING : outcome->result;
    out->asyncType = outcome->type;
    out->objectId = to_com(outcome->object_id);
    out->objectType = object_type_of(outcome->type);
    out->ulPercent = !outcome->running && SUCCEEDED(outcome->result) ? 100 : 0;
  }
  return S_OK;
}

HRESULT operation_table::open(const VDS_OBJECT_ID& id, IVdsAsync** out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  const guid key = from_com(id);
  com_ptr<async_object> async = find(key);
  if (!async && lookup_) {
    if (const auto outcome = lookup_(key); outcome && !outcome->running) async = from_durable(*outcome);
  }
  if (!async) return VDS_E_OBJECT_NOT_FOUND;
  *out = async.detach();
  return S_OK;
}

HRESULT operation_table::forget(const VDS_OBJECT_ID& id) {
  const guid key = from_com(id);
  com_ptr<async_object> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = known_.find(key); at != known_.end()) {
      if (!at->second->state().ended()) return VDS_E_OPERATION_PENDING;
      dropped = std::move(at->second);
      known_.erase(at);
    }
  }
  if (forget_) forget_(key);
  return S_OK;
}

}  // namespace vds::sdk
