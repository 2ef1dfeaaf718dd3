/* The same in C, with the macros that COBJMACROS asks for. */
#define COBJMACROS
#include <windows.h>
#include <vds.h>
#include <vdserr.h>
#include <stdio.h>

static HRESULT show_luns(IVdsSubSystem *subsystem) {
  IEnumVdsObject *luns = NULL;
  IUnknown *unknown = NULL;
  ULONG fetched = 0;
  HRESULT hr = IVdsSubSystem_QueryLuns(subsystem, &luns);
  if (FAILED(hr)) return hr;
  while (IEnumVdsObject_Next(luns, 1, &unknown, &fetched) == S_OK && fetched == 1) {
    IVdsLun *lun = NULL;
    if (SUCCEEDED(IUnknown_QueryInterface(unknown, &IID_IVdsLun, (void **)&lun))) {
      VDS_LUN_PROP prop;
      ZeroMemory(&prop, sizeof(prop));
      if (SUCCEEDED(IVdsLun_GetProperties(lun, &prop))) {
        wprintf(L"%ls %llu %d\n", prop.pwszFriendlyName, prop.ullSize, prop.type == VDS_LT_PARITY);
        CoTaskMemFree(prop.pwszFriendlyName);
        CoTaskMemFree(prop.pwszIdentification);
        CoTaskMemFree(prop.pwszUnmaskingList);
      }
      IVdsLun_Release(lun);
    }
    IUnknown_Release(unknown);
  }
  IEnumVdsObject_Release(luns);
  return S_OK;
}

static HRESULT create_lun(IVdsSubSystem *subsystem, ULONGLONG size) {
  IVdsAsync *async = NULL;
  VDS_ASYNC_OUTPUT output;
  HRESULT result = E_FAIL;
  HRESULT hr = IVdsSubSystem_CreateLun(subsystem, VDS_LT_MIRROR, size, NULL, 0, NULL, NULL, &async);
  if (FAILED(hr)) return hr;
  ZeroMemory(&output, sizeof(output));
  hr = IVdsAsync_Wait(async, &result, &output);
  if (SUCCEEDED(hr) && SUCCEEDED(result) && output.type == VDS_ASYNCOUT_CREATELUN && output.cl.pLunUnk)
    IUnknown_Release(output.cl.pLunUnk);
  IVdsAsync_Release(async);
  return SUCCEEDED(hr) ? result : hr;
}

int main(void) {
  IVdsServiceLoader *loader = NULL;
  IVdsService *service = NULL;
  IUnknown *unknown = NULL;
  IVdsSubSystem *subsystem = NULL;
  VDS_OBJECT_ID id = GUID_NULL;
  HRESULT hr = CoInitializeEx(NULL, COINIT_MULTITHREADED);
  if (FAILED(hr)) return 1;
  hr = CoCreateInstance(&CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, &IID_IVdsServiceLoader, (void **)&loader);
  if (SUCCEEDED(hr)) hr = IVdsServiceLoader_LoadService(loader, NULL, &service);
  if (SUCCEEDED(hr)) hr = IVdsService_GetObject(service, id, VDS_OT_SUB_SYSTEM, &unknown);
  if (SUCCEEDED(hr)) hr = IUnknown_QueryInterface(unknown, &IID_IVdsSubSystem, (void **)&subsystem);
  if (SUCCEEDED(hr)) hr = create_lun(subsystem, 1u << 30);
  if (SUCCEEDED(hr)) hr = show_luns(subsystem);
  if (subsystem) IVdsSubSystem_Release(subsystem);
  if (unknown) IUnknown_Release(unknown);
  if (service) IVdsService_Release(service);
  if (loader) IVdsServiceLoader_Release(loader);
  CoUninitialize();
  return hr == VDS_E_OBJECT_NOT_FOUND || IsEqualGUID(&id, &GUID_NULL) ? 0 : 1;
}
