// com_operation.h: an IVdsAsync as the verbs see it.
#pragma once

#include "apps/vds/gateway.h"
#include "com/com_ptr.h"

namespace vds::cli {

// `doing` is for messages: "creating the LUN". Throws E_UNEXPECTED when there is no async object.
operation_ptr com_operation(com_ptr<IVdsAsync> async, std::string doing, com_ptr<IVdsService> service);

operation_view take_operation(VDSX_OPERATION_PROP& prop);  // frees what it points to

}  // namespace vds::cli
