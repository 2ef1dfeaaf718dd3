#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "com/strings.h"
#include "sdk/async_object.h"

namespace vds::sdk {
namespace {

// Something to hand out that counts its references.
class thing final : public implements<IVdsAdviseSink> {
 public:
  explicit thing(std::atomic<int>& alive) : alive_(alive) { ++alive_; }
  ~thing() override { --alive_; }
  HRESULT STDMETHODCALLTYPE OnNotify(LONG, VDS_NOTIFICATION*) noexcept override { return S_OK; }

 private:
  std::atomic<int>& alive_;
};

ULONG references(IUnknown* p) {
  p->AddRef();
  return p->Release();
}

struct status_now {
  HRESULT result = S_OK;
  ULONG percent = 0;
};
status_now status_of(IVdsAsync* a) {
  status_now s;
  EXPECT_EQ(a->QueryStatus(&s.result, &s.percent), S_OK);
  return s;
}

TEST(async_object, is_pending_at_first_and_percent_only_rises_below_100) {
  auto a = make_async(VDS_ASYNCOUT_EXTENDLUN);
  EXPECT_EQ(status_of(a.get()).result, VDS_E_OPERATION_PENDING);
  const std::pair<ULONG, ULONG> told_and_seen[] = {{0, 0}, {40, 40}, {10, 40}, {99, 99}, {100, 99}, {4000, 99}};
  for (const auto& [told, seen] : told_and_seen) {
    a->progress(told);
    EXPECT_EQ(status_of(a.get()).percent, seen) << told;
  }
  a->finish(S_OK);
  EXPECT_EQ(status_of(a.get()).result, S_OK);
  EXPECT_EQ(status_of(a.get()).percent, 100u);
}

TEST(async_object, that_failed_is_at_0_percent_and_hands_out_nothing) {
  std::atomic<int> alive = 0;
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  a->progress(70);
  {
    const auto t = make<thing>(alive);
    a->finish(VDS_E_NOT_ENOUGH_SPACE, async_output::of(VDS_ASYNCOUT_CREATELUN, t.get()));
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(status_of(a.get()).percent, 0u);
  HRESULT result = S_OK;
  VDS_ASYNC_OUTPUT out;
  EXPECT_EQ(a->Wait(&result, &out), S_OK);
  EXPECT_EQ(result, VDS_E_NOT_ENOUGH_SPACE);
  EXPECT_EQ(out.type, VDS_ASYNCOUT_CREATELUN);
  EXPECT_EQ(out.cl.pLunUnk, nullptr);
}

TEST(async_object, hands_out_a_reference_of_its_own_at_every_wait) {
  std::atomic<int> alive = 0;
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  const auto t = make<thing>(alive);
  a->finish_with(t.get(), guid{{1}});
  const ULONG before = references(t.get());
  VDS_ASYNC_OUTPUT outs[3];
  for (auto& out : outs) {
    HRESULT result = E_FAIL;
    ASSERT_EQ(a->Wait(&result, &out), S_OK);
    EXPECT_EQ(result, S_OK);
    EXPECT_EQ(out.type, VDS_ASYNCOUT_CREATELUN);
    EXPECT_EQ(out.cl.pLunUnk, static_cast<IUnknown*>(t.get()));
  }
  EXPECT_EQ(references(t.get()), before + 3);
  for (auto& out : outs) out.cl.pLunUnk->Release();
  EXPECT_EQ(references(t.get()), before);
}

TEST(async_object, refuses_wait_and_query_without_room_for_the_answer) {
  auto a = make_async(VDS_ASYNCOUT_RECOVERLUN);
  HRESULT result;
  ULONG percent;
  VDS_ASYNC_OUTPUT out;
  EXPECT_EQ(a->Wait(nullptr, &out), E_INVALIDARG);
  EXPECT_EQ(a->Wait(&result, nullptr), E_INVALIDARG);
  EXPECT_EQ(a->QueryStatus(nullptr, &percent), E_INVALIDARG);
  EXPECT_EQ(a->QueryStatus(&result, nullptr), E_INVALIDARG);
}

TEST(async_object, that_succeeds_with_the_wrong_type_or_no_object_has_failed) {
  std::atomic<int> alive = 0;
  const auto t = make<thing>(alive);
  const async_output lies[] = {async_output(VDS_ASYNCOUT_CREATELUN), async_output(VDS_ASYNCOUT_EXTENDLUN),
                               async_output::of(VDS_ASYNCOUT_CREATETARGET, t.get())};
  for (const auto& lie : lies) {
    auto a = make_async(VDS_ASYNCOUT_CREATELUN);
    a->finish(S_OK, lie);
    EXPECT_EQ(status_of(a.get()).result, E_UNEXPECTED);
  }
}

TEST(async_object, ends_once) {
  auto a = make_async(VDS_ASYNCOUT_SHRINKLUN);
  EXPECT_TRUE(a->finish(VDS_S_IN_PROGRESS));
  EXPECT_FALSE(a->finish(E_FAIL));
  EXPECT_EQ(status_of(a.get()).result, VDS_S_IN_PROGRESS);
}

TEST(async_object, wakes_every_thread_and_runs_every_continuation_with_references) {
  std::atomic<int> alive = 0, answered = 0;
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  const auto answer = [&](HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& out) {
    EXPECT_EQ(wait, S_OK);
    EXPECT_EQ(result, S_OK);
    out.cl.pLunUnk->Release();
    ++answered;
  };
  std::vector<std::thread> waiting;
  for (int i = 0; i < 8; ++i) {
    waiting.emplace_back([&] {
      HRESULT result = E_FAIL;
      VDS_ASYNC_OUTPUT out;
      const HRESULT wait = a->Wait(&result, &out);
      answer(wait, result, out);
    });
    EXPECT_EQ(a->begin_wait(answer), S_OK);
  }
  {
    const auto t = make<thing>(alive);
    a->finish_with(t.get(), guid{{1}});
  }
  EXPECT_EQ(a->begin_wait(answer), S_OK);  // too late to be kept: at once
  for (auto& w : waiting) w.join();
  EXPECT_EQ(answered, 17);
  a.reset();
  EXPECT_EQ(alive, 0);
}

TEST(async_object, whose_worker_gave_it_up_leaves_nobody_waiting) {
  HRESULT told = S_OK;
  {
    auto a = make_async(VDS_ASYNCOUT_CREATELUN);
    a->begin_wait([&](HRESULT, HRESULT result, VDS_ASYNC_OUTPUT&) { told = result; });
  }
  EXPECT_EQ(told, E_UNEXPECTED);
}

TEST(async_object, goes_on_when_its_caller_releases_it) {
  std::atomic<int> alive = 0;
  auto worker = make_async(VDS_ASYNCOUT_CREATELUN);
  {
    com_ptr<IVdsAsync> caller = worker;
    caller.reset();
  }
  worker->progress(50);
  const auto t = make<thing>(alive);
  EXPECT_TRUE(worker->finish_with(t.get(), guid{{1}}));
}

// --- Cancel, as semantics has it: before, during, too late

TEST(async_cancel, is_not_supported_unless_the_worker_says_so) {
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  EXPECT_EQ(a->Cancel(), VDS_E_NOT_SUPPORTED);
}

TEST(async_cancel, is_seen_by_a_worker_that_looks_and_a_second_one_is_told_so) {
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  a->state().allow_cancel();
  EXPECT_FALSE(a->state().cancel_requested());
  EXPECT_EQ(a->Cancel(), S_OK);
  EXPECT_TRUE(a->state().cancel_requested());
  EXPECT_EQ(a->Cancel(), VDS_E_OPERATION_CANCELED);
  a->finish(VDS_E_OPERATION_CANCELED);
  EXPECT_EQ(a->Cancel(), VDS_E_OPERATION_CANCELED);
  EXPECT_EQ(status_of(a.get()).result, VDS_E_OPERATION_CANCELED);
}

TEST(async_cancel, may_end_the_work_at_once) {
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  a->state().on_cancel([&] {
    a->finish(VDS_E_OPERATION_CANCELED);
    return S_OK;
  });
  EXPECT_EQ(a->Cancel(), S_OK);
  EXPECT_EQ(status_of(a.get()).result, VDS_E_OPERATION_CANCELED);
}

TEST(async_cancel, that_the_worker_refuses_changes_nothing) {
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  a->state().on_cancel([] { return VDS_E_CANCEL_TOO_LATE; });
  EXPECT_EQ(a->Cancel(), VDS_E_CANCEL_TOO_LATE);
  EXPECT_FALSE(a->state().cancel_requested());
  EXPECT_EQ(status_of(a.get()).result, VDS_E_OPERATION_PENDING);
}

TEST(async_cancel, is_too_late_after_the_point_of_no_return_and_after_the_end) {
  auto a = make_async(VDS_ASYNCOUT_EXTENDLUN);
  a->state().allow_cancel();
  EXPECT_TRUE(a->state().forbid_cancel());
  EXPECT_EQ(a->Cancel(), VDS_E_CANCEL_TOO_LATE);
  a->finish(S_OK);
  EXPECT_EQ(a->Cancel(), VDS_E_CANCEL_TOO_LATE);
}

TEST(async_cancel, accepted_before_the_point_of_no_return_makes_the_worker_undo) {
  auto a = make_async(VDS_ASYNCOUT_EXTENDLUN);
  a->state().allow_cancel();
  EXPECT_EQ(a->Cancel(), S_OK);
  EXPECT_FALSE(a->state().forbid_cancel());
}

// Cancel and the point of no return from two threads: exactly one of them wins.
TEST(async_cancel, races_with_the_point_of_no_return_and_one_wins) {
  for (int round = 0; round < 500; ++round) {
    auto a = make_async(VDS_ASYNCOUT_EXTENDLUN);
    a->state().allow_cancel();
    std::thread worker([&] { a->finish(a->state().forbid_cancel() ? S_OK : VDS_E_OPERATION_CANCELED); });
    const HRESULT cancelled = a->Cancel();
    worker.join();
    const HRESULT result = status_of(a.get()).result;
    if (cancelled == S_OK)
      EXPECT_EQ(result, VDS_E_OPERATION_CANCELED);
    else
      EXPECT_EQ(cancelled == VDS_E_CANCEL_TOO_LATE, result == S_OK) << std::hex << cancelled;
  }
}

TEST(async_object, tells_phase_and_bytes) {
  auto a = make_async(VDS_ASYNCOUT_CREATELUN);
  a->phase("wiping", 5, 20);
  VDSX_PROGRESS p{};
  ASSERT_EQ(a->GetProgress(&p), S_OK);
  EXPECT_EQ(to_utf8(p.pwszPhase), "wiping");
  EXPECT_EQ(p.ullBytesDone, 5u);
  EXPECT_EQ(p.ullBytesTotal, 20u);
  EXPECT_EQ(p.pwszWaitingFor, nullptr);
  CoTaskMemFree(p.pwszPhase);
  a->phase("wiping", 5, 20, "somebody else");
  ASSERT_EQ(a->GetProgress(&p), S_OK);
  EXPECT_EQ(to_utf8(p.pwszWaitingFor), "somebody else");
  CoTaskMemFree(p.pwszPhase);
  CoTaskMemFree(p.pwszWaitingFor);
}

}  // namespace
}  // namespace vds::sdk
