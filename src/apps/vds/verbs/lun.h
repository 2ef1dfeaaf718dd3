// lun.h: what the verbs that make and change LUNs share.
#pragma once

#include <string_view>

#include "apps/vds/context.h"
#include "apps/vds/gateway.h"
#include "apps/vds/options.h"
#include "apps/vds/views.h"

namespace vds::cli {

void show_lun(context& c, const options& o, const guid& id);  // lines or document

// Waits for (or prints) an operation that changes this LUN, then shows the LUN.
void run_on_lun(context& c, const options& o, const guid& lun, operation_ptr op, std::string_view done);

// What `lun create` asks for. Throws command_error(usage) for what makes no sense, before anything is asked of a
// provider; looks up drives.
lun_request request_of(context& c, const options& o);

}  // namespace vds::cli
