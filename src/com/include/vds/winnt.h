/* winnt.h: here part of windef.h. */
#include "windef.h"
