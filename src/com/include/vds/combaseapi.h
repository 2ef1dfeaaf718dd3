/* combaseapi.h: the COM runtime that a VDS client or provider needs. There are no apartments here: every object may be
 * called on any thread, and CoInitialize only counts, answering as COM would. */
#ifndef VDS_COMBASEAPI_H
#define VDS_COMBASEAPI_H

#include "unknwn.h"

typedef enum tagCLSCTX {
  CLSCTX_INPROC_SERVER = 0x1,
  CLSCTX_INPROC_HANDLER = 0x2,
  CLSCTX_LOCAL_SERVER = 0x4,
  CLSCTX_REMOTE_SERVER = 0x10
} CLSCTX;
#define CLSCTX_INPROC (CLSCTX_INPROC_SERVER | CLSCTX_INPROC_HANDLER)
#define CLSCTX_SERVER (CLSCTX_INPROC_SERVER | CLSCTX_LOCAL_SERVER | CLSCTX_REMOTE_SERVER)
#define CLSCTX_ALL (CLSCTX_INPROC_HANDLER | CLSCTX_SERVER)

typedef enum tagCOINIT {
  COINIT_MULTITHREADED = 0x0,
  COINIT_APARTMENTTHREADED = 0x2,
  COINIT_DISABLE_OLE1DDE = 0x4,
  COINIT_SPEED_OVER_MEMORY = 0x8
} COINIT;

typedef enum tagEOLE_AUTHENTICATION_CAPABILITIES {
  EOAC_NONE = 0,
  EOAC_MUTUAL_AUTH = 0x1,
  EOAC_SECURE_REFS = 0x2,
  EOAC_ACCESS_CONTROL = 0x4,
  EOAC_APPID = 0x8,
  EOAC_DYNAMIC = 0x10,
  EOAC_STATIC_CLOAKING = 0x20,
  EOAC_DYNAMIC_CLOAKING = 0x40,
  EOAC_DEFAULT = 0x800,
  EOAC_DISABLE_AAA = 0x1000
} EOLE_AUTHENTICATION_CAPABILITIES;

#define RPC_C_AUTHN_LEVEL_DEFAULT 0
#define RPC_C_AUTHN_LEVEL_NONE 1
#define RPC_C_AUTHN_LEVEL_CONNECT 2
#define RPC_C_AUTHN_LEVEL_CALL 3
#define RPC_C_AUTHN_LEVEL_PKT 4
#define RPC_C_AUTHN_LEVEL_PKT_INTEGRITY 5
#define RPC_C_AUTHN_LEVEL_PKT_PRIVACY 6
#define RPC_C_IMP_LEVEL_DEFAULT 0
#define RPC_C_IMP_LEVEL_ANONYMOUS 1
#define RPC_C_IMP_LEVEL_IDENTIFY 2
#define RPC_C_IMP_LEVEL_IMPERSONATE 3
#define RPC_C_IMP_LEVEL_DELEGATE 4
#define RPC_C_AUTHN_NONE 0
#define RPC_C_AUTHN_WINNT 10
#define RPC_C_AUTHN_DEFAULT 0xFFFFFFFFu
#define RPC_C_AUTHZ_NONE 0
#define RPC_C_AUTHZ_DEFAULT 0xFFFFFFFFu
#define COLE_DEFAULT_PRINCIPAL ((OLECHAR*)(intptr_t)-1)
#define COLE_DEFAULT_AUTHINFO ((void*)(intptr_t)-1)

typedef void* PSECURITY_DESCRIPTOR;
typedef void* RPC_AUTH_IDENTITY_HANDLE;
typedef struct tagSOLE_AUTHENTICATION_SERVICE SOLE_AUTHENTICATION_SERVICE;

#ifdef __cplusplus
extern "C" {
#endif

VDS_SDK_API HRESULT WINAPI CoInitialize(LPVOID pvReserved);
VDS_SDK_API HRESULT WINAPI CoInitializeEx(LPVOID pvReserved, DWORD dwCoInit);
VDS_SDK_API void WINAPI CoUninitialize(void);

/* Accepted and answered S_OK: who may call whom is decided by the credentials of the socket. */
VDS_SDK_API HRESULT WINAPI CoInitializeSecurity(PSECURITY_DESCRIPTOR pSecDesc, LONG cAuthSvc,
                                                SOLE_AUTHENTICATION_SERVICE* asAuthSvc, void* pReserved1,
                                                DWORD dwAuthnLevel, DWORD dwImpLevel, void* pAuthList,
                                                DWORD dwCapabilities, void* pReserved3);
VDS_SDK_API HRESULT WINAPI CoSetProxyBlanket(IUnknown* pProxy, DWORD dwAuthnSvc, DWORD dwAuthzSvc,
                                             OLECHAR* pServerPrincName, DWORD dwAuthnLevel, DWORD dwImpLevel,
                                             RPC_AUTH_IDENTITY_HANDLE pAuthInfo, DWORD dwCapabilities);

/* Classes live in the service: CLSID_VdsLoader and CLSID_VdsService. The socket is named by VDS_SOCKET. */
VDS_SDK_API HRESULT WINAPI CoCreateInstance(REFCLSID rclsid, LPUNKNOWN pUnkOuter, DWORD dwClsContext, REFIID riid,
                                            LPVOID* ppv);

VDS_SDK_API LPVOID WINAPI CoTaskMemAlloc(SIZE_T cb);
VDS_SDK_API LPVOID WINAPI CoTaskMemRealloc(LPVOID pv, SIZE_T cb);
VDS_SDK_API void WINAPI CoTaskMemFree(LPVOID pv);

VDS_SDK_API HRESULT WINAPI CoCreateGuid(GUID* pguid);
/* "{XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX}": 39 characters with the terminator, or 0 when cchMax is less. */
VDS_SDK_API int WINAPI StringFromGUID2(REFGUID rguid, LPOLESTR lpsz, int cchMax);
VDS_SDK_API HRESULT WINAPI StringFromCLSID(REFCLSID rclsid, LPOLESTR* lplpsz);
VDS_SDK_API HRESULT WINAPI StringFromIID(REFIID rclsid, LPOLESTR* lplpsz);
VDS_SDK_API HRESULT WINAPI CLSIDFromString(LPCOLESTR lpsz, LPCLSID pclsid);
VDS_SDK_API HRESULT WINAPI IIDFromString(LPCOLESTR lpsz, LPIID lpiid);

#ifdef __cplusplus
}
#endif
#endif
