// vds_caller.h: for tests: a service that holds a provider, in this process or behind a wire, and asks it things the
// way a VDS program would. Every function fails the test when the provider breaks a rule.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "com/com.h"
#include "com/com_ptr.h"
#include "com/implements.h"
#include "com/memory.h"
#include "com/strings.h"
#include "sdk/enum_object.h"
#include "sdk/notifier.h"

namespace vds::array_provider::testing {

// Keeps what it hears: one entry a call.
class ear final : public implements<IVdsAdviseSink> {
 public:
  using call = std::vector<std::pair<ULONG, guid>>;
  HRESULT STDMETHODCALLTYPE OnNotify(LONG count, VDS_NOTIFICATION* events) noexcept override {
    const std::lock_guard lock(mutex_);
    call c;
    for (LONG i = 0; i < count; ++i) c.emplace_back(sdk::event_code(events[i]), sdk::event_object(events[i]));
    calls_.push_back(std::move(c));
    heard_.notify_all();
    return S_OK;
  }
  // The first call with that event about that object, waited for.
  call wait_for(ULONG code, const guid& object) {
    std::unique_lock lock(mutex_);
    call found;
    const auto there = [&] {
      for (const auto& c : calls_) {
        for (const auto& e : c) {
          if (e == std::pair(code, object)) {
            found = c;
            return true;
          }
        }
      }
      return false;
    };
    EXPECT_TRUE(heard_.wait_for(lock, std::chrono::seconds(20), there)) << "event " << code << " never came";
    return found;
  }
  // How often that event came, in all calls so far.
  std::size_t count(ULONG code) {
    const std::lock_guard lock(mutex_);
    std::size_t n = 0;
    for (const auto& c : calls_)
      for (const auto& e : c) n += e.first == code;
    return n;
  }

 private:
  std::mutex mutex_;
  std::condition_variable heard_;
  std::vector<call> calls_;
};

inline std::vector<com_ptr<IUnknown>> all_of(IEnumVdsObject* e) {
  std::vector<com_ptr<IUnknown>> out;
  EXPECT_EQ(sdk::read_enum(e, out), S_OK);
  return out;
}

struct caller {
  com_ptr<IUnknown> provider;
  com_ptr<ear> sink = make<ear>();
  com_ptr<IVdsSubSystem> subsystem;

  explicit caller(com_ptr<IUnknown> p) : provider(std::move(p)) {
    const auto priv = provider.as<IVdsProviderPrivate>();
    EXPECT_TRUE(priv);
    if (!priv) return;
    EXPECT_EQ(priv->OnLoad(const_cast<wchar_t*>(L""), sink.get()), S_OK);
    com_ptr<IEnumVdsObject> e;
    EXPECT_EQ(provider.as<IVdsHwProvider>()->QuerySubSystems(e.put()), S_OK);
    const auto subsystems = all_of(e.get());
    EXPECT_EQ(subsystems.size(), 1u);
    if (!subsystems.empty()) subsystem = subsystems[0].as<IVdsSubSystem>();
    EXPECT_TRUE(subsystem);
  }

  // What Wait says, as Microsoft's sample checks it.
  com_ptr<IVdsLun> made(IVdsAsync* async, HRESULT* result) {
    VDS_ASYNC_OUTPUT out{};
    EXPECT_EQ(async->Wait(result, &out), S_OK);
    EXPECT_EQ(out.type, VDS_ASYNCOUT_CREATELUN);
    auto unknown = adopt(out.cl.pLunUnk);
    if (FAILED(*result)) {
      EXPECT_FALSE(unknown);
      return {};
    }
    EXPECT_TRUE(unknown);
    return unknown ? unknown.as<IVdsLun>() : com_ptr<IVdsLun>();
  }
  HRESULT begin(VDS_LUN_TYPE type, ULONGLONG size, std::vector<VDS_OBJECT_ID> drives, const wchar_t* unmask,
                IVdsAsync** async, VDS_HINTS* hints = nullptr) {
    return subsystem->CreateLun(type, size, drives.empty() ? nullptr : drives.data(), static_cast<LONG>(drives.size()),
                                const_cast<wchar_t*>(unmask), hints, async);
  }
  com_ptr<IVdsLun> create(VDS_LUN_TYPE type, ULONGLONG size, std::vector<VDS_OBJECT_ID> drives = {},
                          const wchar_t* unmask = L"") {
    com_ptr<IVdsAsync> async;
    EXPECT_EQ(begin(type, size, std::move(drives), unmask, async.put()), S_OK);
    if (!async) return {};
    HRESULT result = E_FAIL;
    auto lun = made(async.get(), &result);
    EXPECT_EQ(result, S_OK);
    return lun;
  }
  std::vector<com_ptr<IUnknown>> luns() {
    com_ptr<IEnumVdsObject> e;
    EXPECT_EQ(subsystem->QueryLuns(e.put()), S_OK);
    return e ? all_of(e.get()) : std::vector<com_ptr<IUnknown>>{};
  }
  std::vector<VDS_OBJECT_ID> drives() {
    com_ptr<IEnumVdsObject> e;
    EXPECT_EQ(subsystem->QueryDrives(e.put()), S_OK);
    std::vector<VDS_OBJECT_ID> ids;
    for (const auto& d : all_of(e.get())) ids.push_back(drive_prop(d.as<IVdsDrive>().get()).id);
    return ids;
  }
  std::set<guid> lun_ids() {
    std::set<guid> ids;
    for (const auto& l : luns()) ids.insert(id_of(l.as<IVdsLun>().get()));
    return ids;
  }

  struct properties {
    guid id;
    ULONGLONG size;
    VDS_LUN_TYPE type;
    VDS_LUN_STATUS status;
    VDS_HEALTH health;
    std::string name, unmask;
  };
  static properties of(IVdsLun* lun) {
    VDS_LUN_PROP p{};
    EXPECT_EQ(lun->GetProperties(&p), S_OK);
    properties out{from_com(p.id),
                   p.ullSize,
                   p.type,
                   p.status,
                   p.health,
                   to_utf8(p.pwszFriendlyName),
                   to_utf8(p.pwszUnmaskingList)};
    CoTaskMemFree(p.pwszFriendlyName);
    CoTaskMemFree(p.pwszIdentification);
    CoTaskMemFree(p.pwszUnmaskingList);
    return out;
  }
  static guid id_of(IVdsLun* lun) { return of(lun).id; }
  static VDS_DRIVE_PROP drive_prop(IVdsDrive* drive) {
    VDS_DRIVE_PROP p{};
    EXPECT_EQ(drive->GetProperties(&p), S_OK);
    CoTaskMemFree(p.pwszFriendlyName);
    CoTaskMemFree(p.pwszIdentification);
    p.pwszFriendlyName = p.pwszIdentification = nullptr;
    return p;
  }
  struct details {
    std::string serial, naa, url;
    LONG survives, plexes;
    std::vector<guid> drives;
  };
  static details details_of(IVdsLun* lun) {
    VDSX_LUN_PROP p{};
    EXPECT_EQ(com_ptr<IVdsLun>(lun).as<IVdsxLun>()->GetDetails(&p), S_OK);
    details out{to_utf8(p.pwszSerial),  to_utf8(p.pwszNaa), to_utf8(p.pwszIscsiUrl),
                p.lSurvivesDriveLosses, p.lPlexes,          {}};
    for (LONG i = 0; i < p.lDrives; ++i) out.drives.push_back(from_com(p.pDriveIds[i]));
    CoTaskMemFree(p.pwszSerial);
    CoTaskMemFree(p.pwszNaa);
    CoTaskMemFree(p.pwszIscsiUrl);
    CoTaskMemFree(p.pDriveIds);
    return out;
  }
};

}  // namespace vds::array_provider::testing
