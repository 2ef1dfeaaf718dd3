#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "provider_sdk/inside.h"
#include "sdk/notifier.h"
#include "sdk/operation_table.h"

namespace vds::provider {
namespace {

// A few threads for work that takes long. What has not begun when it stops is dropped: its async objects say so.
class work_threads {
 public:
  ~work_threads() { stop(); }

  void add(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    waiting_.push_back(std::move(work));
    if (idle_ < waiting_.size() && threads_.size() < most) threads_.emplace_back([this] { run(); });
    wake_.notify_one();
  }

  void stop() {
    std::deque<std::function<void()>> dropped;
    std::vector<std::thread> ending;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(waiting_);
      ending.swap(threads_);
      wake_.notify_all();
    }
    for (std::thread& t : ending) t.join();
  }

 private:
  static constexpr std::size_t most = 8;

  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (waiting_.empty()) {
        ++idle_;
        wake_.wait(lock);
        --idle_;
        continue;
      }
      auto work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      try {
        work();
      } catch (...) {
        log::error("work ended with an exception: {}", describe(from_exception()));
      }
      work = nullptr;  // what it held is released outside of the lock
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace

struct hardware_provider::inside {
  inside(launched given, std::string_view number, VDS_HWPROVIDER_TYPE kind)
      : how(std::move(given)), version(number), type(kind) {}

  launched how;
  std::string version;
  VDS_HWPROVIDER_TYPE type;
  std::atomic<bool> loaded = false;
  sdk::notifier events;
  sdk::operation_table operations;
  work_threads threads;  // last: ends before what its work uses
};

hardware_provider::hardware_provider(const launched& how, std::string_view version, VDS_HWPROVIDER_TYPE type)
    : inside_(std::make_unique<inside>(how, version, type)) {
  inside_->operations.use_durable(
      [this](const guid& id) -> std::optional<sdk::operation_outcome> {
        const auto known = durable_outcome(to_com(id));
        if (!known) return {};
        return sdk::operation_outcome{false, known->result, known->type, from_com(known->object)};
      },
      [this](const guid& id, VDS_OBJECT_TYPE type) {
        const ptr<IUnknown> found = find(to_com(id), type);
        return com_ptr<IUnknown>(found.get());
      },
      {});
}

hardware_provider::~hardware_provider() {
  inside_->events.stop();
  inside_->threads.stop();
}

void hardware_provider::notify(const std::vector<event>& events) {
  std::vector<VDS_NOTIFICATION> all;
  all.reserve(events.size());
  for (const event& each : events) all.push_back(sdk::hardware_event(each.code, from_com(each.object)));
  inside_->events.notify(std::move(all));
}

void hardware_provider::start_work(std::function<void()> work) { inside_->threads.add(std::move(work)); }

hardware_provider::begun hardware_provider::begin(VDS_ASYNC_OUTPUT_TYPE type) {
  auto found = inside_->operations.begin(sdk::current_operation(), type);
  if (!found.async) return {};
  return {async(ptr<IVdsAsync>(found.async.get())), found.joined};
}

void hardware_provider::abandon() { inside_->operations.abandon(sdk::current_operation()); }
VDS_OBJECT_ID hardware_provider::operation_id() { return to_com(sdk::current_operation()); }
const VDS_OBJECT_ID& hardware_provider::id() const { return inside_->how.id; }
bool hardware_provider::loaded() const { return inside_->loaded; }

HRESULT hardware_provider::GetProperties(VDS_PROVIDER_PROP* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = {};
  return guarded([&] {
    out->id = id();
    out->pwszName = co_string(inside_->how.name);
    out->guidVersionId = name_id(id(), "version " + inside_->version);
    out->pwszVersion = co_string(inside_->version);
    out->type = VDS_PT_HARDWARE;
    return S_OK;
  });
}

HRESULT hardware_provider::GetVersionSupport(ULONG* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = VDS_VSF_1_0;
  return S_OK;
}

HRESULT hardware_provider::GetObject(VDS_OBJECT_ID id, VDS_OBJECT_TYPE type, IUnknown** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] {
    if (!loaded()) return VDS_E_INITIALIZE_NOT_CALLED;
    *out = find(id, type).detach();
    return *out != nullptr ? S_OK : VDS_E_OBJECT_NOT_FOUND;
  });
}

HRESULT hardware_provider::OnLoad(LPWSTR, IUnknown* callback) noexcept {
  if (callback == nullptr) return E_INVALIDARG;
  return guarded([&] {
    if (const HRESULT hr = inside_->events.start(callback); FAILED(hr)) return hr;
    const HRESULT hr = load();
    if (FAILED(hr))
      inside_->events.stop();
    else
      inside_->loaded = true;
    return hr;
  });
}

HRESULT hardware_provider::OnUnload(BOOL) noexcept {
  return guarded([&] {
    inside_->loaded = false;
    inside_->events.stop();
    unload();
    return S_OK;
  });
}

HRESULT hardware_provider::QuerySubSystems(IEnumVdsObject** out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  return guarded([&] { return loaded() ? hand_out(subsystems(), out) : VDS_E_INITIALIZE_NOT_CALLED; });
}

HRESULT hardware_provider::Reenumerate() noexcept {
  return guarded([&] { return loaded() ? rescan() : VDS_E_INITIALIZE_NOT_CALLED; });
}
HRESULT hardware_provider::Refresh() noexcept { return Reenumerate(); }

HRESULT hardware_provider::GetProviderType(VDS_HWPROVIDER_TYPE* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = inside_->type;
  return S_OK;
}

HRESULT hardware_provider::QueryIfCreatedLun(LPWSTR, VDS_LUN_INFORMATION* info, VDS_OBJECT_ID* out) noexcept {
  if (out == nullptr) return E_INVALIDARG;
  *out = {};
  if (info == nullptr) return E_INVALIDARG;
  return guarded([&] {
    const auto mine = identify(*info);
    if (mine) *out = *mine;
    return mine ? S_OK : S_FALSE;
  });
}

HRESULT hardware_provider::QueryOperation(VDS_OBJECT_ID id, VDSX_OPERATION_OUTCOME* out) noexcept {
  return guarded([&] { return inside_->operations.query(id, out); });
}
HRESULT hardware_provider::OpenOperation(VDS_OBJECT_ID id, IVdsAsync** out) noexcept {
  return guarded([&] { return inside_->operations.open(id, out); });
}
HRESULT hardware_provider::ForgetOperation(VDS_OBJECT_ID id) noexcept {
  return guarded([&] { return inside_->operations.forget(id); });
}

}  // namespace vds::provider
