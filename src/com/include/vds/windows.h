/* windows.h: as much of Windows as the source of a VDS client or provider needs, on Linux. WIN32_LEAN_AND_MEAN leaves
 * out IN, OUT, OPTIONAL, FAR, NEAR and winioctl.h. */
#ifndef VDS_WINDOWS_H
#define VDS_WINDOWS_H

#include "objbase.h"
#include "winbase.h"
#include "windef.h"
#include "winerror.h"
#ifndef WIN32_LEAN_AND_MEAN
#include "winioctl.h"
#endif

#endif
