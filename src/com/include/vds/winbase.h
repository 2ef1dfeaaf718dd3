/* winbase.h: the few calls of the system that VDS clients and providers make. */
#ifndef VDS_WINBASE_H
#define VDS_WINBASE_H

#include "winerror.h"

#ifdef __cplusplus
extern "C" {
#endif

VDS_SDK_API void WINAPI Sleep(DWORD dwMilliseconds);
/* Per thread; nothing in libvds sets it, HRESULTs say everything. */
VDS_SDK_API DWORD WINAPI GetLastError(void);
VDS_SDK_API void WINAPI SetLastError(DWORD dwErrCode);
VDS_SDK_API DWORD WINAPI GetCurrentProcessId(void);
VDS_SDK_API DWORD WINAPI GetTickCount(void);
VDS_SDK_API ULONGLONG WINAPI GetTickCount64(void);

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
/* Reference counts of application objects are LONG in some sources and ULONG in others. */
inline LONG InterlockedIncrement(volatile LONG* p) { return __atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST); }
inline LONG InterlockedDecrement(volatile LONG* p) { return __atomic_sub_fetch(p, 1, __ATOMIC_SEQ_CST); }
inline ULONG InterlockedIncrement(volatile ULONG* p) { return __atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST); }
inline ULONG InterlockedDecrement(volatile ULONG* p) { return __atomic_sub_fetch(p, 1, __ATOMIC_SEQ_CST); }
#else
#define InterlockedIncrement(p) __atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement(p) __atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST)
#endif

#endif
