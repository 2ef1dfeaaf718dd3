// async_object.h: the IVdsAsync that a provider returns. The worker holds a reference while it works; callers may
// release theirs at any time, which stops nothing. See async_state.h for what is guaranteed.
//
//   auto async = sdk::make_async(VDS_ASYNCOUT_CREATELUN);
//   start_work(async);                              // ... async->state().progress(40); async->finish_with(lun, id,
//   VDS_OT_LUN); *ppAsync = async.detach();
#pragma once

#include "base/guid.h"
#include "com/com.h"
#include "com/com_ptr.h"
#include "com/implements.h"
#include "com/local.h"
#include "sdk/async_state.h"

namespace vds::sdk {

class async_object final : public implements<IVdsAsync, IVdsLocalAsync, IVdsxProgress> {
 public:
  explicit async_object(VDS_ASYNC_OUTPUT_TYPE type) : state_(type) {}

  // Worker side.
  async_state& state() noexcept { return state_; }
  void progress(ULONG percent) noexcept { state_.progress(percent); }
  void phase(std::string name, ULONGLONG done, ULONGLONG total, std::string waiting_for = {}) {
    state_.phase(std::move(name), done, total, std::move(waiting_for));
  }
  bool finish(HRESULT result) { return state_.finish(result); }
  bool finish(HRESULT result, async_output out) { return state_.finish(result, std::move(out)); }
  // Success with an object; its id is remembered for operation_table.
  bool finish_with(IUnknown* object, const guid& id);
  guid object_id() const;  // nil until finish_with

  // IVdsAsync
  HRESULT STDMETHODCALLTYPE Cancel() noexcept override;
  HRESULT STDMETHODCALLTYPE Wait(HRESULT* pHrResult, VDS_ASYNC_OUTPUT* pAsyncOut) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryStatus(HRESULT* pHrResult, ULONG* pulPercentCompleted) noexcept override;
  // IVdsLocalAsync
  HRESULT STDMETHODCALLTYPE begin_wait(std::function<void(HRESULT, HRESULT, VDS_ASYNC_OUTPUT&)> cb) noexcept override;
  // IVdsxProgress
  HRESULT STDMETHODCALLTYPE GetProgress(VDSX_PROGRESS* pProgress) noexcept override;

 private:
  async_state state_;
  mutable std::mutex id_mutex_;
  guid object_id_;
};

inline com_ptr<async_object> make_async(VDS_ASYNC_OUTPUT_TYPE type) { return make<async_object>(type); }

// An async object that has ended already, for methods that finish inside the call.
com_ptr<async_object> ended_async(VDS_ASYNC_OUTPUT_TYPE type, HRESULT result, async_output out);

}  // namespace vds::sdk
