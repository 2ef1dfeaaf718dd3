// wait.h: waiting for an operation, with its progress shown, through restarts of the service, until Ctrl-C.
#pragma once

#include <string>

#include "apps/vds/context.h"
#include "apps/vds/options.h"

namespace vds::cli {

// Waits and returns the object the operation made. Throws command_error: the operation's failure; `detached` after
// Ctrl-C (with how to come back); VDS_E_TIMEOUT when o.timeout_s passed. A service that goes away is waited for: the
// operation is found again by its id.
guid wait_for(context& c, const options& o, operation_ptr op);

// What --no-wait prints: the operation's id, alone on its line, or its document.
void print_begun(context& c, const options& o, operation& op);

}  // namespace vds::cli
