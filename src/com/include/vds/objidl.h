/* objidl.h: here part of objbase.h. */
#include "objbase.h"
