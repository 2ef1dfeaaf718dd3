// A VDS client as Windows programs are written: start COM, find the service, walk providers, subsystems and LUNs,
// listen for notifications. It is compiled by every supported compiler and standard; it says nothing about how the
// service answers.
#include <initguid.h>
#include <windows.h>
#include <vds.h>
#include <vdserr.h>
#include <stdio.h>

namespace {

class Sink : public IVdsAdviseSink {
 public:
  STDMETHODIMP QueryInterface(REFIID riid, void** ppv) override {
    if (ppv == NULL) return E_POINTER;
    if (riid == __uuidof(IUnknown) || riid == IID_IVdsAdviseSink) {
      *ppv = static_cast<IVdsAdviseSink*>(this);
      AddRef();
      return S_OK;
    }
    *ppv = NULL;
    return E_NOINTERFACE;
  }
  STDMETHODIMP_(ULONG) AddRef() override { return InterlockedIncrement(&m_cRef); }
  STDMETHODIMP_(ULONG) Release() override {
    ULONG cRef = InterlockedDecrement(&m_cRef);
    if (cRef == 0) delete this;
    return cRef;
  }
  STDMETHODIMP OnNotify(LONG lNumberOfNotifications, VDS_NOTIFICATION* pNotificationArray) override {
    for (LONG i = 0; i < lNumberOfNotifications; i++) {
      switch (pNotificationArray[i].objectType) {
        case VDS_NTT_LUN:
          if (pNotificationArray[i].Lun.ulEvent == VDS_NF_LUN_ARRIVE) wprintf(L"a LUN arrived\n");
          break;
        case VDS_NTT_DRIVE:
          wprintf(L"drive event %u\n", pNotificationArray[i].Drive.ulEvent);
          break;
        default:
          break;
      }
    }
    return S_OK;
  }
  virtual ~Sink() {}

 private:
  LONG m_cRef = 1;
};

template <class Action>
HRESULT ForEach(IEnumVdsObject* pEnum, Action action) {
  HRESULT hr = S_OK;
  ULONG ulFetched = 0;
  IUnknown* pUnknown = NULL;
  while ((hr = pEnum->Next(1, &pUnknown, &ulFetched)) == S_OK && ulFetched == 1) {
    action(pUnknown);
    pUnknown->Release();
    pUnknown = NULL;
  }
  return FAILED(hr) ? hr : S_OK;
}

void ShowLun(IUnknown* pUnknown) {
  IVdsLun* pLun = NULL;
  if (FAILED(pUnknown->QueryInterface(IID_PPV_ARGS(&pLun)))) return;
  VDS_LUN_PROP prop;
  ZeroMemory(&prop, sizeof(prop));
  if (SUCCEEDED(pLun->GetProperties(&prop))) {
    WCHAR wszId[64];
    StringFromGUID2(prop.id, wszId, ARRAYSIZE(wszId));
    wprintf(L"%ls %ls %llu\n", wszId, prop.pwszFriendlyName, prop.ullSize);
    CoTaskMemFree(prop.pwszFriendlyName);
    CoTaskMemFree(prop.pwszIdentification);
    CoTaskMemFree(prop.pwszUnmaskingList);
  }
  IVdsMaintenance* pMaintenance = NULL;
  HRESULT hr = pLun->QueryInterface(__uuidof(pMaintenance), (void**)&pMaintenance);
  if (hr == E_NOINTERFACE) wprintf(L"no maintenance\n");
  if (pMaintenance) pMaintenance->Release();
  pLun->Release();
}

void ShowSubSystem(IUnknown* pUnknown) {
  IVdsSubSystem* pSubSystem = NULL;
  if (FAILED(pUnknown->QueryInterface(&pSubSystem))) return;
  IEnumVdsObject* pEnum = NULL;
  if (SUCCEEDED(pSubSystem->QueryLuns(&pEnum))) {
    ForEach(pEnum, ShowLun);
    pEnum->Release();
  }
  pSubSystem->Release();
}

void ShowProvider(IUnknown* pUnknown) {
  IVdsHwProvider* pProvider = NULL;
  if (FAILED(pUnknown->QueryInterface(IID_IVdsHwProvider, (void**)&pProvider))) return;
  IEnumVdsObject* pEnum = NULL;
  if (SUCCEEDED(pProvider->QuerySubSystems(&pEnum))) {
    ForEach(pEnum, ShowSubSystem);
    pEnum->Release();
  }
  pProvider->Release();
}

}  // namespace

int main() {
  HRESULT hr = CoInitializeEx(NULL, COINIT_MULTITHREADED);
  if (FAILED(hr)) return 1;
  hr = CoInitializeSecurity(NULL, -1, NULL, NULL, RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_IMP_LEVEL_IMPERSONATE, NULL,
                            EOAC_NONE, NULL);

  IVdsServiceLoader* pLoader = NULL;
  IVdsService* pService = NULL;
  if (SUCCEEDED(hr))
    hr = CoCreateInstance(CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, (void**)&pLoader);
  if (SUCCEEDED(hr)) hr = pLoader->LoadService(NULL, &pService);
  if (pLoader) pLoader->Release();
  if (SUCCEEDED(hr)) hr = pService->WaitForServiceReady();

  Sink* pSink = new Sink();
  DWORD dwCookie = 0;
  if (SUCCEEDED(hr)) hr = pService->Advise(pSink, &dwCookie);
  IEnumVdsObject* pProviders = NULL;
  if (SUCCEEDED(hr)) hr = pService->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, &pProviders);
  if (SUCCEEDED(hr)) {
    hr = ForEach(pProviders, ShowProvider);
    pProviders->Release();
  }
  if (dwCookie) pService->Unadvise(dwCookie);
  pSink->Release();
  if (pService) pService->Release();
  switch (hr) {
    case VDS_E_OBJECT_NOT_FOUND:
    case HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE):
    case S_OK:
      break;
    default:
      wprintf(L"failed: 0x%08x\n", hr);
  }
  CoUninitialize();
  return SUCCEEDED(hr) ? 0 : 1;
}
