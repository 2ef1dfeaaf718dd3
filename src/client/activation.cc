// CoCreateInstance: the door between a program and the service.
#include "client/connection.h"
#include "com/com.h"
#include "com/hresult.h"

extern "C" HRESULT WINAPI CoCreateInstance(REFCLSID rclsid, LPUNKNOWN pUnkOuter, DWORD dwClsContext, REFIID riid,
                                           LPVOID* ppv) try {
  if (ppv == nullptr) return E_POINTER;
  *ppv = nullptr;
  if (pUnkOuter != nullptr) return CLASS_E_NOAGGREGATION;
  // What a program may activate is fixed: the service's other classes are providers, and those are the service's.
  if (rclsid != CLSID_VdsLoader && rclsid != CLSID_VdsService) return REGDB_E_CLASSNOTREG;
  if ((dwClsContext & CLSCTX_LOCAL_SERVER) == 0) return REGDB_E_CLASSNOTREG;  // it lives in another process, always
  return vds::client::connection::of_process().activate(rclsid, riid, ppv);
} catch (...) {
  return vds::hresult_from_exception();
}
