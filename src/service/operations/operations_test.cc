#include <atomic>

#include "sdk/notifier.h"
#include "service/testing/scene.h"

namespace vds::service::testing {
namespace {

using operations_test = scene;

TEST_F(operations_test, creating_a_lun_hands_out_the_services_own_object_each_time_anew) {
  start();
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
  ASSERT_TRUE(async);
  for (int i = 0; i < 3; ++i) {
    const auto w = wait(async.get());
    EXPECT_EQ(w.wait, S_OK);
    EXPECT_EQ(w.result, S_OK);
    EXPECT_EQ(w.out.type(), VDS_ASYNCOUT_CREATELUN);
    ASSERT_NE(w.out.object(), nullptr);
    const auto made = com_ptr<IUnknown>(w.out.object()).as<IVdsLun>();
    VDS_LUN_PROP p{};
    ASSERT_EQ(made->GetProperties(&p), S_OK);
    EXPECT_TRUE(same_object(made.get(), lun(from_com(p.id)).get()));
    CoTaskMemFree(p.pwszFriendlyName);
    CoTaskMemFree(p.pwszUnmaskingList);
  }
  HRESULT result = E_FAIL;
  ULONG percent = 0;
  EXPECT_EQ(async->QueryStatus(&result, &percent), S_OK);
  EXPECT_EQ(result, S_OK);
  EXPECT_EQ(percent, 100u);
  EXPECT_EQ(luns().size(), 1u);
}

TEST_F(operations_test, one_goes_on_without_its_caller_and_is_found_by_its_id) {
  array->finish_at_once = false;
  start();
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
  const guid id = operation_of(async.get());
  async.reset();
  const auto listed = operations(false);
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].id, id);
  EXPECT_EQ(listed[0].state, VDSX_OS_RUNNING);
  EXPECT_EQ(listed[0].result, VDS_E_OPERATION_PENDING);
  EXPECT_EQ(listed[0].owner, "a test");
  array->finish_create(array->open[0], 1 << 20);
  com_ptr<IVdsAsync> found;
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(id), found.put()), S_OK);
  EXPECT_EQ(wait(found.get()).result, S_OK);
  EXPECT_TRUE(operations(false).empty());
  ASSERT_EQ(operations(true).size(), 1u);
  EXPECT_EQ(operations(true)[0].state, VDSX_OS_DONE);
  EXPECT_EQ(as<IVdsxOperations>()->Open(to_com(guid{{3}}), found.put()), VDS_E_OBJECT_NOT_FOUND);
}

TEST_F(operations_test, the_same_id_again_joins_the_first_and_makes_no_second_lun) {
  array->finish_at_once = false;
  start();
  const guid key{{1, 2, 3, 4}};
  com_ptr<IVdsAsync> first, again, later;
  ASSERT_EQ(create(subsystem().get(), first.put(), key), S_OK);
  ASSERT_EQ(create(subsystem().get(), again.put(), key), S_OK);
  EXPECT_TRUE(same_object(first.get(), again.get()));
  array->finish_create(array->open[0], 1 << 20);
  EXPECT_EQ(wait(first.get()).result, S_OK);
  ASSERT_EQ(create(subsystem().get(), later.put(), key), S_OK);
  EXPECT_EQ(wait(later.get()).result, S_OK);
  EXPECT_EQ(array->created, 1);
  EXPECT_EQ(array->open.size(), 1u);
  // The id of one thing is no id for another.
  com_ptr<IVdsAsync> other;
  call_context context;
  context.operation_id = key;
  const scoped_call scope(context);
  EXPECT_EQ(luns()[0]->Extend(5, nullptr, 0, other.put()), E_INVALIDARG);
}

TEST_F(operations_test, cancel_reaches_the_provider_and_its_answers_come_back) {
  array->finish_at_once = false;
  start();
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
  EXPECT_EQ(async->Cancel(), VDS_E_NOT_SUPPORTED);
  array->open[0]->state().on_cancel([&] { return VDS_E_CANCEL_TOO_LATE; });
  EXPECT_EQ(async->Cancel(), VDS_E_CANCEL_TOO_LATE);
  array->open[0]->state().on_cancel([&] {
    array->open[0]->finish(VDS_E_OPERATION_CANCELED);
    return S_OK;
  });
  EXPECT_EQ(async->Cancel(), S_OK);
  EXPECT_EQ(wait(async.get()).result, VDS_E_OPERATION_CANCELED);
  EXPECT_EQ(async->Cancel(), VDS_E_OPERATION_CANCELED);
}

TEST_F(operations_test, percent_that_runs_backwards_does_not) {
  array->finish_at_once = false;
  start();
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
  array->open[0]->progress(60);
  HRESULT result = S_OK;
  ULONG percent = 0;
  until(
      [&] {
        EXPECT_EQ(async->QueryStatus(&result, &percent), S_OK);
        EXPECT_EQ(result, VDS_E_OPERATION_PENDING);
        return percent == 60;
      },
      "the provider's percent");
}

TEST_F(operations_test, what_the_method_itself_refuses_leaves_nothing_behind) {
  start();
  array->before = [](const std::string& m) { return m == "CreateLun" ? VDS_E_NOT_ENOUGH_SPACE : S_OK; };
  com_ptr<IVdsAsync> async;
  EXPECT_EQ(create(subsystem().get(), async.put()), VDS_E_NOT_ENOUGH_SPACE);
  EXPECT_FALSE(async);
  EXPECT_TRUE(operations(true).empty());
  EXPECT_EQ(subsystem()->CreateLun(VDS_LT_SIMPLE, 1, nullptr, 0, nullptr, nullptr, nullptr), E_INVALIDARG);
  EXPECT_EQ(subsystem()->CreateLun(VDS_LT_SIMPLE, 1, nullptr, 3, nullptr, nullptr, async.put()), E_INVALIDARG);
}

// --- lies

struct lying_async final : public implements<IVdsAsync> {
  HRESULT wait = S_OK, result = S_OK;
  VDS_ASYNC_OUTPUT_TYPE type = VDS_ASYNCOUT_CREATELUN;
  com_ptr<IUnknown> out;
  bool pending = false;
  HRESULT STDMETHODCALLTYPE Cancel() noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT STDMETHODCALLTYPE Wait(HRESULT* r, VDS_ASYNC_OUTPUT* o) noexcept override {
    *r = result;
    *o = {};
    o->type = type;
    o->cl.pLunUnk = out.copy();
    return wait;
  }
  HRESULT STDMETHODCALLTYPE QueryStatus(HRESULT* r, ULONG* p) noexcept override {
    *r = pending ? VDS_E_OPERATION_PENDING : result;
    *p = 7;
    return S_OK;
  }
};

TEST_F(operations_test, no_lie_about_the_output_becomes_a_success) {
  start();
  struct lie {
    const char* what;
    HRESULT wait, result;
    VDS_ASYNC_OUTPUT_TYPE type;
    bool object;
    HRESULT seen;
  };
  const lie lies[] = {
      {"no object", S_OK, S_OK, VDS_ASYNCOUT_CREATELUN, false, E_UNEXPECTED},
      {"wrong type", S_OK, S_OK, VDS_ASYNCOUT_EXTENDLUN, false, E_UNEXPECTED},
      {"wrong type with an object", S_OK, S_OK, VDS_ASYNCOUT_CREATETARGET, true, E_UNEXPECTED},
      {"an object that is no LUN", S_OK, S_OK, VDS_ASYNCOUT_CREATELUN, true, E_NOINTERFACE},
      {"a success nobody defined", S_OK, 0x12345678, VDS_ASYNCOUT_CREATELUN, true, E_UNEXPECTED},
      {"a failure nobody defined", S_OK, static_cast<HRESULT>(0xdeadbeef), VDS_ASYNCOUT_CREATELUN, false,
       static_cast<HRESULT>(0xdeadbeef)},
      {"a failure with an object", S_OK, VDS_E_IO_ERROR, VDS_ASYNCOUT_CREATELUN, true, VDS_E_IO_ERROR},
      {"waiting fails", E_NOTIMPL, S_OK, VDS_ASYNCOUT_CREATELUN, false, E_NOTIMPL},
      {"it ends pending", S_OK, VDS_E_OPERATION_PENDING, VDS_ASYNCOUT_CREATELUN, false, VDS_E_OPERATION_PENDING},
  };
  for (const lie& l : lies) {
    SCOPED_TRACE(l.what);
    array->create = [&](IVdsAsync** out) {
      const auto a = make<lying_async>();
      a->wait = l.wait;
      a->result = l.result;
      a->type = l.type;
      if (l.object) a->out = com_ptr<IVdsAsync>(make<lying_async>());
      *out = com_ptr<IVdsAsync>(a).detach();
      return S_OK;
    };
    com_ptr<IVdsAsync> async;
    ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
    if (l.seen == VDS_E_OPERATION_PENDING) {
      // Looked at from outside it never ends: visible, and nobody else's trouble.
      HRESULT result;
      ULONG percent;
      EXPECT_EQ(async->QueryStatus(&result, &percent), S_OK);
      EXPECT_EQ(result, VDS_E_OPERATION_PENDING);
      continue;
    }
    const auto w = wait(async.get());
    EXPECT_EQ(w.wait, S_OK);
    EXPECT_EQ(w.result, l.seen);
    EXPECT_EQ(w.out.type(), VDS_ASYNCOUT_CREATELUN);
    EXPECT_EQ(w.out.object(), nullptr);
  }
  EXPECT_TRUE(luns().empty());
}

TEST_F(operations_test, success_without_an_async_object_is_unexpected) {
  start();
  array->create = [](IVdsAsync**) { return S_OK; };
  com_ptr<IVdsAsync> async;
  EXPECT_EQ(create(subsystem().get(), async.put()), E_UNEXPECTED);
  EXPECT_FALSE(async);
  array->create = [](IVdsAsync**) { return static_cast<HRESULT>(0x1badf00d); };
  EXPECT_EQ(create(subsystem().get(), async.put()), E_UNEXPECTED);
  array->create = [](IVdsAsync**) { return static_cast<HRESULT>(0xdeadbeef); };
  EXPECT_EQ(create(subsystem().get(), async.put()), static_cast<HRESULT>(0xdeadbeef));
}

TEST_F(operations_test, one_that_never_ends_holds_up_no_other) {
  start();
  array->create = [](IVdsAsync** out) {
    const auto a = make<lying_async>();
    a->pending = true;
    *out = com_ptr<IVdsAsync>(a).detach();
    return S_OK;
  };
  std::vector<com_ptr<IVdsAsync>> hanging(20);
  for (auto& each : hanging) ASSERT_EQ(create(subsystem().get(), each.put()), S_OK);
  array->create = nullptr;
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
  EXPECT_EQ(wait(async.get()).result, S_OK);
  EXPECT_EQ(operations(false).size(), 20u);
}

TEST_F(operations_test, what_a_provider_says_it_waits_for_is_told_until_it_goes_on) {
  com_ptr<sdk::async_object> theirs;
  array->create = [&](IVdsAsync** out) {
    theirs = array->operations->begin(sdk::current_operation(), VDS_ASYNCOUT_CREATELUN).async;
    *out = com_ptr(theirs).detach();
    return S_OK;
  };
  start();
  com_ptr<IVdsAsync> ours;
  const guid id{{7}};
  ASSERT_EQ(create(subsystem().get(), ours.put(), id), S_OK);
  theirs->phase("making room", 1, 2, "data to be wiped");
  until([&] { return waits_for(id) == "data to be wiped"; }, "the reason");
  theirs->phase("working", 1, 2);
  until([&] { return waits_for(id).empty(); }, "no reason any more");
  theirs->phase("making room", 1, 2, "data to be wiped");
  array->finish_create(theirs, 1 << 20);
  EXPECT_EQ(wait(ours.get()).result, S_OK);
  EXPECT_EQ(waits_for(id), "");
}

// --- ends of lives

TEST_F(operations_test, a_provider_that_died_is_asked_in_its_next_life) {
  array->finish_at_once = false;
  start();
  com_ptr<IVdsAsync> lost, kept;
  ASSERT_EQ(create(subsystem().get(), lost.put()), S_OK);
  array->crash();
  launcher.lose("fake", "its process was lost: killed by signal 9 (Killed)");
  EXPECT_EQ(wait(lost.get()).result, VDS_E_RETRY) << "its next life never heard of it: nothing was made";
  until([&] { return status().state == VDSX_PS_READY && status().restarts == 1; }, "its next life");
  ASSERT_EQ(create(subsystem().get(), kept.put()), S_OK);
}

TEST_F(operations_test, a_call_without_an_answer_is_settled_when_the_provider_can_be_asked) {
  start();
  // It does the work, and the answer is lost with the process.
  array->create = [&](IVdsAsync**) {
    const auto begun = array->operations->begin(sdk::current_operation(), VDS_ASYNCOUT_CREATELUN);
    array->finish_create(begun.async, 1 << 20);
    return RPC_E_DISCONNECTED;
  };
  com_ptr<IVdsAsync> none, found;
  const guid did{{1}}, did_not{{2}};
  EXPECT_EQ(create(subsystem().get(), none.put(), did), RPC_E_DISCONNECTED);
  array->create = [](IVdsAsync**) { return RPC_E_DISCONNECTED; };
  EXPECT_EQ(create(subsystem().get(), none.put(), did_not), RPC_E_DISCONNECTED);
  EXPECT_EQ(waits_for(did_not), "its provider to answer");
  launcher.lose("fake", "gone");
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(did), found.put()), S_OK);
  const auto w = wait(found.get());
  EXPECT_EQ(w.result, S_OK);
  EXPECT_NE(w.out.object(), nullptr);
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(did_not), found.put()), S_OK);
  EXPECT_EQ(wait(found.get()).result, VDS_E_RETRY) << "rolled back: it may be tried again";
  EXPECT_EQ(waits_for(did_not), "");
  EXPECT_EQ(luns().size(), 1u);
}

TEST_F(operations_test, after_a_restart_of_the_service_each_is_finished_resumed_or_rolled_back) {
  array->finish_at_once = false;
  start();
  const guid finished{{1}}, resumed{{2}}, undone{{3}};
  for (const guid& id : {finished, resumed, undone}) {
    com_ptr<IVdsAsync> async;
    ASSERT_EQ(create(subsystem().get(), async.put(), id), S_OK);
  }
  stop();
  array->finish_create(array->open[0], 1 << 20);
  array->operations->abandon(undone);
  start();
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(finished), async.put()), S_OK);
  const auto w = wait(async.get());
  EXPECT_EQ(w.result, S_OK);
  ASSERT_NE(w.out.object(), nullptr);
  EXPECT_TRUE(com_ptr<IUnknown>(w.out.object()).as<IVdsLun>());
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(undone), async.put()), S_OK);
  EXPECT_EQ(wait(async.get()).result, VDS_E_RETRY);
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(resumed), async.put()), S_OK);
  HRESULT result;
  ULONG percent;
  EXPECT_EQ(async->QueryStatus(&result, &percent), S_OK);
  EXPECT_EQ(result, VDS_E_OPERATION_PENDING);
  array->finish_create(array->open[1], 1 << 20);
  EXPECT_EQ(wait(async.get()).result, S_OK);
  EXPECT_EQ(luns().size(), 2u);
}

TEST_F(operations_test, without_a_way_to_ask_the_end_is_a_provider_failure) {
  array->finish_at_once = false;
  array->tells_outcomes = false;
  start();
  com_ptr<IVdsAsync> async;
  const guid id{{1}};
  ASSERT_EQ(create(subsystem().get(), async.put(), id), S_OK);
  async.reset();
  stop();
  start();
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(id), async.put()), S_OK);
  EXPECT_EQ(wait(async.get()).result, VDS_E_PROVIDER_FAILURE);
}

TEST_F(operations_test, history_outlives_the_service_and_is_bounded) {
  options.history = 100;
  start();
  for (int i = 0; i < 300; ++i) {
    com_ptr<IVdsAsync> async;
    ASSERT_EQ(create(subsystem().get(), async.put()), S_OK);
    ASSERT_EQ(wait(async.get()).result, S_OK);
  }
  EXPECT_EQ(operations(true).size(), 100u);
  stop();
  start();
  const auto kept = operations(true);
  EXPECT_EQ(kept.size(), 100u);
  // What an old one made can still be had by its id; deleted, it says so.
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(kept.back().id), async.put()), S_OK);
  const auto made = com_ptr<IUnknown>(wait(async.get()).out.object()).as<IVdsLun>();
  ASSERT_TRUE(made);
  EXPECT_EQ(made->Delete(), S_OK);
  ASSERT_EQ(as<IVdsxOperations>()->Open(to_com(kept.back().id), async.put()), S_OK);
  const auto w = wait(async.get());
  EXPECT_EQ(w.result, S_OK);
  VDS_LUN_PROP p{};
  EXPECT_EQ(com_ptr<IUnknown>(w.out.object()).as<IVdsLun>()->GetProperties(&p), VDS_E_OBJECT_DELETED);
}

// Seen as "UNIQUE constraint failed: operations.row": the journal lived as long as a client's object held it, and wrote
// its rows into the history while the next one wrote the same.
TEST_F(operations_test, a_stopped_service_has_let_go_of_its_journal_whoever_still_holds_an_operation) {
  start();
  com_ptr<IVdsAsync> held;
  ASSERT_EQ(create(subsystem().get(), held.put()), S_OK);
  ASSERT_EQ(wait(held.get()).result, S_OK);
  stop();
  {
    auto history = sql_database::open(dir.path() + "/operations.db");
    ASSERT_TRUE(history);
    auto rows = history->prepare("SELECT count(*) FROM operations WHERE ended != 0");
    ASSERT_TRUE(rows);
    ASSERT_TRUE(rows->step());
    EXPECT_EQ(rows->integer(0), 1);
  }
  start();
  EXPECT_EQ(operations(true).size(), 1u);
  held.reset();
  EXPECT_EQ(operations(true).size(), 1u);
}

TEST_F(operations_test, many_at_once_each_end_once) {
  start();
  constexpr int threads = 8, each = 50;
  std::atomic<int> good = 0;
  std::vector<std::thread> all_of_them;
  for (int t = 0; t < threads; ++t)
    all_of_them.emplace_back([&] {
      const auto on = subsystem();
      for (int i = 0; i < each; ++i) {
        com_ptr<IVdsAsync> async;
        if (create(on.get(), async.put()) != S_OK) continue;
        HRESULT r;
        ULONG p;
        async->QueryStatus(&r, &p);
        const auto w = wait(async.get());
        good += w.result == S_OK && w.out.object() != nullptr ? 1 : 0;
      }
    });
  for (auto& t : all_of_them) t.join();
  EXPECT_EQ(good, threads * each);
  EXPECT_EQ(luns().size(), static_cast<std::size_t>(threads * each));
  EXPECT_TRUE(operations(false).empty());
}

}  // namespace
}  // namespace vds::service::testing
