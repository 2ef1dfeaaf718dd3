#include "sdk/notifier.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "com/implements.h"

namespace vds::sdk {
namespace {

class recorder final : public implements<IVdsAdviseSink> {
 public:
  HRESULT STDMETHODCALLTYPE OnNotify(LONG n, VDS_NOTIFICATION* events) noexcept override {
    std::unique_lock lock(mutex);
    calls.emplace_back(events, events + n);
    changed.notify_all();
    changed.wait(lock, [this] { return !held; });
    return S_OK;
  }
  void wait_for(std::size_t n) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return calls.size() >= n; });
  }
  void hold(bool now) {
    const std::lock_guard lock(mutex);
    held = now;
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::vector<VDS_NOTIFICATION>> calls;
  bool held = false;
};

const guid some_id{{1, 2, 3}};

TEST(notifier, keeps_together_what_one_change_caused_and_splits_above_100) {
  const auto sink = make<recorder>();
  notifier n;
  ASSERT_EQ(n.start(sink.get()), S_OK);
  n.notify({hardware_event(VDS_NF_LUN_ARRIVE, some_id), hardware_event(VDS_NF_DRIVE_MODIFY, some_id)});
  n.notify(std::vector<VDS_NOTIFICATION>(250, hardware_event(VDS_NF_DRIVE_MODIFY, some_id)));
  sink->wait_for(4);
  n.stop();
  ASSERT_EQ(sink->calls.size(), 4u);
  EXPECT_EQ(sink->calls[0].size(), 2u);
  EXPECT_EQ(event_code(sink->calls[0][0]), static_cast<ULONG>(VDS_NF_LUN_ARRIVE));
  EXPECT_EQ(event_object(sink->calls[0][0]), some_id);
  EXPECT_EQ(sink->calls[1].size(), 100u);
  EXPECT_EQ(sink->calls[3].size(), 50u);
}

TEST(notifier, does_not_wait_for_a_slow_service_and_says_that_it_dropped_something) {
  const auto sink = make<recorder>();
  sink->hold(true);
  notifier n;
  ASSERT_EQ(n.start(sink.get()), S_OK);
  n.notify({hardware_event(VDS_NF_LUN_ARRIVE, some_id)});
  sink->wait_for(1);
  for (int i = 0; i < 200; ++i)
    n.notify(std::vector<VDS_NOTIFICATION>(100, hardware_event(VDS_NF_LUN_MODIFY, some_id)));
  sink->hold(false);
  sink->wait_for(1 + notifier::max_queued / 100 + 1);
  n.stop();
  const VDS_NOTIFICATION last = sink->calls.back().back();
  EXPECT_EQ(last.objectType, VDS_NTT_SERVICE);
  EXPECT_EQ(last.Service.ulEvent, static_cast<ULONG>(VDS_NF_SERVICE_OUT_OF_SYNC));
}

TEST(notifier, wants_a_sink_and_is_silent_without_one) {
  notifier n;
  n.notify({hardware_event(VDS_NF_LUN_ARRIVE, some_id)});
  EXPECT_EQ(n.start(nullptr), E_INVALIDARG);
}

}  // namespace
}  // namespace vds::sdk
