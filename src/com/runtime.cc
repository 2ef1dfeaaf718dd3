// The calls of objbase.h and winbase.h that need no service: memory, initialisation, time. CoCreateInstance is
// src/client's.
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/clock.h"
#include "com/com.h"

namespace {

struct thread_state {
  unsigned initialized = 0;  // nesting of CoInitializeEx
  DWORD mode = 0;
  DWORD last_error = 0;
};
thread_local thread_state this_thread;

}  // namespace

extern "C" {

LPVOID WINAPI CoTaskMemAlloc(SIZE_T cb) { return std::malloc(cb ? cb : 1); }

LPVOID WINAPI CoTaskMemRealloc(LPVOID pv, SIZE_T cb) {
  if (pv && cb == 0) {
    std::free(pv);
    return nullptr;
  }
  return std::realloc(pv, cb ? cb : 1);
}

void WINAPI CoTaskMemFree(LPVOID pv) { std::free(pv); }

HRESULT WINAPI CoInitialize(LPVOID pvReserved) { return CoInitializeEx(pvReserved, COINIT_APARTMENTTHREADED); }

HRESULT WINAPI CoInitializeEx(LPVOID pvReserved, DWORD dwCoInit) {
  if (pvReserved) return E_INVALIDARG;
  const DWORD mode = dwCoInit & COINIT_APARTMENTTHREADED;
  if (this_thread.initialized == 0) {
    this_thread.mode = mode;
  } else if (this_thread.mode != mode) {
    return RPC_E_CHANGED_MODE;
  }
  return this_thread.initialized++ == 0 ? S_OK : S_FALSE;
}

void WINAPI CoUninitialize(void) {
  if (this_thread.initialized > 0) --this_thread.initialized;
}

HRESULT WINAPI CoInitializeSecurity(PSECURITY_DESCRIPTOR, LONG, SOLE_AUTHENTICATION_SERVICE*, void*, DWORD, DWORD,
                                    void*, DWORD, void*) {
  return S_OK;
}

HRESULT WINAPI CoSetProxyBlanket(IUnknown* pProxy, DWORD, DWORD, OLECHAR*, DWORD, DWORD, RPC_AUTH_IDENTITY_HANDLE,
                                 DWORD) {
  return pProxy ? S_OK : E_INVALIDARG;
}

void WINAPI Sleep(DWORD dwMilliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(dwMilliseconds)); }

DWORD WINAPI GetLastError(void) { return this_thread.last_error; }
void WINAPI SetLastError(DWORD dwErrCode) { this_thread.last_error = dwErrCode; }

DWORD WINAPI GetCurrentProcessId(void) { return static_cast<DWORD>(getpid()); }

ULONGLONG WINAPI GetTickCount64(void) {
  const auto since_boot = vds::monotonic::now().time_since_epoch();
  return static_cast<ULONGLONG>(std::chrono::duration_cast<std::chrono::milliseconds>(since_boot).count());
}
DWORD WINAPI GetTickCount(void) { return static_cast<DWORD>(GetTickCount64()); }

}  // extern "C"
