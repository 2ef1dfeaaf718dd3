// libvds without its service: a server of this process stands in for it, over a real socket.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "client/socket_path.h"
#include "com/com_ptr.h"
#include "com/hresult.h"
#include "com/implements.h"
#include "wire/orpc/server.h"

namespace vds::client {
namespace {

using paths = std::vector<std::string>;

TEST(socket_path, vds_socket_is_the_only_place_when_it_is_set) {
  EXPECT_EQ(socket_paths({"/x/y.sock", "/run/user/7", false}), (paths{"/x/y.sock"}));
}

TEST(socket_path, root_prefers_the_systems_service_and_a_user_their_own) {
  EXPECT_EQ(socket_paths({"", "/run/user/0", true}), (paths{"/run/vds/vdsd.sock", "/run/user/0/vds/vdsd.sock"}));
  EXPECT_EQ(socket_paths({"", "/run/user/7", false}), (paths{"/run/user/7/vds/vdsd.sock", "/run/vds/vdsd.sock"}));
  EXPECT_EQ(socket_paths({"", "", false}), (paths{"/run/vds/vdsd.sock"}));
  EXPECT_EQ(socket_paths({"", "relative", false}), (paths{"/run/vds/vdsd.sock"}));
}

class loader final : public implements<IVdsServiceLoader> {
 public:
  HRESULT STDMETHODCALLTYPE LoadService(LPWSTR machine, IVdsService** out) noexcept override {
    if (out == nullptr) return E_INVALIDARG;
    *out = nullptr;
    return machine == nullptr ? S_FALSE : VDS_E_NOT_SUPPORTED;
  }
};

class a_process_with_a_service : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/vds-client-test-XXXXXX";
    dir_ = ::mkdtemp(name);
    ::setenv("VDS_SOCKET", (dir_ + "/s").c_str(), 1);
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(dir_);
  }
  void start();
  void stop() { server_.reset(); }

  static HRESULT get(com_ptr<IVdsServiceLoader>& out) {
    return CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, out.put_void());
  }

  std::string dir_;
  wire::runtime runtime_{1};
  std::unique_ptr<wire::server> server_;
};

void a_process_with_a_service::start() {
  wire::server_options options;
  options.path = dir_ + "/s";
  options.endpoints.activate = [](REFCLSID clsid, REFIID iid, void** out, const wire::peer_credentials&) -> HRESULT {
    if (clsid != CLSID_VdsLoader) return REGDB_E_CLASSNOTREG;
    return make<loader>()->QueryInterface(iid, out);
  };
  auto server = wire::server::listen(runtime_, std::move(options));
  ASSERT_TRUE(server) << server.error().message();
  server_ = std::move(*server);
}

TEST_F(a_process_with_a_service, asks_for_what_does_not_exist_and_is_told) {
  com_ptr<IUnknown> p;
  const CLSID nobody{0x12345678, 1, 2, {3, 4, 5, 6, 7, 8, 9, 10}};
  EXPECT_EQ(CoCreateInstance(nobody, nullptr, CLSCTX_ALL, IID_IUnknown, p.put_void()), REGDB_E_CLASSNOTREG);
  EXPECT_EQ(CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_INPROC_SERVER, IID_IUnknown, p.put_void()),
            REGDB_E_CLASSNOTREG);
  EXPECT_EQ(CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_ALL, IID_IUnknown, nullptr), E_POINTER);
  loader outer;
  EXPECT_EQ(CoCreateInstance(CLSID_VdsLoader, &outer, CLSCTX_ALL, IID_IUnknown, p.put_void()), CLASS_E_NOAGGREGATION);
}

TEST_F(a_process_with_a_service, that_is_not_running_is_told_so) {
  com_ptr<IVdsServiceLoader> p;
  p.attach(reinterpret_cast<IVdsServiceLoader*>(8));  // must be overwritten
  EXPECT_EQ(CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                             reinterpret_cast<void**>(&p)),
            server_unavailable);
  EXPECT_FALSE(p);
}

TEST_F(a_process_with_a_service, gets_the_loader_without_coinitialize_from_any_thread) {
  start();
  com_ptr<IVdsServiceLoader> p;
  ASSERT_EQ(get(p), S_OK);
  com_ptr<IVdsService> service;
  EXPECT_EQ(p->LoadService(nullptr, service.put()), S_FALSE);
  wchar_t elsewhere[] = L"elsewhere";
  EXPECT_EQ(p->LoadService(elsewhere, service.put()), VDS_E_NOT_SUPPORTED);
}

TEST_F(a_process_with_a_service, finds_it_again_after_a_restart) {
  start();
  com_ptr<IVdsServiceLoader> before;
  ASSERT_EQ(get(before), S_OK);
  stop();
  com_ptr<IVdsService> service;
  EXPECT_EQ(before->LoadService(nullptr, service.put()), RPC_E_DISCONNECTED);
  com_ptr<IVdsServiceLoader> after;
  EXPECT_EQ(get(after), server_unavailable);
  start();
  ASSERT_EQ(get(after), S_OK);
  EXPECT_EQ(after->LoadService(nullptr, service.put()), S_FALSE);
  EXPECT_EQ(before->LoadService(nullptr, service.put()), RPC_E_DISCONNECTED);
}

TEST_F(a_process_with_a_service, and_its_forked_child_has_a_connection_of_its_own) {
  start();
  com_ptr<IVdsServiceLoader> p;
  ASSERT_EQ(get(p), S_OK);
  const pid_t child = ::fork();
  if (child == 0) {
    com_ptr<IVdsServiceLoader> mine;
    const bool ok = get(mine) == S_OK;
    (void)mine.detach();  // _exit, not destructors: threads of the parent are not here
    ::_exit(ok ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  com_ptr<IVdsService> service;
  EXPECT_EQ(p->LoadService(nullptr, service.put()), S_FALSE);
}

}  // namespace
}  // namespace vds::client
