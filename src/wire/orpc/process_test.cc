// Two real processes over a unix socket: references, callbacks, and either of them killed.
#include <dirent.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <future>

#include "wire/orpc/server.h"
#include "wire/testing/endpoints.h"
#include "wire/testing/objects.h"
#include "wire/testing/pipe.h"

namespace vds::wire {
namespace {

using namespace testing;

std::size_t threads_of_this_process() {
  std::size_t n = 0;
  DIR* dir = ::opendir("/proc/self/task");
  while (const dirent* e = ::readdir(dir))
    if (e->d_name[0] != '.') ++n;
  ::closedir(dir);
  return n;
}

std::size_t heap_in_use() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct usage {
  std::size_t threads, heap_bytes, waiting, exported;
  int objects;
};

// The server in a child: 'f' finishes the async, 'u' asks what it uses, the end of the pipe ends it.
void serve(int fd, const std::string& path, std::size_t clients) {
  runtime rt(2);
  auto provider = make<keeping_provider>();
  server_options options;
  options.path = path;
  options.endpoints.activate = [&](REFCLSID, REFIID iid, void** out, const peer_credentials& peer) {
    EXPECT_EQ(peer.uid, ::getuid());
    return provider->QueryInterface(iid, out);
  };
  (void)clients;
  auto listening = server::listen(rt, options);
  child_process::tell(fd, listening ? 'r' : 'x');
  while (const char what = child_process::hear(fd)) {
    if (what == 'f') provider->async->finish();
    if (what == 'u') {
      ::malloc_trim(0);
      const usage u{threads_of_this_process(), heap_in_use(), provider->async->waiting(),
                    (*listening)->connection_count(), live_objects.load()};
      EXPECT_EQ(::write(fd, &u, sizeof u), static_cast<ssize_t>(sizeof u));
    }
  }
}

usage ask(const child_process& child) {
  child.tell('u');
  usage u{};
  EXPECT_EQ(::read(child.fd(), &u, sizeof u), static_cast<ssize_t>(sizeof u));
  return u;
}

struct processes : ::testing::Test {
  std::string path = unique_socket_path();
  child_process child{[this](int fd) { serve(fd, path, 0); }};
  void SetUp() override { ASSERT_EQ(child.hear(), 'r'); }
  void TearDown() override { remove_socket_dir(path); }
};

com_ptr<IVdsProviderPrivate> activate(endpoint& e) {
  com_ptr<IVdsProviderPrivate> p;
  EXPECT_EQ(e.activate(CLSID_VdsLoader, __uuidof(IVdsProviderPrivate), p.put_void()), S_OK);
  return p;
}

TEST_F(processes, references_are_counted_across_and_callbacks_come_back) {
  runtime rt(2);
  auto e = endpoint::connect_unix(rt, path);
  ASSERT_TRUE(e);
  EXPECT_EQ((*e)->peer().uid, ::getuid());
  const int before = ask(child).objects;
  auto sink = make<counting_sink>();
  {
    auto p = activate(**e);
    com_ptr<IUnknown> lun[5];
    for (auto& l : lun) ASSERT_EQ(p->GetObject({}, VDS_OT_LUN, l.put()), S_OK);
    EXPECT_EQ(ask(child).objects, before + 10);  // each with its async
    ASSERT_EQ(p->OnLoad(const_cast<LPWSTR>(L""), sink.get()), S_OK);
    EXPECT_EQ(p->OnUnload(FALSE), S_OK);
    EXPECT_EQ(sink->events, 1);
  }
  eventually([&] { return ask(child).objects == before; });
  eventually([&] { return (*e)->count().exported_interfaces == 0; });
  (*e)->close();
}

TEST_F(processes, a_killed_server_ends_every_call_of_its_clients) {
  runtime rt(2);
  auto e = endpoint::connect_unix(rt, path);
  ASSERT_TRUE(e);
  auto p = activate(**e);
  auto sink = make<counting_sink>();
  ASSERT_EQ(p->OnLoad(const_cast<LPWSTR>(L""), sink.get()), S_OK);
  com_ptr<IUnknown> unknown;
  ASSERT_EQ(p->GetObject({}, VDS_OT_ASYNC, unknown.put()), S_OK);
  auto async = unknown.as<IVdsAsync>();
  auto waiting = std::async(std::launch::async, [&] {
    HRESULT hr = S_OK;
    VDS_ASYNC_OUTPUT out{};
    return async->Wait(&hr, &out);
  });
  eventually([&] { return ask(child).waiting == 1; });
  std::promise<void> told;
  (*e)->on_closed([&] { told.set_value(); });
  child.kill();
  EXPECT_EQ(waiting.get(), RPC_E_DISCONNECTED);
  told.get_future().get();
  EXPECT_EQ(p->OnUnload(FALSE), RPC_E_DISCONNECTED);
  EXPECT_EQ((*e)->count().exported_interfaces, 0u);
  auto again = endpoint::connect_unix(rt, path);
  ASSERT_FALSE(again);
  EXPECT_EQ(connect_hresult(again.error()), HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE));
}

TEST_F(processes, a_killed_client_is_run_down) {
  const int before = ask(child).objects;
  {
    child_process client([this](int fd) {
      runtime rt(2);
      auto e = endpoint::connect_unix(rt, path);
      auto p = activate(**e);
      auto sink = make<counting_sink>();
      p->OnLoad(const_cast<LPWSTR>(L""), sink.get());
      std::vector<com_ptr<IUnknown>> luns(100);
      for (auto& l : luns) p->GetObject({}, VDS_OT_LUN, l.put());
      com_ptr<IUnknown> unknown;
      p->GetObject({}, VDS_OT_ASYNC, unknown.put());
      unknown.as<IVdsLocalAsync>()->begin_wait([](HRESULT, HRESULT, VDS_ASYNC_OUTPUT&) {});
      child_process::tell(fd, 'r');
      child_process::hear(fd);
    });
    ASSERT_EQ(client.hear(), 'r');
    EXPECT_EQ(ask(child).objects, before + 200);
    client.kill();
  }
  eventually([&] { return ask(child).objects == before; });
  EXPECT_EQ(ask(child).exported, 0u);  // connections
  // Its sink is a dead proxy now, and the server is well.
  runtime rt(1);
  auto e = endpoint::connect_unix(rt, path);
  ASSERT_TRUE(e);
  EXPECT_EQ(activate(**e)->OnUnload(FALSE), S_FALSE);  // QueryInterface on the dead proxy fails
  child.tell('f');                                     // the wait of the dead client ends without anybody to tell
  com_ptr<IVdsHwProvider> p = activate(**e).as<IVdsHwProvider>();
  EXPECT_EQ(p->Refresh(), S_FALSE);
  (*e)->close();
}

TEST_F(processes, ten_thousand_waits_cost_no_threads_and_little_memory) {
  constexpr std::size_t connections = 100, waits_each = 100;
  runtime rt(2);
  std::vector<std::shared_ptr<endpoint>> ends;
  std::vector<com_ptr<IVdsLocalAsync>> asyncs;
  for (std::size_t i = 0; i < connections; ++i) {
    auto e = endpoint::connect_unix(rt, path);
    ASSERT_TRUE(e);
    auto p = activate(**e);
    com_ptr<IUnknown> unknown;
    ASSERT_EQ(p->GetObject({}, VDS_OT_ASYNC, unknown.put()), S_OK);
    asyncs.push_back(unknown.as<IVdsLocalAsync>());
    ASSERT_TRUE(asyncs.back());
    ends.push_back(*e);
  }
  std::atomic<std::size_t> answered = 0;
  const auto wait_on_each = [&] {
    for (auto& a : asyncs)
      a->begin_wait([&answered](HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& out) {
        if (wait == S_OK && result == VDS_S_NO_NOTIFICATION && out.cl.pLunUnk) ++answered;
        if (out.cl.pLunUnk) out.cl.pLunUnk->Release();
      });
  };
  // The first round is not counted: it brings buffers to their size.
  wait_on_each();
  eventually([&] { return ask(child).waiting == connections; });
  const usage before = ask(child);
  const std::size_t own_before = heap_in_use();
  const std::size_t own_threads = threads_of_this_process();
  for (std::size_t k = 1; k < waits_each; ++k) wait_on_each();
  eventually([&] { return ask(child).waiting == connections * waits_each; });
  const usage during = ask(child);
  const std::size_t server_each = (during.heap_bytes - before.heap_bytes) / (connections * (waits_each - 1));
  const std::size_t client_each = (heap_in_use() - own_before) / (connections * (waits_each - 1));
  std::printf("a waiter costs %zu bytes in the server, %zu in the client; %zu threads\n", server_each, client_each,
              during.threads);
  RecordProperty("server_bytes_per_wait", static_cast<int>(server_each));
  RecordProperty("client_bytes_per_wait", static_cast<int>(client_each));
  EXPECT_EQ(during.threads, before.threads);
  EXPECT_EQ(threads_of_this_process(), own_threads);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(server_each, 1024u);
  EXPECT_LE(client_each, 1024u);
#endif
  child.tell('f');
  eventually([&] { return answered == connections * waits_each; });
  for (auto& e : ends) e->close();
}

}  // namespace
}  // namespace vds::wire
