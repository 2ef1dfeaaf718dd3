/* guiddef.h: GUID and its kin. DEFINE_GUID declares a GUID, or defines it when INITGUID is set (see initguid.h); it is
 * defined anew at every inclusion, as source code that includes initguid.h late expects. */
#ifndef VDS_GUIDDEF_H
#define VDS_GUIDDEF_H

#include <string.h>

#ifndef EXTERN_C
#ifdef __cplusplus
#define EXTERN_C extern "C"
#else
#define EXTERN_C extern
#endif
#endif

/* What libvds exports although it is built with hidden visibility. */
#ifndef VDS_SDK_API
#define VDS_SDK_API __attribute__((visibility("default")))
#endif

typedef struct _GUID {
  unsigned int Data1;
  unsigned short Data2;
  unsigned short Data3;
  unsigned char Data4[8];
} GUID;

typedef GUID* LPGUID;
typedef const GUID* LPCGUID;
typedef GUID IID;
typedef IID* LPIID;
typedef GUID CLSID;
typedef CLSID* LPCLSID;
typedef GUID UUID;
typedef GUID FMTID;

#ifdef __cplusplus
#define REFGUID const GUID&
#define REFIID const IID&
#define REFCLSID const IID&
#define REFFMTID const IID&

inline int InlineIsEqualGUID(REFGUID a, REFGUID b) { return memcmp(&a, &b, sizeof(GUID)) == 0; }
inline int IsEqualGUID(REFGUID a, REFGUID b) { return memcmp(&a, &b, sizeof(GUID)) == 0; }
inline bool operator==(REFGUID a, REFGUID b) { return IsEqualGUID(a, b) != 0; }
inline bool operator!=(REFGUID a, REFGUID b) { return !(a == b); }
#else
#define REFGUID const GUID*
#define REFIID const IID*
#define REFCLSID const IID*
#define REFFMTID const IID*
#define IsEqualGUID(a, b) (!memcmp((a), (b), sizeof(GUID)))
#define InlineIsEqualGUID(a, b) IsEqualGUID(a, b)
#endif
#define IsEqualIID(a, b) IsEqualGUID(a, b)
#define IsEqualCLSID(a, b) IsEqualGUID(a, b)

#define GUID_NULL VDS_GUID_NULL
#define IID_NULL VDS_GUID_NULL
#define CLSID_NULL VDS_GUID_NULL
EXTERN_C VDS_SDK_API const GUID VDS_GUID_NULL;

#ifdef __cplusplus
/* __uuidof(IVdsLun), __uuidof(pLun), __uuidof(*pLun): an lvalue of type const GUID. Generated headers name the ids with
 * __CRT_UUID_DECL; so may you, for interfaces of your own. */
template <class T>
struct vds_uuid_of;
template <class T>
struct vds_uuid_of<const T> : vds_uuid_of<T> {};
template <class T>
struct vds_uuid_of<T*> : vds_uuid_of<T> {};
template <class T>
struct vds_uuid_of<T* const> : vds_uuid_of<T> {};
template <class T>
struct vds_uuid_of<T&> : vds_uuid_of<T> {};

#ifndef __uuidof
#define __uuidof(type_or_expression) (vds_uuid_of<__typeof__(type_or_expression)>::value)
#endif
#define __CRT_UUID_DECL(type, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)         \
  template <>                                                                    \
  struct vds_uuid_of<type> {                                                     \
    static constexpr GUID value = {l, w1, w2, {b1, b2, b3, b4, b5, b6, b7, b8}}; \
  };
#endif

#endif

/* Not guarded. A definition is weak: several translation units, and the library, may hold the same one. */
#undef DEFINE_GUID
#ifdef INITGUID
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) \
  EXTERN_C VDS_SDK_API __attribute__((weak)) const GUID name;        \
  const GUID name = {l, w1, w2, {b1, b2, b3, b4, b5, b6, b7, b8}}
#else
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) EXTERN_C VDS_SDK_API const GUID name
#endif
