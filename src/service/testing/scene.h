// scene.h: a service over fake providers in a directory of its own, and the calls that every test of it makes.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "com/call_context.h"
#include "com/strings.h"
#include "sdk/enum_object.h"
#include "service/service.h"
#include "service/testing/fake_provider.h"

namespace vds::service::testing {

// Looks until it is so; a test that waits in vain says for what.
template <class Condition>
void until(Condition&& so, const char* what, std::chrono::seconds limit = std::chrono::seconds(20)) {
  const deadline end = monotonic::now() + limit;
  while (!so()) {
    if (monotonic::now() > end) FAIL() << "never: " << what;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

class temporary_directory {
 public:
  temporary_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "vds-service-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~temporary_directory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class scene : public ::testing::Test {
 protected:
  void SetUp() override {
    array = std::make_shared<fake_array>("fake");
    launcher.add(array);
    options.state_dir = dir.path();
    options.provider.call_limit = std::chrono::milliseconds(200);
    options.provider.ping_limit = std::chrono::milliseconds(100);
    options.provider.first_pause = std::chrono::milliseconds(10);
    options.provider.longest_pause = std::chrono::milliseconds(40);
    options.provider.announce = std::chrono::milliseconds(50);
    options.providers = {launcher.spec("fake")};
  }
  void TearDown() override { stop(); }

  void start() {
    auto started = service::start(options, launcher);
    ASSERT_TRUE(started) << started.error().message();
    running = std::move(*started);
    ASSERT_TRUE(running->wait_ready(monotonic::now() + std::chrono::seconds(20)));
    object = running->object();
  }
  void stop() {
    object.reset();
    running.reset();
  }

  template <class I>
  com_ptr<I> as() {
    auto p = object.as<I>();
    EXPECT_TRUE(p);
    return p;
  }
  template <class I>
  static std::vector<com_ptr<I>> all(IEnumVdsObject* e) {
    std::vector<com_ptr<IUnknown>> found;
    EXPECT_EQ(sdk::read_enum(e, found), S_OK);
    std::vector<com_ptr<I>> out;
    for (auto& each : found) out.push_back(each.as<I>());
    return out;
  }
  std::vector<com_ptr<IVdsHwProvider>> providers() {
    com_ptr<IEnumVdsObject> e;
    EXPECT_EQ(as<IVdsService>()->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, e.put()), S_OK);
    return all<IVdsHwProvider>(e.get());
  }
  com_ptr<IVdsSubSystem> subsystem() {
    com_ptr<IUnknown> found;
    EXPECT_EQ(as<IVdsService>()->GetObject(to_com(array->subsystem_id), VDS_OT_SUB_SYSTEM, found.put()), S_OK);
    return found.as<IVdsSubSystem>();
  }
  com_ptr<IVdsLun> lun(const guid& id) {
    com_ptr<IUnknown> found;
    as<IVdsService>()->GetObject(to_com(id), VDS_OT_LUN, found.put());
    return found.as<IVdsLun>();
  }
  std::vector<com_ptr<IVdsLun>> luns() {
    com_ptr<IEnumVdsObject> e;
    EXPECT_EQ(subsystem()->QueryLuns(e.put()), S_OK);
    return all<IVdsLun>(e.get());
  }
  static HRESULT create(IVdsSubSystem* on, IVdsAsync** out, const guid& id = {}) {
    call_context context = current_call();
    context.operation_id = id;
    context.caller = "a test";
    const scoped_call scope(context);
    WCHAR nobody[] = L"";
    return on->CreateLun(VDS_LT_SIMPLE, 1 << 20, nullptr, 0, nobody, nullptr, out);
  }
  struct waited {
    HRESULT wait = S_OK, result = S_OK;
    sdk::async_output out;
  };
  static waited wait(IVdsAsync* async) {
    waited w;
    VDS_ASYNC_OUTPUT raw{};
    w.wait = async->Wait(&w.result, &raw);
    w.out = sdk::async_output::adopt(raw);
    return w;
  }
  static guid operation_of(IVdsAsync* async) {
    VDSX_OPERATION_PROP p{};
    com_ptr<IVdsAsync>(async).as<IVdsxOperation>()->GetProperties(&p);
    release(p);
    return from_com(p.id);
  }
  static void release(VDSX_OPERATION_PROP& p) {
    CoTaskMemFree(p.pwszKind);
    CoTaskMemFree(p.pwszPhase);
    CoTaskMemFree(p.pwszOwner);
    CoTaskMemFree(p.pwszWaitingFor);
    p.pwszKind = p.pwszPhase = p.pwszOwner = p.pwszWaitingFor = nullptr;
  }
  std::string waits_for(const guid& operation) {
    VDSX_OPERATION_PROP p{};
    EXPECT_EQ(as<IVdsxOperations>()->Get(to_com(operation), &p), S_OK);
    std::string out = to_utf8(p.pwszWaitingFor);
    release(p);
    return out;
  }
  struct operation_seen {
    guid id;
    VDSX_OPERATION_STATE state;
    HRESULT result;
    std::string owner, kind;
  };
  std::vector<operation_seen> operations(bool ended) {
    VDSX_OPERATION_PROP* rows = nullptr;
    LONG n = 0;
    EXPECT_EQ(as<IVdsxOperations>()->Query(ended, &rows, &n), S_OK);
    std::vector<operation_seen> out;
    for (LONG i = 0; i < n; ++i) {
      out.push_back({from_com(rows[i].id), rows[i].state, rows[i].hrResult, to_utf8(rows[i].pwszOwner),
                     to_utf8(rows[i].pwszKind)});
      release(rows[i]);
    }
    CoTaskMemFree(rows);
    return out;
  }
  struct status_seen {
    VDSX_PROVIDER_STATE state = VDSX_PS_STOPPED;
    ULONG restarts = 0;
    std::string last;
  };
  status_seen status(const std::string& name = "fake") {
    VDSX_PROVIDER_STATUS* rows = nullptr;
    LONG n = 0;
    status_seen out;
    EXPECT_EQ(as<IVdsxProviderStatus>()->Query(&rows, &n), S_OK);
    for (LONG i = 0; i < n; ++i) {
      if (to_utf8(rows[i].pwszName) == name) out = {rows[i].state, rows[i].ulRestarts, to_utf8(rows[i].pwszLast)};
      CoTaskMemFree(rows[i].pwszName);
      CoTaskMemFree(rows[i].pwszLast);
    }
    CoTaskMemFree(rows);
    return out;
  }

  temporary_directory dir;
  std::shared_ptr<fake_array> array;
  fake_launcher launcher;
  service_options options;
  std::unique_ptr<service> running;
  com_ptr<IUnknown> object;
};

}  // namespace vds::service::testing
