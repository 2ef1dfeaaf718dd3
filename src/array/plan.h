// plan.h: what making a LUN would take, as array::plan_lun() says it: which drives how much of, and what it would
// survive.
#pragma once

#include <vector>

#include "array/types.h"

namespace vds::array {

struct lun_plan {
  struct share {
    guid drive;
    byte_count size;
  };
  lun_type type{};            // a concrete one
  byte_count size;            // rounded as the LUN's would be
  std::vector<share> drives;  // each once
  unsigned survives_drive_losses = 0;
};

}  // namespace vds::array
