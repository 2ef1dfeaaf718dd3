/* rpcndr.h: here part of rpc.h. */
#include "rpc.h"
