// operation.h: one piece of work that outlives its caller. It is the IVdsAsync that clients get, and everybody who
// opens it by id gets the same object.
//
//   queued ---> running ---> finishing ---> done
//     |            |             ^
//     +--> cancelling -----------+        (and queued -> finishing when the provider settles it after a restart)
//
// queued: being journaled, the provider has not been asked. running: the provider has it; also while nobody knows what
// became of it, because the provider died or does not answer ("detached"). finishing: the provider is through, its
// output becomes ours. cancelling: the provider accepted a Cancel and undoes.
//
// Wait holds no thread: continuations (IVdsLocalAsync) are kept in async_state. The provider's own async object is
// waited for in the same way, or, when it cannot, looked at now and then. Any thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "com/implements.h"
#include "com/local.h"
#include "sdk/async_state.h"
#include "service/operations/operation_provider.h"
#include "service/operations/record.h"

namespace vds::service {

class operations;

enum class operation_state : std::uint8_t {
  queued = VDSX_OS_QUEUED,
  running = VDSX_OS_RUNNING,
  finishing = VDSX_OS_FINISHING,
  cancelling = VDSX_OS_CANCELLING,
  done = VDSX_OS_DONE,
};

class operation final : public implements<IVdsAsync, IVdsLocalAsync, IVdsxOperation, IVdsLocalDispatch> {
 public:
  operation(std::shared_ptr<operations> table, operation_record record);

  const guid& id() const noexcept { return id_; }
  operation_record record() const;
  operation_state state() const;

  // --- the table's side
  // Calls the provider; the journal has the operation already. The HRESULT is the method's own.
  HRESULT start(const border::asynchronous_call& call, std::shared_ptr<operation_provider> provider,
                const char* method);
  // The journal refused it: as if it had never been.
  void never_began(HRESULT hr);
  // Finds out from the provider what became of it; on the provider's gate. After a restart, ours or its own.
  void settle(const std::shared_ptr<operation_provider>& provider);
  // It was under way in an earlier life of the service.
  void reload();
  // It ended in an earlier life of the service.
  void restore(HRESULT result, sdk::async_output out);
  // The service stops: what the provider handed out is let go of, which holds this. Open in the journal it stays.
  void let_go();
  // Another call with the same id: waits until the first one's method has answered.
  HRESULT join(deadline until);
  void fill(VDSX_OPERATION_PROP& out);
  // Ends it here and now, whatever the provider does.
  void finish(HRESULT result, sdk::async_output out, const guid& output_id);

  // IVdsAsync
  HRESULT STDMETHODCALLTYPE Cancel() noexcept override;
  HRESULT STDMETHODCALLTYPE Wait(HRESULT* pHrResult, VDS_ASYNC_OUTPUT* pAsyncOut) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryStatus(HRESULT* pHrResult, ULONG* pulPercentCompleted) noexcept override;
  // IVdsLocalAsync
  HRESULT STDMETHODCALLTYPE begin_wait(std::function<void(HRESULT, HRESULT, VDS_ASYNC_OUTPUT&)> done) noexcept override;
  // IVdsxOperation
  HRESULT STDMETHODCALLTYPE GetProperties(VDSX_OPERATION_PROP* pOperationProp) noexcept override;
  // IVdsLocalDispatch
  com_work_queue* STDMETHODCALLTYPE queue_for(REFIID iid, ULONG slot) noexcept override;

 private:
  enum class answer : std::uint8_t { pending, accepted, refused };

  void become(operation_state next);  // with the lock held
  void attach(com_ptr<IVdsAsync> theirs);
  void poll_later(monotonic::duration delay, unsigned attached);
  void provider_ended(HRESULT wait, HRESULT result, sdk::async_output out);
  void deliver(HRESULT result, sdk::async_output out);
  void deliver_by_id(HRESULT result, const guid& output_id);
  void detached(std::string why);
  void ask_later();
  void refresh_progress();
  HRESULT cancel_theirs();
  void answered(answer what, HRESULT hr);

  const guid id_;
  const std::shared_ptr<operations> table_;
  sdk::async_state async_;

  mutable std::mutex mutex_;
  std::condition_variable answered_;
  operation_record record_;
  operation_state state_ = operation_state::queued;
  answer answer_ = answer::pending;
  HRESULT refusal_ = S_OK;
  bool cancel_before_start_ = false;
  std::shared_ptr<operation_provider> provider_;
  com_ptr<IVdsAsync> theirs_;
  com_ptr<IVdsxProgress> their_progress_;
  std::uint64_t asked_ = 0;  // the provider's incarnation that was asked to do it
  unsigned asks_ = 0, attached_ = 0;
  bool polling_ = false;
  deadline polled_{};
};

}  // namespace vds::service
