/* objbase.h: here part of combaseapi.h. */
#include "combaseapi.h"
