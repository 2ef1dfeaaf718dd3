#include "providers/array/states.h"

#include <algorithm>

namespace vds::array_provider {

namespace {

VDS_DRIVE_STATUS status_of(array::drive_state s) {
  switch (s) {
    case array::drive_state::online:
      return VDS_DRS_ONLINE;
    case array::drive_state::failed:
      return VDS_DRS_FAILED;
    case array::drive_state::missing:
      return VDS_DRS_REMOVED;
    case array::drive_state::stale:
    case array::drive_state::foreign:
      return VDS_DRS_OFFLINE;  // present, and in no RAID group
  }
  return VDS_DRS_UNKNOWN;
}

VDS_HEALTH health_of(const array::drive_info& drive) {
  if (drive.state == array::drive_state::failed) return VDS_H_FAILED;
  if (drive.state == array::drive_state::missing) return VDS_H_UNKNOWN;
  return drive.corrupt_blocks > 0 ? VDS_H_FAILING : VDS_H_HEALTHY;  // it works, and is not to be trusted
}

VDS_HEALTH health_of(array::lun_health h) {
  switch (h) {
    case array::lun_health::healthy:
      return VDS_H_HEALTHY;
    case array::lun_health::resyncing:
      return VDS_H_REBUILDING;
    case array::lun_health::degraded:
      return VDS_H_FAILED_REDUNDANCY;
    case array::lun_health::failed:
      return VDS_H_FAILED;
  }
  return VDS_H_UNKNOWN;
}

bool rebuilding(const array::lun_info& lun) { return lun.work && lun.work->phase == array::rebuilding_phase; }

VDS_TRANSITION_STATE transition_of(const array::lun_info& lun) {
  switch (lun.change) {
    case array::lun_change::none:
      return VDS_TS_STABLE;
    case array::lun_change::extending:
      return VDS_TS_EXTENDING;
    case array::lun_change::shrinking:
      return VDS_TS_SHRINKING;
    case array::lun_change::reconfiguring:
      return VDS_TS_RECONFIGING;
  }
  return VDS_TS_UNKNOWN;
}

}  // namespace

shown_drive show(const array::drive_info& drive) {
  auto flags = static_cast<ULONG>(drive.in_use ? VDS_DRF_ASSIGNED : VDS_DRF_UNASSIGNED);
  if (drive.spare && drive.in_use)
    flags |= VDS_DRF_HOTSPARE_IN_USE;  // a member like others, until it has given back what it took
  else if (drive.spare)
    flags |= VDS_DRF_HOTSPARE | (drive.state == array::drive_state::online ? VDS_DRF_HOTSPARE_STANDBY : 0);
  return {status_of(drive.state), health_of(drive), flags};
}

shown_lun show(const array::lun_info& lun) {
  const VDS_LUN_STATUS status = lun.health == array::lun_health::failed ? VDS_LS_FAILED
                                : lun.offline                           ? VDS_LS_OFFLINE
                                                                        : VDS_LS_ONLINE;
  const bool restoring = lun.health == array::lun_health::degraded && rebuilding(lun);
  if (lun.health == array::lun_health::healthy && lun.unreadable.n != 0)
    return {status, VDS_H_FAILING, transition_of(lun)};
  return {status, restoring ? VDS_H_REBUILDING : health_of(lun.health), transition_of(lun)};
}

shown_plex show(const array::lun_info& lun, const array::plex_info& plex) {
  const VDS_LUN_PLEX_STATUS status = plex.health == array::lun_health::failed ? VDS_LPS_FAILED
                                     : lun.offline                            ? VDS_LPS_OFFLINE
                                                                              : VDS_LPS_ONLINE;
  return {status, health_of(plex.health), transition_of(lun)};
}

VDS_HEALTH subsystem_health(std::span<const array::drive_info> drives) {
  const auto well = [](const auto& d) { return d.state == array::drive_state::online; };
  return std::all_of(drives.begin(), drives.end(), well) ? VDS_H_HEALTHY : VDS_H_DEGRADED;
}

}  // namespace vds::array_provider
