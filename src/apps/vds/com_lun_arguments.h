// com_lun_arguments.h: what a person asked for, as the arguments of CreateLun and of what plans it.
#pragma once

#include <vector>

#include "apps/vds/views.h"
#include "com/com.h"

namespace vds::cli {

std::vector<VDS_OBJECT_ID> com_ids(const std::vector<guid>& ids);

class lun_arguments {
 public:
  explicit lun_arguments(const lun_request& r);
  VDS_OBJECT_ID* ids() { return drives.empty() ? nullptr : drives.data(); }
  LONG count() const { return static_cast<LONG>(drives.size()); }
  VDS_HINTS* wishes() { return wants_hints ? &hints : nullptr; }

  VDS_LUN_TYPE type;
  std::vector<VDS_OBJECT_ID> drives;
  VDS_HINTS hints;
  bool wants_hints;
};

}  // namespace vds::cli
