// plan.h: --dry-run: what a change would do.
#pragma once

#include "apps/vds/context.h"
#include "apps/vds/options.h"
#include "apps/vds/views.h"

namespace vds::cli {

// Shows the plan; throws, after it, when the change would be refused.
void show_plan(context& c, const options& o, const plan_view& plan, std::string_view doing);

}  // namespace vds::cli
