/* basetsd.h: integers by size. LONG and ULONG have 32 bits on every system; WCHAR is the wchar_t of this one. */
#ifndef VDS_BASETSD_H
#define VDS_BASETSD_H

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

typedef signed char INT8;
typedef short INT16;
typedef int INT32;
typedef long long INT64;
typedef unsigned char UINT8;
typedef unsigned short UINT16;
typedef unsigned int UINT32;
typedef unsigned long long UINT64;
typedef int LONG32;
typedef long long LONG64;
typedef unsigned int ULONG32;
typedef unsigned int DWORD32;
typedef unsigned long long ULONG64;
typedef unsigned long long DWORD64;

typedef intptr_t INT_PTR;
typedef uintptr_t UINT_PTR;
typedef intptr_t LONG_PTR;
typedef uintptr_t ULONG_PTR;
typedef ULONG_PTR DWORD_PTR;
typedef size_t SIZE_T;
typedef ptrdiff_t SSIZE_T;

#endif
