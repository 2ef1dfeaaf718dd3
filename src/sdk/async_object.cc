#include "sdk/async_object.h"

#include <utility>

#include "com/hresult.h"
#include "com/memory.h"
#include "com/strings.h"

namespace vds::sdk {

bool async_object::finish_with(IUnknown* object, const guid& id) {
  {
    const std::lock_guard lock(id_mutex_);
    object_id_ = id;
  }
  return state_.finish(S_OK, async_output::of(state_.type(), object));
}

guid async_object::object_id() const {
  const std::lock_guard lock(id_mutex_);
  return object_id_;
}

HRESULT async_object::Cancel() noexcept try { return state_.cancel(); } catch (...) {
  return hresult_from_exception();
}

HRESULT async_object::Wait(HRESULT* pHrResult, VDS_ASYNC_OUTPUT* pAsyncOut) noexcept try {
  return state_.wait(pHrResult, pAsyncOut);
} catch (...) {
  return hresult_from_exception();
}

HRESULT async_object::QueryStatus(HRESULT* pHrResult, ULONG* pulPercentCompleted) noexcept try {
  return state_.query_status(pHrResult, pulPercentCompleted);
} catch (...) {
  return hresult_from_exception();
}

HRESULT async_object::begin_wait(std::function<void(HRESULT, HRESULT, VDS_ASYNC_OUTPUT&)> cb) noexcept try {
  if (!cb) return E_INVALIDARG;
  state_.begin_wait(std::move(cb));
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT async_object::GetProgress(VDSX_PROGRESS* pProgress) noexcept try {
  if (pProgress == nullptr) return E_INVALIDARG;
  *pProgress = VDSX_PROGRESS{};
  const progress_report now = state_.report();
  co_task_ptr<wchar_t> waiting(now.waiting_for.empty() ? nullptr : co_task_string(now.waiting_for));
  pProgress->pwszPhase = co_task_string(now.phase);
  pProgress->pwszWaitingFor = waiting.release();
  pProgress->ullBytesDone = now.done;
  pProgress->ullBytesTotal = now.total;
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

com_ptr<async_object> ended_async(VDS_ASYNC_OUTPUT_TYPE type, HRESULT result, async_output out) {
  auto async = make_async(type);
  async->finish(result, std::move(out));
  return async;
}

}  // namespace vds::sdk
