// fake_provider.h: a provider of objects in this process, for tests of the service: honest unless told otherwise, with
// no process, no wire and no storage behind it. What a provider behind the wire does when it hangs (its proxy waits for
// the deadline of the call and answers RPC_E_TIMEOUT) hang() does here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "sdk/operation_table.h"
#include "service/provider_launcher.h"

namespace vds::service::testing {

// A function that a test sets while the service's threads call it.
template <class Signature>
class hook {
 public:
  template <class F>
  hook& operator=(F f) {
    auto next = std::make_shared<const std::function<Signature>>(std::move(f));
    const std::lock_guard lock(mutex_);
    function_.swap(next);
    return *this;
  }
  // Null: nothing set.
  std::shared_ptr<const std::function<Signature>> get() const {
    const std::lock_guard lock(mutex_);
    return function_ && *function_ ? function_ : nullptr;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const std::function<Signature>> function_;
};

class fake_array : public std::enable_shared_from_this<fake_array> {
 public:
  explicit fake_array(std::string name);

  struct lun {
    guid id;
    ULONGLONG size = 0;
    std::string name, mask;
  };
  com_ptr<IUnknown> provider();
  guid add_lun(ULONGLONG size);
  void remove_lun(const guid& id);
  void notify(std::vector<VDS_NOTIFICATION> events);
  // The hang of a provider behind a proxy.
  static HRESULT hang();
  // What the process would lose with its life: operations, the sink, async objects.
  void crash();

  const std::string name;
  const guid provider_id, subsystem_id, drive_id;
  std::mutex mutex;
  std::map<guid, lun> luns;
  std::unique_ptr<sdk::operation_table> operations = std::make_unique<sdk::operation_table>();
  com_ptr<IVdsAdviseSink> sink;
  std::vector<com_ptr<sdk::async_object>> open;  // CreateLun calls whose end a test brings about

  // --- lies
  // Instead of CreateLun.
  hook<HRESULT(IVdsAsync** out)> create;
  // Before every method of a name ("GetProperties", "QueryLuns", "OnLoad", "SetMask"): a failure is its answer.
  hook<HRESULT(const std::string& method)> before;
  bool finish_at_once = true;  // honest CreateLun ends inside the call
  bool tells_outcomes = true;  // has IVdsxProviderOperations
  std::atomic<int> calls = 0, created = 0;

  HRESULT may(const char* method);
  com_ptr<IUnknown> object(const guid& id, VDS_OBJECT_TYPE type);
  // The honest way to make a LUN; ends the operation.
  void finish_create(const com_ptr<sdk::async_object>& async, ULONGLONG size);
};

class fake_launcher final : public provider_launcher {
 public:
  ~fake_launcher() override;  // no process outlives its test: what they hold holds them
  result<std::unique_ptr<provider_connection>> launch(const provider_spec& spec,
                                                      std::function<void(std::string why)> on_lost) override;
  void add(const std::shared_ptr<fake_array>& array);
  // The provider's process dies.
  void lose(const std::string& name, const std::string& why);
  provider_spec spec(const std::string& name) const;

  std::atomic<int> launches = 0;
  std::atomic<bool> fails = false;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<fake_array>> arrays_;
  std::map<std::string, std::function<void(std::string)>> lost_;
};

}  // namespace vds::service::testing
