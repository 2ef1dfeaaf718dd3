// objects.h: a few real objects for tests: an async that somebody finishes, and a provider that keeps and returns what
// it is given.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "com/implements.h"
#include "com/local.h"

namespace vds::wire::testing {

inline std::atomic<int> live_objects = 0;

// Waits by continuation; ends when told, with itself as the "LUN" that was created.
class finishing_async final : public implements<IVdsAsync, IVdsLocalAsync> {
 public:
  using continuation = std::function<void(HRESULT, HRESULT, VDS_ASYNC_OUTPUT&)>;
  finishing_async() { ++live_objects; }
  ~finishing_async() override { --live_objects; }

  HRESULT STDMETHODCALLTYPE Cancel() noexcept override { return VDS_E_CANCEL_TOO_LATE; }
  HRESULT STDMETHODCALLTYPE QueryStatus(HRESULT* hr, ULONG* percent) noexcept override {
    *hr = VDS_E_OPERATION_PENDING;
    *percent = 42;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE Wait(HRESULT*, VDS_ASYNC_OUTPUT*) noexcept override { return E_UNEXPECTED; }
  HRESULT STDMETHODCALLTYPE begin_wait(continuation done) noexcept override {
    {
      std::lock_guard lock(mutex_);
      if (!finished_) {
        waiters_.push_back(std::move(done));
        return S_OK;
      }
    }
    answer(done);
    return S_OK;
  }
  void finish() {
    std::vector<continuation> waiters;
    {
      std::lock_guard lock(mutex_);
      finished_ = true;
      waiters.swap(waiters_);
    }
    for (auto& w : waiters) answer(w);
  }
  std::size_t waiting() {
    std::lock_guard lock(mutex_);
    return waiters_.size();
  }

 private:
  void answer(const continuation& to) {
    VDS_ASYNC_OUTPUT out{};
    out.type = VDS_ASYNCOUT_CREATELUN;
    out.cl.pLunUnk = static_cast<IVdsAsync*>(this);
    AddRef();
    to(S_OK, VDS_S_NO_NOTIFICATION, out);
  }
  std::mutex mutex_;
  bool finished_ = false;
  std::vector<continuation> waiters_;
};

// GetObject gives out its async (VDS_OT_ASYNC), what OnLoad brought (VDS_OT_PROVIDER) or a new object (VDS_OT_LUN);
// OnUnload calls the sink that OnLoad brought and lets it go.
class keeping_provider final : public implements<IVdsProviderPrivate, IVdsHwProvider> {
 public:
  keeping_provider() { ++live_objects; }
  ~keeping_provider() override { --live_objects; }

  HRESULT STDMETHODCALLTYPE GetObject(VDS_OBJECT_ID, VDS_OBJECT_TYPE type, IUnknown** out) noexcept override {
    *out = nullptr;
    if (type == VDS_OT_ASYNC) *out = com_ptr<IUnknown>(async.as<IUnknown>()).detach();
    if (type == VDS_OT_LUN) *out = make<keeping_provider>().as<IUnknown>().detach();
    std::lock_guard lock(mutex_);
    if (type == VDS_OT_PROVIDER) *out = sink_.copy();
    return *out ? S_OK : VDS_E_OBJECT_NOT_FOUND;
  }
  HRESULT STDMETHODCALLTYPE OnLoad(LPWSTR, IUnknown* sink) noexcept override {
    com_ptr<IUnknown> kept(sink);
    std::lock_guard lock(mutex_);
    std::swap(sink_, kept);
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE OnUnload(BOOL) noexcept override {
    com_ptr<IUnknown> kept;
    {
      std::lock_guard lock(mutex_);
      std::swap(sink_, kept);
    }
    const auto sink = kept.as<IVdsAdviseSink>();
    VDS_NOTIFICATION n{};
    n.objectType = VDS_NTT_LUN;
    n.Lun.ulEvent = VDS_NF_LUN_ARRIVE;
    return sink ? sink->OnNotify(1, &n) : S_FALSE;
  }
  HRESULT STDMETHODCALLTYPE QuerySubSystems(IEnumVdsObject** out) noexcept override {
    *out = nullptr;
    return VDS_E_NOT_SUPPORTED;
  }
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override { return S_OK; }
  HRESULT STDMETHODCALLTYPE Refresh() noexcept override { return S_FALSE; }

  com_ptr<finishing_async> async = make<finishing_async>();

 private:
  std::mutex mutex_;
  com_ptr<IUnknown> sink_;
};

class counting_sink final : public implements<IVdsAdviseSink> {
 public:
  counting_sink() { ++live_objects; }
  ~counting_sink() override { --live_objects; }
  HRESULT STDMETHODCALLTYPE OnNotify(LONG count, VDS_NOTIFICATION*) noexcept override {
    events += count;
    return S_OK;
  }
  std::atomic<int> events = 0;
};

}  // namespace vds::wire::testing
