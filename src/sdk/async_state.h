// async_state.h: what every IVdsAsync has to remember, as plain C++: the type of its output (fixed), percent, result,
// output, who waits, and whether it may be cancelled. async_object puts COM around it; the service's operations too.
//
// Invariants: it ends once; percent never goes back, is below 100 while running and 100 only with success; whoever
// waits, on a thread or by a continuation, is answered exactly once, with references of its own. Nobody waits for ever:
// a state destroyed before its work ended ends with E_UNEXPECTED. Any thread. Continuations and cancel handlers run
// without a lock held.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "sdk/async_output.h"

namespace vds::sdk {

struct progress_report {
  ULONG percent = 0;
  std::string phase;              // what is being done, in words; empty: not told
  ULONGLONG done = 0, total = 0;  // bytes; total 0: not known
  std::string waiting_for;        // in words; empty: it does not wait
};

class async_state {
 public:
  using continuation = std::function<void(HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& out)>;
  using cancel_handler = std::function<HRESULT()>;

  explicit async_state(VDS_ASYNC_OUTPUT_TYPE type) noexcept : output_(type) {}
  async_state(const async_state&) = delete;
  async_state& operator=(const async_state&) = delete;
  ~async_state();

  VDS_ASYNC_OUTPUT_TYPE type() const noexcept { return type_; }

  // --- the worker's side
  void progress(ULONG percent) noexcept;  // clamped to [what it was, 99]
  void phase(std::string name, ULONGLONG done, ULONGLONG total, std::string waiting_for = {});
  // Ends it; false when it had ended already. A success whose output has another type than announced, or lacks its
  // object, is the worker's mistake and ends it with E_UNEXPECTED.
  bool finish(HRESULT result, async_output out);
  bool finish(HRESULT result);
  // From now on Cancel asks `handler`: success means the work will stop and be undone, VDS_E_CANCEL_TOO_LATE or
  // VDS_E_NOT_SUPPORTED that it will not. The handler may end the work itself. Null: Cancel answers
  // VDS_E_NOT_SUPPORTED.
  void on_cancel(cancel_handler handler);
  void allow_cancel();  // Cancel succeeds, and the worker looks at cancel_requested()
  // The point of no return. False: a cancel was accepted before, and the worker has to undo.
  bool forbid_cancel();
  bool cancel_requested() const;

  // --- the caller's side: IVdsAsync and IVdsLocalAsync
  HRESULT cancel();
  HRESULT wait(HRESULT* result, VDS_ASYNC_OUTPUT* out);
  HRESULT query_status(HRESULT* result, ULONG* percent);
  void begin_wait(continuation then);

  bool ended() const;
  progress_report report() const;

 private:
  enum class cancelling : unsigned char { unsupported, allowed, asking, accepted, too_late };

  mutable std::mutex mutex_;
  std::condition_variable ended_signal_;
  async_output output_;
  VDS_ASYNC_OUTPUT_TYPE type_ = output_.type();
  HRESULT result_ = S_OK;
  bool ended_ = false;
  cancelling cancelling_ = cancelling::unsupported;
  cancel_handler handler_;
  progress_report report_;
  std::vector<continuation> waiting_;
};

}  // namespace vds::sdk
