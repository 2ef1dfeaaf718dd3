/* initguid.h: from here on DEFINE_GUID defines what it names. Include it before the header whose GUIDs you want
 * defined; whoever links libvds has them already. */
#ifndef INITGUID
#define INITGUID
#endif
#include "guiddef.h"
