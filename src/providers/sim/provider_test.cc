// The sim in this process: honest by default, and each lie as announced.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <future>

#include "com/implements.h"
#include "com/strings.h"
#include "providers/sim/world.h"

namespace vds::sim {
namespace {

class collector final : public implements<IVdsAdviseSink> {
 public:
  HRESULT STDMETHODCALLTYPE OnNotify(LONG count, VDS_NOTIFICATION* events) noexcept override {
    const std::lock_guard lock(mutex_);
    for (LONG n = 0; n < count; ++n) codes_.push_back(sdk::event_code(events[n]));
    heard_.notify_all();
    return S_OK;
  }
  bool hears(ULONG code) {
    std::unique_lock lock(mutex_);
    return heard_.wait_for(lock, std::chrono::seconds(20),
                           [&] { return std::find(codes_.begin(), codes_.end(), code) != codes_.end(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable heard_;
  std::vector<ULONG> codes_;
};

struct stage {
  explicit stage(const char* text)
      : w(*parse_guid("5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a12"), "sim", *parse_script(text), "", system_random()),
        provider(make_provider(w)) {
    EXPECT_EQ(provider.as<IVdsProviderPrivate>()->OnLoad(nullptr, sink.get()), S_OK);
    subsystem = make_subsystem(w);
  }
  ~stage() { w.stop(); }

  HRESULT create(IVdsAsync** async, ULONGLONG size = 1 << 20) {
    wchar_t everybody[] = L"*";
    return subsystem->CreateLun(VDS_LT_SIMPLE, size, nullptr, 0, everybody, nullptr, async);
  }

  world w;
  com_ptr<collector> sink = make<collector>();
  com_ptr<IUnknown> provider;
  com_ptr<IVdsSubSystem> subsystem;
};

TEST(sim, an_honest_lun_is_made_told_and_deleted) {
  stage s("create_ms 10");
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(s.create(async.put()), S_OK);
  HRESULT hr = E_FAIL;
  VDS_ASYNC_OUTPUT out{};
  ASSERT_EQ(async->Wait(&hr, &out), S_OK);
  ASSERT_EQ(hr, S_OK);
  ASSERT_EQ(out.type, VDS_ASYNCOUT_CREATELUN);
  const com_ptr<IVdsLun> lun = adopt(out.cl.pLunUnk).as<IVdsLun>();
  ASSERT_TRUE(lun);
  EXPECT_TRUE(s.sink->hears(VDS_NF_LUN_ARRIVE));
  EXPECT_EQ(lun->Delete(), S_OK);
  EXPECT_EQ(lun->Delete(), VDS_E_OBJECT_DELETED);
  EXPECT_TRUE(s.sink->hears(VDS_NF_LUN_DEPART));
}

TEST(sim, an_honest_creation_can_be_cancelled_and_leaves_nothing) {
  stage s("create_ms 60000");
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(s.create(async.put()), S_OK);
  EXPECT_EQ(async->Cancel(), S_OK);
  EXPECT_EQ(async->Cancel(), VDS_E_OPERATION_CANCELED);
  EXPECT_TRUE(s.w.array.luns().empty());
}

struct lie_row {
  const char* script;
  HRESULT wait;
  HRESULT result;
  VDS_ASYNC_OUTPUT_TYPE type;
  bool object;
};

TEST(sim, every_lie_about_the_outcome_is_told_as_announced) {
  const lie_row rows[] = {
      {"async wrong_type", S_OK, S_OK, VDS_ASYNCOUT_EXTENDLUN, false},
      {"async null_object", S_OK, S_OK, VDS_ASYNCOUT_CREATELUN, false},
      {"async garbage", S_OK, static_cast<HRESULT>(0xdeadbeef), VDS_ASYNCOUT_CREATELUN, false},
      {"async garbage_success", S_OK, 0x1badf00d, VDS_ASYNCOUT_CREATELUN, false},
      {"async failed_with_object", S_OK, VDS_E_IO_ERROR, VDS_ASYNCOUT_CREATELUN, true},
      {"async wait_fails", E_NOTIMPL, S_OK, VDS_ASYNCOUT_CREATELUN, false},
      {"async backwards\ncreate_ms 5", S_OK, S_OK, VDS_ASYNCOUT_CREATELUN, true},
  };
  for (const lie_row& row : rows) {
    stage s(row.script);
    com_ptr<IVdsAsync> async;
    ASSERT_EQ(s.create(async.put()), S_OK) << row.script;
    HRESULT hr = E_FAIL;
    VDS_ASYNC_OUTPUT out{};
    EXPECT_EQ(async->Wait(&hr, &out), row.wait) << row.script;
    EXPECT_EQ(hr, row.result) << row.script;
    EXPECT_EQ(out.type, row.type) << row.script;
    EXPECT_EQ(out.cl.pLunUnk != nullptr, row.object) << row.script;
    if (out.cl.pLunUnk != nullptr) out.cl.pLunUnk->Release();
  }
}

TEST(sim, a_null_async_is_a_success_without_an_object) {
  stage s("on CreateLun return 0");
  com_ptr<IVdsAsync> async;
  EXPECT_EQ(s.create(async.put()), S_OK);
  EXPECT_FALSE(async);
}

TEST(sim, a_hanging_call_comes_back_when_the_process_ends) {
  stage s("on CreateLun hang");
  com_ptr<IVdsAsync> async;
  auto caller = std::async(std::launch::async, [&] { return s.create(async.put()); });
  EXPECT_EQ(caller.wait_for(std::chrono::milliseconds(30)), std::future_status::timeout);
  s.w.stop();
  EXPECT_EQ(caller.get(), E_ABORT);
}

TEST(sim, percent_runs_backwards_when_told_to) {
  stage s("async backwards\ncreate_ms 60000");
  com_ptr<IVdsAsync> async;
  ASSERT_EQ(s.create(async.put()), S_OK);
  HRESULT hr = S_OK;
  ULONG first = 0, second = 0;
  ASSERT_EQ(async->QueryStatus(&hr, &first), S_OK);
  ASSERT_EQ(async->QueryStatus(&hr, &second), S_OK);
  EXPECT_EQ(hr, VDS_E_OPERATION_PENDING);
  EXPECT_GT(first, second);
}

TEST(sim, enumerations_lie_as_announced) {
  for (const char* text : {"enum endless", "enum nulls", "enum too_many", "enum stuck"}) {
    stage s(text);
    com_ptr<IEnumVdsObject> all;
    ASSERT_EQ(s.subsystem->QueryLuns(all.put()), S_OK);
    IUnknown* objects[2] = {};
    ULONG got = 7;
    EXPECT_EQ(all->Next(2, objects, &got), S_OK) << text;
    EXPECT_EQ(got, std::string_view(text) == "enum stuck"      ? 0u
                   : std::string_view(text) == "enum too_many" ? 1002u
                                                               : 2u);
    for (IUnknown* object : objects)
      if (object != nullptr) object->Release();
  }
}

TEST(sim, crashing_in_a_call_ends_the_process_at_once) {
  EXPECT_EXIT(
      {
        stage s("on CreateLun crash");
        com_ptr<IVdsAsync> async;
        (void)s.create(async.put());
      },
      testing::KilledBySignal(SIGKILL), "");
}

TEST(sim, a_changed_script_file_turns_a_running_provider) {
  const std::string file = testing::TempDir() + "sim_script_" + std::to_string(::getpid());
  std::ofstream(file) << "on Reenumerate return 0x8004242b\n";
  director d({}, file);
  EXPECT_EQ(d.play("IVdsSubSystem::Reenumerate"), VDS_E_IO_ERROR);
  std::ofstream(file) << "on Reenumerate return 0x80042405 # longer\n";
  EXPECT_EQ(d.play("IVdsSubSystem::Reenumerate"), VDS_E_OBJECT_NOT_FOUND);
  std::ofstream(file) << "gibberish\n";
  EXPECT_EQ(d.play("IVdsSubSystem::Reenumerate"), VDS_E_OBJECT_NOT_FOUND);  // and an error in the log
  std::remove(file.c_str());
}

}  // namespace
}  // namespace vds::sim
