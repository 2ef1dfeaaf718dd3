#include "apps/vds/com_operation.h"

#include <memory>
#include <mutex>
#include <thread>

#include "apps/vds/com_calls.h"
#include "apps/vds/command_error.h"
#include "com/hresult.h"
#include "com/local.h"

namespace vds::cli {
namespace {

// What Wait brought. Shared with the callback, which may come when nobody waits any more.
struct answer {
  std::mutex mutex;
  bool arrived = false;
  HRESULT wait = E_FAIL, result = E_FAIL;
  VDS_ASYNC_OUTPUT_TYPE type = VDS_ASYNCOUT_UNKNOWN;
  com_ptr<IUnknown> made;
};

// Which member of the union is filled depends on the type.
void keep(answer& a, HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& output) {
  const std::lock_guard lock(a.mutex);
  a.wait = wait;
  a.result = result;
  a.type = output.type;
  if (SUCCEEDED(wait) && SUCCEEDED(result)) {
    if (output.type == VDS_ASYNCOUT_CREATELUN) a.made.attach(output.cl.pLunUnk);
    if (output.type == VDS_ASYNCOUT_CREATETARGET) a.made.attach(output.ct.pTargetUnk);
    if (output.type == VDS_ASYNCOUT_CREATEPORTALGROUP) a.made.attach(output.cpg.pPortalGroupUnk);
  }
  a.arrived = true;
}

class com_operation_object final : public operation {
 public:
  com_operation_object(com_ptr<IVdsAsync> async, std::string doing, com_ptr<IVdsService> service)
      : async_(std::move(async)),
        doing_(std::move(doing)),
        service_(std::move(service)),
        answer_(std::make_shared<answer>()) {}

  operation_view status() override {
    if (const auto known = async_.as<IVdsxOperation>()) {
      VDSX_OPERATION_PROP prop{};
      check(known->GetProperties(&prop), doing_, service_.get());
      return take_operation(prop);
    }
    // A service without our extension: percent is all there is.
    operation_view v;
    HRESULT result = S_OK;
    ULONG percent = 0;
    check(async_->QueryStatus(&result, &percent), doing_, service_.get());
    v.kind = doing_;
    v.state = result == VDS_E_OPERATION_PENDING ? static_cast<std::uint32_t>(VDSX_OS_RUNNING) : operation_done;
    v.percent = percent;
    v.hresult = result;
    return v;
  }

  void when_done(std::function<void()> callback) override {
    if (const auto local = async_.as<IVdsLocalAsync>()) {
      const HRESULT hr =
          local->begin_wait([a = answer_, callback](HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& output) {
            keep(*a, wait, result, output);
            callback();
          });
      check(hr, doing_, service_.get());
      return;
    }
    std::thread([a = answer_, async = async_, callback] {
      VDS_ASYNC_OUTPUT output{};
      HRESULT result = E_FAIL;
      const HRESULT wait = async->Wait(&result, &output);
      keep(*a, wait, result, output);
      callback();
    }).detach();  // the process may end before the operation does
  }

  guid finish() override {
    const std::lock_guard lock(answer_->mutex);
    check(answer_->wait, doing_, service_.get());
    if (FAILED(answer_->result)) {
      command_error failed(doing_, answer_->result, std::string(hresult_name(answer_->result)),
                           std::string(hresult_text(answer_->result)));
      // The service was reached and told what became of the operation, whatever that is.
      if (failed.status() == exit_status::unreachable) failed.set_status(exit_status::failed);
      throw failed;
    }
    if (answer_->type == VDS_ASYNCOUT_CREATETARGET) {
      const auto target = answer_->made.as<IVdsIscsiTarget>();
      if (!target) check(E_UNEXPECTED, doing_, service_.get());
      VDS_ISCSI_TARGET_PROP prop{};
      check(target->GetProperties(&prop), doing_, service_.get());
      CoTaskMemFree(prop.pwszIscsiName);
      CoTaskMemFree(prop.pwszFriendlyName);
      return from_com(prop.id);
    }
    if (answer_->type == VDS_ASYNCOUT_CREATEPORTALGROUP) {
      const auto group = answer_->made.as<IVdsIscsiPortalGroup>();
      if (!group) check(E_UNEXPECTED, doing_, service_.get());
      VDS_ISCSI_PORTALGROUP_PROP prop{};
      check(group->GetProperties(&prop), doing_, service_.get());
      return from_com(prop.id);
    }
    if (answer_->type != VDS_ASYNCOUT_CREATELUN) return {};
    const auto lun = answer_->made.as<IVdsLun>();
    if (!lun) check(E_UNEXPECTED, doing_, service_.get());
    VDS_LUN_PROP prop{};
    check(lun->GetProperties(&prop), doing_, service_.get());
    CoTaskMemFree(prop.pwszFriendlyName);
    CoTaskMemFree(prop.pwszIdentification);
    CoTaskMemFree(prop.pwszUnmaskingList);
    return from_com(prop.id);
  }

  void cancel() override { check(async_->Cancel(), "cancelling the operation", service_.get()); }

 private:
  com_ptr<IVdsAsync> async_;
  std::string doing_;
  com_ptr<IVdsService> service_;
  std::shared_ptr<answer> answer_;
};

}  // namespace

operation_ptr com_operation(com_ptr<IVdsAsync> async, std::string doing, com_ptr<IVdsService> service) {
  if (!async) check(E_UNEXPECTED, doing, service.get());  // success without an object: a broken provider
  return std::make_unique<com_operation_object>(std::move(async), std::move(doing), std::move(service));
}

operation_view take_operation(VDSX_OPERATION_PROP& prop) {
  operation_view v;
  v.id = from_com(prop.id);
  v.kind = take(prop.pwszKind);
  v.object = from_com(prop.objectId);
  v.object_type = static_cast<std::uint32_t>(prop.objectType);
  v.state = static_cast<std::uint32_t>(prop.state);
  v.percent = prop.ulPercent;
  v.phase = take(prop.pwszPhase);
  v.bytes_done = prop.ullBytesDone;
  v.bytes_total = prop.ullBytesTotal;
  v.hresult = prop.hrResult;
  v.hresult_name = hresult_name(prop.hrResult);
  v.owner = take(prop.pwszOwner);
  v.begun_ns = prop.ullBegunUnixNs;
  v.ended_ns = prop.ullEndedUnixNs;
  v.waiting_for = take(prop.pwszWaitingFor);
  return v;
}

}  // namespace vds::cli
