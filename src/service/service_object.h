// service_object.h: the two objects that clients begin with: the loader, and the service with all its interfaces. Thin:
// arguments are checked here, the work is service_core's.
#pragma once

#include <vdsxadmin.h>

#include "com/implements.h"
#include "com/local.h"
#include "service/service_core.h"

namespace vds::service {

class service_object final
    : public implements<IVdsService, IVdsServiceInitialization, IVdsServiceHba, IVdsServiceIscsi,
                        IVdsServiceUninstallDisk, IVdsServiceSAN, IVdsServiceSw, IVdsAdmin, IVdsxProviderAdmin,
                        IVdsxOperations, IVdsxProviderStatus, IVdsxEvents, IVdsLocalDispatch, IVdsLocalEvents> {
 public:
  explicit service_object(std::shared_ptr<service_core> core) : core_(std::move(core)) {}

  // IVdsService
  HRESULT STDMETHODCALLTYPE IsServiceReady() noexcept override;
  HRESULT STDMETHODCALLTYPE WaitForServiceReady() noexcept override;
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_SERVICE_PROP* pServiceProp) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryProviders(DWORD masks, IEnumVdsObject** ppEnum) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryMaskedDisks(IEnumVdsObject** ppEnum) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryUnallocatedDisks(IEnumVdsObject** ppEnum) noexcept override;
  HRESULT STDMETHODCALLTYPE GetObject(VDS_OBJECT_ID ObjectId, VDS_OBJECT_TYPE type,
                                      IUnknown** ppObjectUnk) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryDriveLetters(WCHAR wcFirstLetter, DWORD count,
                                              VDS_DRIVE_LETTER_PROP* pDriveLetterPropArray) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryFileSystemTypes(VDS_FILE_SYSTEM_TYPE_PROP** ppFileSystemTypeProps,
                                                 LONG* plNumberOfFileSystems) noexcept override;
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override;
  HRESULT STDMETHODCALLTYPE Refresh() noexcept override;
  HRESULT STDMETHODCALLTYPE CleanupObsoleteMountPoints() noexcept override;
  HRESULT STDMETHODCALLTYPE Advise(IVdsAdviseSink* pSink, DWORD* pdwCookie) noexcept override;
  HRESULT STDMETHODCALLTYPE Unadvise(DWORD dwCookie) noexcept override;
  HRESULT STDMETHODCALLTYPE Reboot() noexcept override;
  HRESULT STDMETHODCALLTYPE SetFlags(ULONG ulFlags) noexcept override;
  HRESULT STDMETHODCALLTYPE ClearFlags(ULONG ulFlags) noexcept override;
  // IVdsServiceInitialization
  HRESULT STDMETHODCALLTYPE Initialize(LPWSTR pwszMachineName) noexcept override;
  // IVdsServiceHba, IVdsServiceIscsi: this host's own adapters and initiator
  HRESULT STDMETHODCALLTYPE QueryHbaPorts(IEnumVdsObject** ppEnum) noexcept override;
  HRESULT STDMETHODCALLTYPE GetInitiatorName(LPWSTR* ppwszIscsiName) noexcept override;
  HRESULT STDMETHODCALLTYPE QueryInitiatorAdapters(IEnumVdsObject** ppEnum) noexcept override;
  HRESULT STDMETHODCALLTYPE SetIpsecGroupPresharedKey(VDS_ISCSI_IPSEC_KEY* pIpsecKey) noexcept override;
  HRESULT STDMETHODCALLTYPE SetAllIpsecTunnelAddresses(VDS_IPADDRESS* pTunnelAddress,
                                                       VDS_IPADDRESS* pDestinationAddress) noexcept override;
  HRESULT STDMETHODCALLTYPE SetAllIpsecSecurity(VDS_OBJECT_ID targetPortalId, ULONGLONG ullSecurityFlags,
                                                VDS_ISCSI_IPSEC_KEY* pIpsecKey) noexcept override;
  HRESULT STDMETHODCALLTYPE SetInitiatorSharedSecret(VDS_ISCSI_SHARED_SECRET* pInitiatorSharedSecret,
                                                     VDS_OBJECT_ID targetId) noexcept override;
  HRESULT STDMETHODCALLTYPE RememberTargetSharedSecret(VDS_OBJECT_ID targetId,
                                                       VDS_ISCSI_SHARED_SECRET* pTargetSharedSecret) noexcept override;
  // IVdsServiceUninstallDisk, IVdsServiceSAN, IVdsServiceSw
  HRESULT STDMETHODCALLTYPE GetDiskIdFromLunInfo(VDS_LUN_INFORMATION* pLunInfo,
                                                 VDS_OBJECT_ID* pDiskId) noexcept override;
  HRESULT STDMETHODCALLTYPE UninstallDisks(VDS_OBJECT_ID* pDiskIdArray, ULONG ulCount, BOOLEAN bForce,
                                           BOOLEAN* pbReboot, HRESULT* pResults) noexcept override;
  HRESULT STDMETHODCALLTYPE GetSANPolicy(VDS_SAN_POLICY* pSanPolicy) noexcept override;
  HRESULT STDMETHODCALLTYPE SetSANPolicy(VDS_SAN_POLICY SanPolicy) noexcept override;
  HRESULT STDMETHODCALLTYPE GetDiskObject(LPCWSTR pwszDeviceID, IUnknown** ppDiskUnk) noexcept override;
  // IVdsAdmin
  HRESULT STDMETHODCALLTYPE RegisterProvider(VDS_OBJECT_ID providerId, CLSID providerClsid, LPWSTR pwszName,
                                             VDS_PROVIDER_TYPE type, LPWSTR pwszMachineName, LPWSTR pwszVersion,
                                             GUID guidVersionId) noexcept override;
  HRESULT STDMETHODCALLTYPE UnregisterProvider(VDS_OBJECT_ID providerId) noexcept override;
  // IVdsxProviderAdmin
  HRESULT STDMETHODCALLTYPE RegisterProgram(VDS_OBJECT_ID providerId, CLSID providerClsid, LPWSTR pwszName,
                                            VDS_PROVIDER_TYPE type, LPWSTR pwszProgram, LPWSTR pwszVersion,
                                            GUID guidVersionId) noexcept override;
  // IVdsxOperations
  HRESULT STDMETHODCALLTYPE Query(BOOL bIncludeEnded, VDSX_OPERATION_PROP** ppOperationPropArray,
                                  LONG* plNumberOfOperations) noexcept override;
  HRESULT STDMETHODCALLTYPE Get(VDS_OBJECT_ID id, VDSX_OPERATION_PROP* pOperationProp) noexcept override;
  HRESULT STDMETHODCALLTYPE Open(VDS_OBJECT_ID id, IVdsAsync** ppAsync) noexcept override;
  // IVdsxProviderStatus
  HRESULT STDMETHODCALLTYPE Query(VDSX_PROVIDER_STATUS** ppStatusArray, LONG* plNumberOfProviders) noexcept override;
  // IVdsxEvents, IVdsLocalEvents
  HRESULT STDMETHODCALLTYPE Read(ULONGLONG ullSince, ULONG ulMax, ULONG ulTimeoutMs, VDSX_EVENT** ppEventArray,
                                 LONG* plNumberOfEvents, ULONGLONG* pullNext, BOOL* pbLost) noexcept override;
  HRESULT STDMETHODCALLTYPE
  begin_read(ULONGLONG since, ULONG max, ULONG timeout_ms,
             std::function<void(HRESULT, VDSX_EVENT*, LONG, ULONGLONG, BOOL)> done) noexcept override;
  // IVdsLocalDispatch
  com_work_queue* STDMETHODCALLTYPE queue_for(REFIID iid, ULONG slot) noexcept override;

 private:
  const std::shared_ptr<service_core> core_;
};

class loader_object final : public implements<IVdsServiceLoader> {
 public:
  explicit loader_object(std::shared_ptr<service_core> core) : core_(std::move(core)) {}
  HRESULT STDMETHODCALLTYPE LoadService(LPWSTR pwszMachineName, IVdsService** ppService) noexcept override;

 private:
  const std::shared_ptr<service_core> core_;
};

}  // namespace vds::service
