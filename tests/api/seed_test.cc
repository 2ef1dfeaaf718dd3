// The example of the documentation, run: against a subsystem that behaves, and against the errant ones it guards
// against.
#include <gtest/gtest.h>

#include "com/implements.h"

HRESULT SynchronousCreateLun(IVdsSubSystem* pSubsystem, VDS_LUN_TYPE type, ULONGLONG ullSize,
                             VDS_OBJECT_ID* pDriveIdArray, LONG lNumberOfDrives, LPWSTR pwszUnmaskingList,
                             VDS_HINTS* pHints, IVdsLun** ppLun);

namespace {

using vds::com_ptr;
using vds::implements;
using vds::make;

// Has the identity of a LUN; the example asks no more of it.
class lun final : public implements<IUnknown> {
 public:
  explicit lun(bool& alive) : alive_(alive) { alive_ = true; }
  ~lun() override { alive_ = false; }
  HRESULT query_more(REFIID iid, void** out) noexcept override {
    if (iid != IID_IVdsLun) return E_NOINTERFACE;
    *out = this;
    AddRef();
    return S_OK;
  }

 private:
  bool& alive_;
};

struct script {
  HRESULT create = S_OK;
  bool without_async = false;
  HRESULT wait = S_OK;
  HRESULT result = S_OK;
  VDS_ASYNC_OUTPUT_TYPE type = VDS_ASYNCOUT_CREATELUN;
  bool without_lun = false;
};

class async final : public implements<IVdsAsync> {
 public:
  async(script s, com_ptr<IUnknown> made) : script_(s), made_(std::move(made)) {}
  HRESULT Cancel() noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT Wait(HRESULT* result, VDS_ASYNC_OUTPUT* out) noexcept override {
    *result = script_.result;
    out->type = script_.type;
    const bool made_it = SUCCEEDED(script_.wait) && SUCCEEDED(script_.result) && !script_.without_lun;
    if (script_.type == VDS_ASYNCOUT_CREATELUN && made_it) out->cl.pLunUnk = made_.copy();
    return script_.wait;
  }
  HRESULT QueryStatus(HRESULT*, ULONG*) noexcept override { return VDS_E_NOT_SUPPORTED; }

 private:
  script script_;
  com_ptr<IUnknown> made_;
};

class subsystem final : public implements<IVdsSubSystem> {
 public:
  subsystem(script s, com_ptr<IUnknown> made) : script_(s), made_(std::move(made)) {}
  HRESULT CreateLun(VDS_LUN_TYPE, ULONGLONG, VDS_OBJECT_ID*, LONG, LPWSTR, VDS_HINTS*,
                    IVdsAsync** out) noexcept override {
    if (SUCCEEDED(script_.create) && !script_.without_async) *out = make<async>(script_, made_).detach();
    return script_.create;
  }
  HRESULT GetProperties(VDS_SUB_SYSTEM_PROP*) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT GetProvider(IVdsProvider**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT QueryControllers(IEnumVdsObject**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT QueryLuns(IEnumVdsObject**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT QueryDrives(IEnumVdsObject**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT GetDrive(SHORT, SHORT, IVdsDrive**) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT Reenumerate() noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT SetControllerStatus(VDS_OBJECT_ID*, LONG, VDS_OBJECT_ID*, LONG) noexcept override {
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT ReplaceDrive(VDS_OBJECT_ID, VDS_OBJECT_ID) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT SetStatus(VDS_SUB_SYSTEM_STATUS) noexcept override { return VDS_E_NOT_SUPPORTED; }
  HRESULT QueryMaxLunCreateSize(VDS_LUN_TYPE, VDS_OBJECT_ID*, LONG, VDS_HINTS*, ULONGLONG*) noexcept override {
    return VDS_E_NOT_SUPPORTED;
  }

 private:
  script script_;
  com_ptr<IUnknown> made_;
};

struct outcome {
  HRESULT hr;
  bool got_lun;
};

outcome run(script s) {
  bool alive = false;
  outcome got{};
  {
    const auto sub = make<subsystem>(s, com_ptr<IUnknown>(make<lun>(alive)));
    IVdsLun* made = nullptr;
    got.hr = SynchronousCreateLun(sub.get(), VDS_LT_PARITY, 1 << 30, nullptr, 0, nullptr, nullptr, &made);
    got.got_lun = made != nullptr;
    EXPECT_TRUE(alive);
    if (made) made->Release();
  }
  EXPECT_FALSE(alive) << "the example and the fakes together leak a reference";
  return got;
}

TEST(documented_example, gets_the_lun_and_leaks_nothing) {
  const auto [hr, got_lun] = run({});
  EXPECT_EQ(hr, S_OK);
  EXPECT_TRUE(got_lun);
}

TEST(documented_example, sees_through_errant_providers) {
  const auto expect = [](script s, HRESULT expected) {
    const auto [hr, got_lun] = run(s);
    EXPECT_EQ(hr, expected);
    EXPECT_FALSE(got_lun);
  };
  expect({.create = VDS_E_NOT_ENOUGH_SPACE}, VDS_E_NOT_ENOUGH_SPACE);
  expect({.without_async = true}, E_UNEXPECTED);
  expect({.wait = RPC_E_DISCONNECTED}, RPC_E_DISCONNECTED);
  expect({.result = VDS_E_NOT_ENOUGH_DRIVE}, VDS_E_NOT_ENOUGH_DRIVE);
  expect({.type = VDS_ASYNCOUT_EXTENDLUN}, E_UNEXPECTED);
  expect({.without_lun = true}, E_UNEXPECTED);
}

}  // namespace
