#include "sdk/async_state.h"

#include <algorithm>
#include <utility>

namespace vds::sdk {

async_state::~async_state() { finish(E_UNEXPECTED); }

void async_state::progress(ULONG percent) noexcept {
  const std::lock_guard lock(mutex_);
  if (!ended_) report_.percent = std::max(report_.percent, std::min<ULONG>(percent, 99));
}

void async_state::phase(std::string name, ULONGLONG done, ULONGLONG total, std::string waiting_for) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  report_.phase = std::move(name);
  report_.waiting_for = std::move(waiting_for);
  report_.done = done;
  report_.total = total;
}

bool async_state::finish(HRESULT result) { return finish(result, async_output(type_)); }

bool async_state::finish(HRESULT result, async_output out) {
  std::vector<continuation> waiting;
  std::vector<VDS_ASYNC_OUTPUT> handed;  // one for each, with references of its own
  cancel_handler handler;                // destroyed outside the lock: it may own the last reference to something
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return false;
    if (SUCCEEDED(result) &&
        (out.type() != type_ || (object_type_of(type_) != VDS_OT_UNKNOWN && out.object() == nullptr)))
      result = E_UNEXPECTED;
    ended_ = true;
    result_ = result;
    // On failure nothing is handed out, whatever the worker left in the output.
    output_ = SUCCEEDED(result) ? std::move(out) : async_output(type_);
    report_.percent = SUCCEEDED(result) ? 100 : 0;
    if (SUCCEEDED(result) && report_.total != 0) report_.done = report_.total;
    waiting.swap(waiting_);
    handed.reserve(waiting.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) handed.push_back(output_.hand_out());
    handler.swap(handler_);
    ended_signal_.notify_all();
  }
  // From here on *this is not touched: a waiter may have dropped the last reference to it.
  for (std::size_t i = 0; i < waiting.size(); ++i) waiting[i](S_OK, result, handed[i]);
  return true;
}

void async_state::on_cancel(cancel_handler handler) {
  const std::lock_guard lock(mutex_);
  if (ended_ || cancelling_ == cancelling::accepted || cancelling_ == cancelling::too_late) return;
  cancelling_ = handler ? cancelling::allowed : cancelling::unsupported;
  handler_.swap(handler);
}

void async_state::allow_cancel() {
  on_cancel([] { return S_OK; });
}

bool async_state::forbid_cancel() {
  const std::lock_guard lock(mutex_);
  if (cancelling_ == cancelling::accepted || cancelling_ == cancelling::asking) return false;
  cancelling_ = cancelling::too_late;
  return true;
}

bool async_state::cancel_requested() const {
  const std::lock_guard lock(mutex_);
  return cancelling_ == cancelling::accepted || cancelling_ == cancelling::asking;
}

HRESULT async_state::cancel() {
  cancel_handler ask;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return result_ == VDS_E_OPERATION_CANCELED ? VDS_E_OPERATION_CANCELED : VDS_E_CANCEL_TOO_LATE;
    switch (cancelling_) {
      case cancelling::unsupported:
        return VDS_E_NOT_SUPPORTED;
      case cancelling::too_late:
        return VDS_E_CANCEL_TOO_LATE;
      case cancelling::asking:
      case cancelling::accepted:
        return VDS_E_OPERATION_CANCELED;  // somebody cancelled it before
      case cancelling::allowed:
        break;
    }
    cancelling_ = cancelling::asking;
    ask = handler_;
  }
  HRESULT answer = ask();
  const std::lock_guard lock(mutex_);
  if (SUCCEEDED(answer)) {
    cancelling_ = cancelling::accepted;
    // It ended while we asked, and not by us.
    if (ended_ && result_ != VDS_E_OPERATION_CANCELED) answer = VDS_E_CANCEL_TOO_LATE;
    return FAILED(answer) ? answer : S_OK;
  }
  if (cancelling_ == cancelling::asking) cancelling_ = cancelling::allowed;  // it may be asked again
  return answer;
}

HRESULT async_state::wait(HRESULT* result, VDS_ASYNC_OUTPUT* out) {
  if (out != nullptr) {
    *out = VDS_ASYNC_OUTPUT{};
    out->type = type_;
  }
  if (result == nullptr || out == nullptr) return E_INVALIDARG;
  *result = VDS_E_OPERATION_PENDING;
  std::unique_lock lock(mutex_);
  ended_signal_.wait(lock, [this] { return ended_; });
  *result = result_;
  *out = output_.hand_out();
  return S_OK;
}

HRESULT async_state::query_status(HRESULT* result, ULONG* percent) {
  if (result == nullptr || percent == nullptr) return E_INVALIDARG;
  const std::lock_guard lock(mutex_);
  *result = ended_ ? result_ : VDS_E_OPERATION_PENDING;
  *percent = report_.percent;
  return S_OK;
}

void async_state::begin_wait(continuation then) {
  VDS_ASYNC_OUTPUT out{};
  HRESULT result = S_OK;
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) {
      waiting_.push_back(std::move(then));
      return;
    }
    out = output_.hand_out();
    result = result_;
  }
  then(S_OK, result, out);
}

bool async_state::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

progress_report async_state::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace vds::sdk
