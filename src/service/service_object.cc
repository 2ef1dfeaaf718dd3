#include "service/service_object.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <cwctype>
#include <future>
#include <utility>

#include "com/strings.h"
#include "sdk/enum_object.h"

namespace vds::service {
namespace {

constexpr std::size_t most_events = 4096;  // in one answer

HRESULT empty_enum(IEnumVdsObject** out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = sdk::make_enum({}).detach();
  return S_OK;
}

bool may_be_asked_for(VDS_OBJECT_TYPE type) {
  switch (type) {
    case VDS_OT_PACK:
    case VDS_OT_VOLUME:
    case VDS_OT_VOLUME_PLEX:
    case VDS_OT_DISK:
    case VDS_OT_SUB_SYSTEM:
    case VDS_OT_CONTROLLER:
    case VDS_OT_DRIVE:
    case VDS_OT_LUN:
    case VDS_OT_LUN_PLEX:
    case VDS_OT_PORT:
    case VDS_OT_PORTAL:
    case VDS_OT_TARGET:
    case VDS_OT_PORTAL_GROUP:
    case VDS_OT_STORAGE_POOL:
    case VDS_OT_HBAPORT:
    case VDS_OT_INIT_ADAPTER:
    case VDS_OT_INIT_PORTAL:
    case VDS_OT_VDISK:
      return true;
    default:
      return false;
  }
}

// Which machine a program may mean: this one, by whatever name it goes. Another one cannot be reached by naming it
// here.
HRESULT machine_code(const wchar_t* name) {
  if (name == nullptr || *name == L'\0') return S_OK;
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  const std::string asked = lower(to_utf8(name));
  if (asked == "localhost" || asked == ".") return S_OK;
  char own[HOST_NAME_MAX + 1] = {};
  if (::gethostname(own, sizeof own - 1) != 0) return VDS_E_NOT_SUPPORTED;
  const std::string full = lower(own);
  // With or without its domain, whichever of them the system itself has.
  const bool same =
      asked == full || asked == full.substr(0, full.find('.')) || asked.substr(0, asked.find('.')) == full;
  return same ? S_OK : VDS_E_NOT_SUPPORTED;
}

}  // namespace

HRESULT service_object::IsServiceReady() noexcept { return core_->ready() ? S_OK : S_FALSE; }

HRESULT service_object::WaitForServiceReady() noexcept try {
  core_->await_ready();
  return core_->ready() ? S_OK : VDS_E_INITIALIZED_FAILED;
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Initialize(LPWSTR pwszMachineName) noexcept try {
  return machine_code(pwszMachineName);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::GetProperties(VDS_SERVICE_PROP* pServiceProp) noexcept try {
  if (pServiceProp == nullptr) return E_INVALIDARG;
  *pServiceProp = VDS_SERVICE_PROP{};
  pServiceProp->pwszVersion = co_task_string("4.0");  // the last version of VDS; its hardware side is what we offer
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::QueryProviders(DWORD masks, IEnumVdsObject** ppEnum) noexcept try {
  if (ppEnum == nullptr) return E_INVALIDARG;
  *ppEnum = nullptr;
  constexpr DWORD known = VDS_QUERY_SOFTWARE_PROVIDERS | VDS_QUERY_HARDWARE_PROVIDERS | VDS_QUERY_VIRTUALDISK_PROVIDERS;
  if (masks == 0 || (masks & ~known) != 0) return E_INVALIDARG;
  core_->await_ready();
  std::vector<com_ptr<IUnknown>> found;
  if ((masks & VDS_QUERY_HARDWARE_PROVIDERS) != 0)
    for (const com_ptr<hw_object>& each : core_->objects().all(VDS_OT_PROVIDER)) found.emplace_back(each->unknown());
  *ppEnum = sdk::make_enum(std::move(found)).detach();
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::QueryMaskedDisks(IEnumVdsObject** ppEnum) noexcept {
  if (ppEnum == nullptr) return E_INVALIDARG;
  *ppEnum = nullptr;
  return VDS_E_NOT_SUPPORTED;
}

HRESULT service_object::QueryUnallocatedDisks(IEnumVdsObject** ppEnum) noexcept try {
  return empty_enum(ppEnum);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::GetObject(VDS_OBJECT_ID ObjectId, VDS_OBJECT_TYPE type, IUnknown** ppObjectUnk) noexcept try {
  if (ppObjectUnk == nullptr) return E_INVALIDARG;
  *ppObjectUnk = nullptr;
  if (!may_be_asked_for(type)) return E_INVALIDARG;
  core_->await_ready();
  const com_ptr<hw_object> found = core_->objects().find(from_com(ObjectId), type);
  if (!found) return VDS_E_OBJECT_NOT_FOUND;
  *ppObjectUnk = com_ptr<IUnknown>(found->unknown()).detach();
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::QueryDriveLetters(WCHAR wcFirstLetter, DWORD count,
                                          VDS_DRIVE_LETTER_PROP* pDriveLetterPropArray) noexcept {
  if (pDriveLetterPropArray == nullptr) return E_INVALIDARG;
  const WCHAR first = static_cast<WCHAR>(std::towupper(static_cast<wint_t>(wcFirstLetter)));
  if (first < L'A' || first > L'Z') return VDS_E_INVALID_DRIVE_LETTER;
  if (count == 0 || count > static_cast<DWORD>(L'Z' - first + 1)) return VDS_E_INVALID_DRIVE_LETTER_COUNT;
  for (DWORD i = 0; i < count; ++i) {
    pDriveLetterPropArray[i] = VDS_DRIVE_LETTER_PROP{};
    pDriveLetterPropArray[i].wcLetter = static_cast<WCHAR>(first + static_cast<WCHAR>(i));
  }
  return S_OK;  // this system has none in use
}

HRESULT service_object::QueryFileSystemTypes(VDS_FILE_SYSTEM_TYPE_PROP** ppFileSystemTypeProps,
                                             LONG* plNumberOfFileSystems) noexcept {
  if (ppFileSystemTypeProps == nullptr || plNumberOfFileSystems == nullptr) return E_INVALIDARG;
  *ppFileSystemTypeProps = nullptr;
  *plNumberOfFileSystems = 0;
  return S_OK;
}

HRESULT service_object::Reenumerate() noexcept try {
  core_->await_ready();
  return core_->for_all(&IVdsHwProvider::Reenumerate, false);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Refresh() noexcept try {
  core_->await_ready();
  return core_->for_all(&IVdsHwProvider::Refresh, true);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::CleanupObsoleteMountPoints() noexcept { return S_OK; }  // there are none here

HRESULT service_object::Advise(IVdsAdviseSink* pSink, DWORD* pdwCookie) noexcept try {
  return core_->events().advise(pSink, pdwCookie);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Unadvise(DWORD dwCookie) noexcept try {
  return core_->events().unadvise(dwCookie);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Reboot() noexcept { return VDS_E_NOT_SUPPORTED; }
HRESULT service_object::SetFlags(ULONG ulFlags) noexcept {
  return (ulFlags & ~static_cast<ULONG>(VDS_SVF_AUTO_MOUNT_OFF)) != 0 ? E_INVALIDARG : VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::ClearFlags(ULONG ulFlags) noexcept { return SetFlags(ulFlags); }

// --- this host's own adapters, initiator and disks: not managed here; where VDS has a list it is empty

HRESULT service_object::QueryHbaPorts(IEnumVdsObject** ppEnum) noexcept try { return empty_enum(ppEnum); } catch (...) {
  return hresult_from_exception();
}
HRESULT service_object::GetInitiatorName(LPWSTR* ppwszIscsiName) noexcept {
  if (ppwszIscsiName == nullptr) return E_INVALIDARG;
  *ppwszIscsiName = nullptr;
  return VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::QueryInitiatorAdapters(IEnumVdsObject** ppEnum) noexcept try {
  return empty_enum(ppEnum);
} catch (...) {
  return hresult_from_exception();
}
HRESULT service_object::SetIpsecGroupPresharedKey(VDS_ISCSI_IPSEC_KEY*) noexcept { return VDS_E_NOT_SUPPORTED; }
HRESULT service_object::SetAllIpsecTunnelAddresses(VDS_IPADDRESS*, VDS_IPADDRESS*) noexcept {
  return VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::SetAllIpsecSecurity(VDS_OBJECT_ID, ULONGLONG, VDS_ISCSI_IPSEC_KEY*) noexcept {
  return VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::SetInitiatorSharedSecret(VDS_ISCSI_SHARED_SECRET*, VDS_OBJECT_ID) noexcept {
  return VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::RememberTargetSharedSecret(VDS_OBJECT_ID, VDS_ISCSI_SHARED_SECRET*) noexcept {
  return VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::GetDiskIdFromLunInfo(VDS_LUN_INFORMATION* pLunInfo, VDS_OBJECT_ID* pDiskId) noexcept {
  if (pDiskId != nullptr) *pDiskId = VDS_OBJECT_ID{};
  return pLunInfo == nullptr || pDiskId == nullptr ? E_INVALIDARG : VDS_E_OBJECT_NOT_FOUND;
}
HRESULT service_object::UninstallDisks(VDS_OBJECT_ID*, ULONG ulCount, BOOLEAN, BOOLEAN* pbReboot,
                                       HRESULT* pResults) noexcept {
  if (pbReboot == nullptr || (ulCount > 0 && pResults == nullptr)) return E_INVALIDARG;
  *pbReboot = FALSE;
  std::fill_n(pResults, ulCount, VDS_E_NOT_SUPPORTED);
  return VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::GetSANPolicy(VDS_SAN_POLICY* pSanPolicy) noexcept {
  if (pSanPolicy == nullptr) return E_INVALIDARG;
  *pSanPolicy = VDS_SAN_POLICY{};
  return VDS_E_NOT_SUPPORTED;
}
HRESULT service_object::SetSANPolicy(VDS_SAN_POLICY) noexcept { return VDS_E_NOT_SUPPORTED; }
HRESULT service_object::GetDiskObject(LPCWSTR pwszDeviceID, IUnknown** ppDiskUnk) noexcept {
  if (ppDiskUnk != nullptr) *ppDiskUnk = nullptr;
  return pwszDeviceID == nullptr || ppDiskUnk == nullptr ? E_INVALIDARG : VDS_E_OBJECT_NOT_FOUND;
}

// --- IVdsAdmin

HRESULT service_object::RegisterProvider(VDS_OBJECT_ID providerId, CLSID providerClsid, LPWSTR pwszName,
                                         VDS_PROVIDER_TYPE type, LPWSTR pwszMachineName, LPWSTR pwszVersion,
                                         GUID guidVersionId) noexcept {
  if (const HRESULT hr = machine_code(pwszMachineName); FAILED(hr)) return hr;  // local ones only
  return RegisterProgram(providerId, providerClsid, pwszName, type, nullptr, pwszVersion, guidVersionId);
}

HRESULT service_object::RegisterProgram(VDS_OBJECT_ID providerId, CLSID providerClsid, LPWSTR pwszName,
                                        VDS_PROVIDER_TYPE type, LPWSTR pwszProgram, LPWSTR pwszVersion,
                                        GUID guidVersionId) noexcept try {
  constexpr std::size_t longest_name = 200, longest_version = 16;
  provider_spec p;
  p.id = from_com(providerId);
  p.clsid = from_com(providerClsid);
  p.name = to_utf8(pwszName);
  p.type = type;
  p.version = to_utf8(pwszVersion);
  p.version_id = from_com(guidVersionId);
  p.command = to_utf8(pwszProgram);  // "": the launcher knows the class
  if (!p.id) return VDS_E_INVALID_PROVIDER_ID;
  if (!p.clsid) return VDS_E_INVALID_PROVIDER_CLSID;
  if (p.name.empty() || to_wide(p.name).size() > longest_name) return VDS_E_INVALID_PROVIDER_NAME;
  if (type <= VDS_PT_UNKNOWN || type >= VDS_PT_MAX) return VDS_E_INVALID_PROVIDER_TYPE;
  if (p.version.empty() || to_wide(p.version).size() > longest_version) return VDS_E_INVALID_PROVIDER_VERSION_STRING;
  if (!p.version_id) return VDS_E_INVALID_PROVIDER_VERSION_GUID;
  if (type != VDS_PT_HARDWARE) return VDS_E_PROVIDER_TYPE_NOT_SUPPORTED;
  const guid id = p.id;
  const status added = core_->add(std::move(p));
  core_->work().note("IVdsProvider::Register", id, VDS_OT_PROVIDER, id, added ? S_OK : to_hresult(added.error()));
  if (!added && added.error() == errc::already_exists) return VDS_E_ALREADY_REGISTERED;
  return added ? S_OK : to_hresult(added.error());
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::UnregisterProvider(VDS_OBJECT_ID providerId) noexcept try {
  const guid id = from_com(providerId);
  const status removed = core_->remove(id);
  core_->work().note("IVdsProvider::Unregister", id, VDS_OT_PROVIDER, id, removed ? S_OK : to_hresult(removed.error()));
  if (!removed && removed.error() == errc::not_found) return VDS_E_OBJECT_NOT_FOUND;
  return removed ? S_OK : to_hresult(removed.error());
} catch (...) {
  return hresult_from_exception();
}

// --- ours

HRESULT service_object::Query(BOOL bIncludeEnded, VDSX_OPERATION_PROP** ppOperationPropArray,
                              LONG* plNumberOfOperations) noexcept try {
  return core_->work().query(bIncludeEnded != FALSE, ppOperationPropArray, plNumberOfOperations);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Get(VDS_OBJECT_ID id, VDSX_OPERATION_PROP* pOperationProp) noexcept try {
  return core_->work().get(from_com(id), pOperationProp);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Open(VDS_OBJECT_ID id, IVdsAsync** ppAsync) noexcept try {
  return core_->work().open(from_com(id), ppAsync);
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Query(VDSX_PROVIDER_STATUS** ppStatusArray, LONG* plNumberOfProviders) noexcept try {
  if (ppStatusArray == nullptr || plNumberOfProviders == nullptr) return E_INVALIDARG;
  *ppStatusArray = nullptr;
  *plNumberOfProviders = 0;
  const auto all = core_->providers();
  if (all.empty()) return S_OK;
  auto* rows = static_cast<VDSX_PROVIDER_STATUS*>(CoTaskMemAlloc(all.size() * sizeof(VDSX_PROVIDER_STATUS)));
  if (rows == nullptr) return E_OUTOFMEMORY;
  for (std::size_t i = 0; i < all.size(); ++i) all[i]->status(rows[i]);
  *ppStatusArray = rows;
  *plNumberOfProviders = static_cast<LONG>(all.size());
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::begin_read(ULONGLONG since, ULONG max, ULONG timeout_ms,
                                   std::function<void(HRESULT, VDSX_EVENT*, LONG, ULONGLONG, BOOL)> done) noexcept try {
  if (!done || max == 0) return E_INVALIDARG;
  core_->events().read(since, std::min<std::size_t>(max, most_events), std::chrono::milliseconds(timeout_ms),
                       [done = std::move(done)](const event_hub::events_read& r) {
                         VDSX_EVENT* rows = nullptr;
                         if (!r.events.empty()) {
                           rows = static_cast<VDSX_EVENT*>(CoTaskMemAlloc(r.events.size() * sizeof(VDSX_EVENT)));
                           if (rows == nullptr) return done(E_OUTOFMEMORY, nullptr, 0, 0, FALSE);
                           std::copy(r.events.begin(), r.events.end(), rows);
                         }
                         done(r.hr, rows, static_cast<LONG>(r.events.size()), r.next, r.lost ? TRUE : FALSE);
                       });
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT service_object::Read(ULONGLONG ullSince, ULONG ulMax, ULONG ulTimeoutMs, VDSX_EVENT** ppEventArray,
                             LONG* plNumberOfEvents, ULONGLONG* pullNext, BOOL* pbLost) noexcept try {
  if (ppEventArray == nullptr || plNumberOfEvents == nullptr || pullNext == nullptr || pbLost == nullptr)
    return E_INVALIDARG;
  *ppEventArray = nullptr;
  *plNumberOfEvents = 0;
  *pullNext = ullSince;
  *pbLost = FALSE;
  std::promise<HRESULT> answered;
  auto answer = answered.get_future();
  const HRESULT begun =
      begin_read(ullSince, ulMax, ulTimeoutMs, [&](HRESULT hr, VDSX_EVENT* events, LONG n, ULONGLONG next, BOOL lost) {
        *ppEventArray = events;
        *plNumberOfEvents = n;
        *pullNext = next;
        *pbLost = lost;
        answered.set_value(hr);
      });
  return FAILED(begun) ? begun : answer.get();
} catch (...) {
  return hresult_from_exception();
}

com_work_queue* service_object::queue_for(REFIID iid, ULONG slot) noexcept {
  if (slot < 3) return nullptr;
  if (iid == __uuidof(IVdsxEvents)) return &core_->readers();
  if (iid == __uuidof(IVdsAdmin) || iid == __uuidof(IVdsxProviderAdmin)) return &core_->slow();
  if (iid != __uuidof(IVdsService)) return nullptr;
  // Slots of IVdsService. Until it is ready everything but these two may have to wait.
  constexpr ULONG is_ready = 3, wait_ready = 4, properties = 5, reenumerate = 12, refresh = 13, unadvise = 16;
  if (slot == is_ready || slot == properties) return nullptr;
  if (slot == wait_ready || slot == reenumerate || slot == refresh || slot == unadvise) return &core_->slow();
  return core_->ready() ? nullptr : &core_->slow();
}

HRESULT loader_object::LoadService(LPWSTR pwszMachineName, IVdsService** ppService) noexcept try {
  if (ppService == nullptr) return E_INVALIDARG;
  *ppService = nullptr;
  if (const HRESULT hr = machine_code(pwszMachineName); FAILED(hr)) return hr;
  com_ptr<service_object> made = make<service_object>(core_);
  *ppService = made.detach();
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::service
