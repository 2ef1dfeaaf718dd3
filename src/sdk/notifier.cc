#include "sdk/notifier.h"

#include <algorithm>
#include <utility>

#include "com/strings.h"

namespace vds::sdk {
namespace {

constexpr std::size_t per_call = 100;  // range(1,100) of IVdsAdviseSink::OnNotify

VDS_NOTIFICATION out_of_sync() {
  VDS_NOTIFICATION n{};
  n.objectType = VDS_NTT_SERVICE;
  n.Service.ulEvent = VDS_NF_SERVICE_OUT_OF_SYNC;
  n.Service.action = VDS_RA_REFRESH;
  return n;
}

}  // namespace

VDS_NOTIFICATION hardware_event(ULONG event, const guid& id) {
  VDS_NOTIFICATION n{};
  const VDS_OBJECT_ID object = to_com(id);
  const auto fill = [&](VDS_NOTIFICATION_TARGET_TYPE type, auto& arm, VDS_OBJECT_ID& arm_id) {
    n.objectType = type;
    arm.ulEvent = event;
    arm_id = object;
  };
  switch (event) {
    case VDS_NF_SUB_SYSTEM_ARRIVE:
    case VDS_NF_SUB_SYSTEM_DEPART:
    case VDS_NF_SUB_SYSTEM_MODIFY:
      fill(VDS_NTT_SUB_SYSTEM, n.SubSystem, n.SubSystem.subSystemId);
      break;
    case VDS_NF_CONTROLLER_ARRIVE:
    case VDS_NF_CONTROLLER_DEPART:
    case VDS_NF_CONTROLLER_MODIFY:
    case VDS_NF_CONTROLLER_REMOVED:
      fill(VDS_NTT_CONTROLLER, n.Controller, n.Controller.controllerId);
      break;
    case VDS_NF_DRIVE_ARRIVE:
    case VDS_NF_DRIVE_DEPART:
    case VDS_NF_DRIVE_MODIFY:
    case VDS_NF_DRIVE_REMOVED:
      fill(VDS_NTT_DRIVE, n.Drive, n.Drive.driveId);
      break;
    case VDS_NF_LUN_ARRIVE:
    case VDS_NF_LUN_DEPART:
    case VDS_NF_LUN_MODIFY:
      fill(VDS_NTT_LUN, n.Lun, n.Lun.LunId);
      break;
    case VDS_NF_PORT_ARRIVE:
    case VDS_NF_PORT_DEPART:
    case VDS_NF_PORT_MODIFY:
    case VDS_NF_PORT_REMOVED:
      fill(VDS_NTT_PORT, n.Port, n.Port.portId);
      break;
    case VDS_NF_PORTAL_ARRIVE:
    case VDS_NF_PORTAL_DEPART:
    case VDS_NF_PORTAL_MODIFY:
      fill(VDS_NTT_PORTAL, n.Portal, n.Portal.portalId);
      break;
    case VDS_NF_TARGET_ARRIVE:
    case VDS_NF_TARGET_DEPART:
    case VDS_NF_TARGET_MODIFY:
      fill(VDS_NTT_TARGET, n.Target, n.Target.targetId);
      break;
    case VDS_NF_PORTAL_GROUP_ARRIVE:
    case VDS_NF_PORTAL_GROUP_DEPART:
    case VDS_NF_PORTAL_GROUP_MODIFY:
      fill(VDS_NTT_PORTAL_GROUP, n.PortalGroup, n.PortalGroup.portalGroupId);
      break;
    default:
      break;  // VDS_NTT_UNKNOWN
  }
  return n;
}

guid event_object(const VDS_NOTIFICATION& event) {
  switch (event.objectType) {
    case VDS_NTT_SUB_SYSTEM:
      return from_com(event.SubSystem.subSystemId);
    case VDS_NTT_CONTROLLER:
      return from_com(event.Controller.controllerId);
    case VDS_NTT_DRIVE:
      return from_com(event.Drive.driveId);
    case VDS_NTT_LUN:
      return from_com(event.Lun.LunId);
    case VDS_NTT_PORT:
      return from_com(event.Port.portId);
    case VDS_NTT_PORTAL:
      return from_com(event.Portal.portalId);
    case VDS_NTT_TARGET:
      return from_com(event.Target.targetId);
    case VDS_NTT_PORTAL_GROUP:
      return from_com(event.PortalGroup.portalGroupId);
    default:
      return {};
  }
}

// Every arm of the union begins with its event.
ULONG event_code(const VDS_NOTIFICATION& event) { return event.Lun.ulEvent; }

HRESULT notifier::start(IUnknown* callback) {
  if (callback == nullptr) return E_INVALIDARG;
  com_ptr<IVdsAdviseSink> sink;
  if (const HRESULT hr = callback->QueryInterface(__uuidof(IVdsAdviseSink), sink.put_void()); FAILED(hr)) return hr;
  stop();
  const std::lock_guard lock(mutex_);
  sink_ = std::move(sink);
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
  return S_OK;
}

void notifier::notify(std::vector<VDS_NOTIFICATION> events) {
  if (events.empty()) return;
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable() || stopping_) return;
  if (queued_ + events.size() > max_queued) {
    lost_ = true;
  } else {
    queued_ += events.size();
    queue_.push_back(std::move(events));
  }
  work_.notify_one();
}

void notifier::stop() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
    queued_ = 0;
    ending.swap(thread_);
    work_.notify_one();
  }
  if (ending.joinable()) ending.join();
  const std::lock_guard lock(mutex_);
  sink_ = {};
  lost_ = false;
}

void notifier::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !queue_.empty() || lost_; });
    if (stopping_) return;
    std::vector<VDS_NOTIFICATION> events;
    if (!queue_.empty()) {
      events = std::move(queue_.front());
      queue_.pop_front();
      queued_ -= events.size();
    } else {
      lost_ = false;
      events.push_back(out_of_sync());
    }
    com_ptr<IVdsAdviseSink> sink = sink_;
    lock.unlock();
    for (std::size_t at = 0; at < events.size(); at += per_call)
      sink->OnNotify(static_cast<LONG>(std::min(per_call, events.size() - at)), events.data() + at);
    lock.lock();
  }
}

}  // namespace vds::sdk
