// notifier.h: the queue from a provider to the service's sink. What one change caused goes in one notify() and arrives
// in one OnNotify (split above 100, as the interface demands), in order, on the notifier's own thread: the provider
// never waits for the service. When the service does not keep up, what does not fit is dropped and one
// VDS_NF_SERVICE_OUT_OF_SYNC tells it to refresh.
//
// The array given to OnNotify stays the caller's, as a plain [in] parameter.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/guid.h"
#include "com/com.h"
#include "com/com_ptr.h"

namespace vds::sdk {

// One event of a hardware object (VDS_NF_LUN_ARRIVE, ...); the target type follows from the event.
VDS_NOTIFICATION hardware_event(ULONG event, const guid& id);
// The object a hardware event is about; nil for any other event.
guid event_object(const VDS_NOTIFICATION& event);
ULONG event_code(const VDS_NOTIFICATION& event);

class notifier {
 public:
  static constexpr std::size_t max_queued = 10'000;  // events

  notifier() = default;
  ~notifier() { stop(); }
  notifier(const notifier&) = delete;
  notifier& operator=(const notifier&) = delete;

  // Once, in OnLoad. `callback` is asked for IVdsAdviseSink; E_NOINTERFACE and the like are passed on.
  HRESULT start(IUnknown* callback);
  void notify(std::vector<VDS_NOTIFICATION> events);  // dropped before start and after stop
  // In OnUnload, and when the service is gone: drops the queue and the sink; waits for a delivery that is under way.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable work_;
  com_ptr<IVdsAdviseSink> sink_;
  std::deque<std::vector<VDS_NOTIFICATION>> queue_;
  std::size_t queued_ = 0;
  bool lost_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace vds::sdk
