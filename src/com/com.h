// com.h: COM for our own code: the SDK headers with every interface visible, without the macros that are a nuisance in
// C++.
#pragma once

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#define VDS_NO_INTERFACE_MACRO

// clang-format off: windows.h comes first, as in any source that uses the others
#include <vds.h>
#include <vdserr.h>
#include <vdshwprv.h>
#include <vdsx.h>
#include <windows.h>
// clang-format on
