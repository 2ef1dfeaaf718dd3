// states.h: the one place where the array's states become VDS's: status, health, flags and transition state of drives,
// LUNs, plexes, and the health of the subsystem, which is that of its drives. What VDS demands of them
// (FAILED health and FAILED status go together, HEALTHY never goes with FAILED) holds here or nowhere. A drive that
// works and gave back something else than what was written is FAILING until the next start. Pure; any thread.
#pragma once

#include <span>

#include "array/types.h"
#include "com/com.h"

namespace vds::array_provider {

struct shown_drive {
  VDS_DRIVE_STATUS status;
  VDS_HEALTH health;
  ULONG flags;
};
struct shown_lun {
  VDS_LUN_STATUS status;
  VDS_HEALTH health;
  VDS_TRANSITION_STATE transition;
};
struct shown_plex {
  VDS_LUN_PLEX_STATUS status;
  VDS_HEALTH health;
  VDS_TRANSITION_STATE transition;
};

shown_drive show(const array::drive_info& drive);
shown_lun show(const array::lun_info& lun);
shown_plex show(const array::lun_info& lun, const array::plex_info& plex);
VDS_HEALTH subsystem_health(std::span<const array::drive_info> drives);

}  // namespace vds::array_provider
