// Two endpoints over a socket pair, and a server on a unix socket: objects, references, callbacks, waits, ends.
#include "wire/orpc/endpoint.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <thread>

#include "com/call_context.h"
#include "com/implements.h"
#include "com/local.h"
#include "com/strings.h"
#include "wire/orpc/server.h"
#include "wire/testing/endpoints.h"
#include "wire/testing/objects.h"

namespace vds::wire {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::pair_of_endpoints;

std::atomic<int> live_services = 0;

// The service of these tests: enough methods to see arguments, results, objects both ways and an async operation.
class test_service final
    : public implements<IVdsServiceLoader, IVdsHwProvider, IVdsProviderPrivate, IVdsSubSystemNaming> {
 public:
  test_service() { ++live_services; }
  ~test_service() override { --live_services; }

  HRESULT STDMETHODCALLTYPE LoadService(LPWSTR machine, IVdsService** out) noexcept override {
    *out = nullptr;
    return machine ? E_INVALIDARG : VDS_E_OBJECT_NOT_FOUND;
  }
  HRESULT STDMETHODCALLTYPE QuerySubSystems(IEnumVdsObject** out) noexcept override {
    *out = nullptr;
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override { return S_OK; }
  HRESULT STDMETHODCALLTYPE Refresh() noexcept override {
    std::this_thread::sleep_for(refresh_takes.load());
    return S_FALSE;
  }
  HRESULT STDMETHODCALLTYPE GetObject(VDS_OBJECT_ID id, VDS_OBJECT_TYPE type, IUnknown** out) noexcept override {
    *out = nullptr;
    if (type == VDS_OT_ASYNC) {
      *out = com_ptr<IUnknown>(async_.as<IUnknown>()).detach();
      return S_OK;
    }
    if (type == VDS_OT_PROVIDER) {  // what OnLoad brought, back to where it came from
      *out = sink_.copy();
      return sink_ ? S_OK : VDS_E_OBJECT_NOT_FOUND;
    }
    seen_operation = current_call().operation_id;
    seen_caller = current_call().caller;
    seen_uid = current_call().caller_uid;
    (void)id;
    return VDS_E_OBJECT_NOT_FOUND;
  }
  HRESULT STDMETHODCALLTYPE OnLoad(LPWSTR machine, IUnknown* sink) noexcept override {
    machine_ = machine;
    sink_ = com_ptr<IUnknown>(sink);
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE OnUnload(BOOL) noexcept override {
    auto sink = sink_.as<IVdsAdviseSink>();
    sink_.reset();
    if (!sink) return S_FALSE;
    VDS_NOTIFICATION n[2] = {};
    n[0].objectType = VDS_NTT_LUN;
    n[0].Lun.ulEvent = VDS_NF_LUN_ARRIVE;
    n[1].objectType = VDS_NTT_DRIVE;
    n[1].Drive.ulEvent = VDS_NF_DRIVE_DEPART;
    return sink->OnNotify(2, n);
  }
  HRESULT STDMETHODCALLTYPE SetFriendlyName(LPWSTR name) noexcept override {
    name_ = name;
    return S_OK;
  }

  std::atomic<std::chrono::milliseconds> refresh_takes{0ms};
  com_ptr<testing::finishing_async> async_ = make<testing::finishing_async>();
  com_ptr<IUnknown> sink_;
  std::wstring machine_, name_;
  guid seen_operation;
  std::string seen_caller;
  std::uint32_t seen_uid = 0;
};

class test_sink final : public implements<IVdsAdviseSink> {
 public:
  HRESULT STDMETHODCALLTYPE OnNotify(LONG count, VDS_NOTIFICATION* n) noexcept override {
    for (LONG i = 0; i < count; ++i) events.push_back(n[i].Lun.ulEvent);
    return S_OK;
  }
  std::vector<ULONG> events;
};

struct fixture : ::testing::Test {
  com_ptr<test_service> service = make<test_service>();
  pair_of_endpoints ends{
      [this](REFCLSID, REFIID iid, void** out, const peer_credentials&) { return service->QueryInterface(iid, out); }};
  com_ptr<IVdsProviderPrivate> remote() {
    com_ptr<IVdsProviderPrivate> p;
    EXPECT_EQ(ends.client->activate(CLSID_VdsLoader, __uuidof(IVdsProviderPrivate), p.put_void()), S_OK);
    return p;
  }
};

TEST_F(fixture, arguments_and_results_arrive) {
  auto p = remote();
  EXPECT_EQ(p->OnLoad(const_cast<LPWSTR>(L"h\u00f6st \U0001F4BE"), nullptr), S_OK);
  EXPECT_EQ(service->machine_, L"h\u00f6st \U0001F4BE");
  EXPECT_EQ(p->OnLoad(nullptr, nullptr), E_INVALIDARG);
  IUnknown* nothing = reinterpret_cast<IUnknown*>(8);
  EXPECT_EQ(p->GetObject({}, VDS_OT_LUN, &nothing), VDS_E_OBJECT_NOT_FOUND);
  EXPECT_EQ(nothing, nullptr);
  EXPECT_EQ(p->GetObject({}, VDS_OT_LUN, nullptr), E_INVALIDARG);
  EXPECT_EQ(service->seen_uid, ::getuid());
}

TEST_F(fixture, operation_and_caller_travel_with_the_call) {
  auto p = remote();
  IUnknown* nothing = nullptr;
  call_context now;
  now.operation_id = *parse_guid("01234567-89ab-cdef-0123-456789abcdef");
  now.caller = "alice (pid 4711)";
  const scoped_call scope(now);
  p->GetObject({}, VDS_OT_LUN, &nothing);
  EXPECT_EQ(service->seen_operation, now.operation_id);
  EXPECT_EQ(service->seen_caller, now.caller);
}

TEST_F(fixture, one_remote_object_is_one_local_identity) {
  auto p = remote();
  auto naming = p.as<IVdsSubSystemNaming>();
  ASSERT_TRUE(naming);
  EXPECT_TRUE(same_object(p.get(), naming.get()));
  EXPECT_TRUE(same_object(p.get(), remote().get()));
  EXPECT_FALSE(p.as<IVdsLun>());
  EXPECT_FALSE(p.as<IVdsLocalDispatch>());
  EXPECT_EQ(naming->SetFriendlyName(const_cast<LPWSTR>(L"")), S_OK);
  EXPECT_EQ(ends.client->count().proxies, 1u);
}

TEST_F(fixture, the_last_release_lets_the_object_go) {
  std::weak_ptr<endpoint> client = ends.client;
  {
    auto p = remote();
    auto q = p.as<IVdsSubSystemNaming>();
    EXPECT_EQ(ends.server->count().exported_interfaces, 2u);
  }
  eventually([&] { return ends.server->count().exported_interfaces == 0; });
  EXPECT_EQ(ends.client->count().proxies, 0u);
}

TEST_F(fixture, a_callback_reaches_the_client_and_its_object_comes_home_as_itself) {
  auto p = remote();
  auto sink = make<test_sink>();
  ASSERT_EQ(p->OnLoad(const_cast<LPWSTR>(L""), sink.get()), S_OK);
  com_ptr<IUnknown> back;
  ASSERT_EQ(p->GetObject({}, VDS_OT_PROVIDER, back.put()), S_OK);
  EXPECT_TRUE(same_object(back.get(), sink.get()));
  for (int i = 0; i < 20; ++i) {  // more often than references were given at first
    com_ptr<IUnknown> again;
    ASSERT_EQ(p->GetObject({}, VDS_OT_PROVIDER, again.put()), S_OK);
    EXPECT_TRUE(same_object(again.get(), sink.get()));
  }
  EXPECT_EQ(p->OnUnload(FALSE), S_OK);
  EXPECT_EQ(sink->events, (std::vector<ULONG>{VDS_NF_LUN_ARRIVE, VDS_NF_DRIVE_DEPART}));
  eventually([&] { return ends.client->count().exported_interfaces == 0; });
}

TEST_F(fixture, a_wait_is_answered_when_the_operation_ends) {
  auto p = remote();
  com_ptr<IUnknown> unknown;
  ASSERT_EQ(p->GetObject({}, VDS_OT_ASYNC, unknown.put()), S_OK);
  auto async = unknown.as<IVdsAsync>();
  ASSERT_TRUE(async);
  HRESULT hr = E_FAIL;
  ULONG percent = 0;
  EXPECT_EQ(async->QueryStatus(&hr, &percent), S_OK);
  EXPECT_EQ(hr, VDS_E_OPERATION_PENDING);
  EXPECT_EQ(percent, 42u);
  EXPECT_EQ(async->Cancel(), VDS_E_CANCEL_TOO_LATE);
  std::thread ender([&] {
    eventually([&] { return service->async_->waiting() == 1; });
    service->async_->finish();
  });
  VDS_ASYNC_OUTPUT out{};
  EXPECT_EQ(async->Wait(&hr, &out), S_OK);
  ender.join();
  EXPECT_EQ(hr, VDS_S_NO_NOTIFICATION);
  ASSERT_EQ(out.type, VDS_ASYNCOUT_CREATELUN);
  auto lun = adopt(out.cl.pLunUnk);
  EXPECT_TRUE(same_object(lun.get(), async.get()));
}

TEST_F(fixture, a_proxy_waits_without_a_thread_too) {
  auto p = remote();
  com_ptr<IUnknown> unknown;
  ASSERT_EQ(p->GetObject({}, VDS_OT_ASYNC, unknown.put()), S_OK);
  auto local = unknown.as<IVdsLocalAsync>();
  ASSERT_TRUE(local);
  EXPECT_TRUE(same_object(local.get(), unknown.get()));
  std::promise<HRESULT> done;
  local->begin_wait([&](HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& out) {
    if (out.cl.pLunUnk) out.cl.pLunUnk->Release();
    done.set_value(FAILED(wait) ? wait : result);
  });
  eventually([&] { return service->async_->waiting() == 1; });
  service->async_->finish();
  EXPECT_EQ(done.get_future().get(), VDS_S_NO_NOTIFICATION);
}

TEST_F(fixture, a_lost_connection_ends_every_call_and_releases_everything) {
  auto p = remote();
  com_ptr<IUnknown> unknown;
  ASSERT_EQ(p->GetObject({}, VDS_OT_ASYNC, unknown.put()), S_OK);
  auto async = unknown.as<IVdsAsync>();
  std::thread closer([&] {
    eventually([&] { return service->async_->waiting() == 1; });
    ends.server->close();
  });
  HRESULT hr = S_OK;
  VDS_ASYNC_OUTPUT out{};
  EXPECT_EQ(async->Wait(&hr, &out), RPC_E_DISCONNECTED);
  closer.join();
  EXPECT_EQ(p->OnUnload(FALSE), RPC_E_DISCONNECTED);
  EXPECT_EQ(p->QueryInterface(__uuidof(IVdsHwProvider), unknown.put_void()), RPC_E_DISCONNECTED);
  EXPECT_EQ(ends.server->count().exported_interfaces, 0u);
  std::promise<void> told;
  ends.client->on_closed([&] { told.set_value(); });
  told.get_future().get();
  service->async_->finish();  // its waiter is gone; nothing happens
}

TEST_F(fixture, a_deadline_ends_the_call_and_a_late_answer_finds_nobody) {
  service->refresh_takes = 200ms;
  com_ptr<IVdsHwProvider> p = remote().as<IVdsHwProvider>();
  call_context now;
  now.deadline = monotonic::now() + 20ms;
  {
    const scoped_call scope(now);
    EXPECT_EQ(p->Refresh(), RPC_E_TIMEOUT);
  }
  service->refresh_takes = 0ms;
  EXPECT_EQ(p->Refresh(), S_FALSE);
}

TEST_F(fixture, many_threads_share_a_proxy) {
  auto p = remote().as<IVdsHwProvider>();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        if (p->Refresh() == S_FALSE) ++good;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(good, 8 * 500);
}

class calling_sink final : public implements<IVdsAdviseSink> {
 public:
  HRESULT STDMETHODCALLTYPE OnNotify(LONG, VDS_NOTIFICATION*) noexcept override { return call(); }
  std::function<HRESULT()> call;
};

TEST_F(fixture, somebody_reads_on_when_the_reading_caller_leaves_and_the_only_pool_thread_waits) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  runtime many(4), one(1);
  endpoint_options options;
  options.activate = [this](REFCLSID, REFIID iid, void** out, const peer_credentials&) {
    return service->QueryInterface(iid, out);
  };
  auto server = endpoint::over(many, unique_fd(fds[0]), options);
  auto client = endpoint::over(one, unique_fd(fds[1]));
  com_ptr<IVdsHwProvider> p;
  ASSERT_EQ(client->activate({}, __uuidof(IVdsHwProvider), p.put_void()), S_OK);
  auto loading = p.as<IVdsProviderPrivate>();
  auto sink = make<calling_sink>();
  std::promise<void> called;
  sink->call = [&] {
    called.set_value();
    return p->Refresh();  // on the client's one pool thread; its answer comes after the reading caller has left
  };
  ASSERT_EQ(loading->OnLoad(const_cast<LPWSTR>(L""), sink.get()), S_OK);
  service->refresh_takes = 100ms;
  auto reader = std::async(std::launch::async, [&] { return p->Refresh(); });
  auto notifier = std::async(std::launch::async, [&] { return loading->OnUnload(FALSE); });
  called.get_future().get();
  EXPECT_EQ(reader.get(), S_FALSE);
  EXPECT_EQ(notifier.get(), S_FALSE);
  client->close();
  server->close();
}

TEST(endpoint, an_object_that_travels_as_unknown_brings_the_interface_it_is_known_by) {
  for (const bool allowed : {true, false}) {
    endpoint_options options;
    options.authorize = [allowed](const peer_credentials&, REFIID iid, ULONG slot) {
      return allowed || slot != 0 || iid != __uuidof(IVdsHwProvider) ? S_OK : E_ACCESSDENIED;
    };
    const auto service = make<testing::keeping_provider>();
    pair_of_endpoints ends(
        [&](REFCLSID, REFIID iid, void** out, const peer_credentials&) { return service->QueryInterface(iid, out); },
        std::move(options));
    com_ptr<IVdsProviderPrivate> p;
    ASSERT_EQ(ends.client->activate(CLSID_VdsLoader, __uuidof(IVdsProviderPrivate), p.put_void()), S_OK);
    com_ptr<IUnknown> object;
    ASSERT_EQ(p->GetObject({}, VDS_OT_LUN, object.put()), S_OK);
    com_ptr<IVdsHwProvider> typed;
    com_ptr<IVdsProviderPrivate> other;
    if (!allowed) {
      EXPECT_EQ(object->QueryInterface(__uuidof(IVdsHwProvider), typed.put_void()), E_ACCESSDENIED);
      continue;
    }
    ends.client->close();  // from here on nobody can be asked
    EXPECT_EQ(object->QueryInterface(__uuidof(IVdsHwProvider), typed.put_void()), S_OK);
    EXPECT_EQ(object->QueryInterface(__uuidof(IVdsProviderPrivate), other.put_void()), RPC_E_DISCONNECTED);
  }
}

TEST_F(fixture, activation_of_an_unknown_class_or_interface_fails) {
  void* out = this;
  EXPECT_EQ(ends.client->activate(CLSID_VdsLoader, __uuidof(IVdsLun), &out), E_NOINTERFACE);
  EXPECT_EQ(out, nullptr);
  EXPECT_EQ(ends.server->activate(CLSID_VdsLoader, __uuidof(IVdsLun), &out), REGDB_E_CLASSNOTREG);
}

TEST(endpoint, nobody_listening_is_unavailable) {
  runtime rt(1);
  auto r = endpoint::connect_unix(rt, "/nonexistent/vds.sock");
  ASSERT_FALSE(r);
  EXPECT_EQ(connect_hresult(r.error()), HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE));
}

}  // namespace
}  // namespace vds::wire
