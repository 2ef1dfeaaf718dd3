// iscsi.h: what the verbs about iSCSI share.
#pragma once

#include "apps/vds/verbs/common.h"

namespace vds::cli {

// By id, prefix, name, or iSCSI name.
target_view one_target(context& c, const options& o, std::string_view text);

}  // namespace vds::cli
