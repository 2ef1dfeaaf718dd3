#include "array/types.h"

namespace vds::array {

std::string_view to_string(lun_type type) noexcept {
  switch (type) {
    case lun_type::automatic:
      return "automatic";
    case lun_type::automatic_fault_tolerant:
      return "automatic (fault tolerant)";
    case lun_type::automatic_plain:
      return "automatic (plain)";
    case lun_type::simple:
      return "simple";
    case lun_type::span:
      return "span";
    case lun_type::stripe:
      return "stripe";
    case lun_type::mirror:
      return "mirror";
    case lun_type::parity:
      return "parity";
    case lun_type::raid6:
      return "raid6";
    case lun_type::raid10:
      return "raid10";
    case lun_type::raid50:
      return "raid50";
    case lun_type::raid60:
      return "raid60";
  }
  return "unknown";
}

std::string_view to_string(drive_state state) noexcept {
  switch (state) {
    case drive_state::online:
      return "online";
    case drive_state::failed:
      return "failed";
    case drive_state::missing:
      return "missing";
    case drive_state::stale:
      return "stale";
    case drive_state::foreign:
      return "foreign";
  }
  return "unknown";
}

std::string_view to_string(lun_health health) noexcept {
  switch (health) {
    case lun_health::healthy:
      return "healthy";
    case lun_health::resyncing:
      return "resyncing";
    case lun_health::degraded:
      return "degraded";
    case lun_health::failed:
      return "failed";
  }
  return "unknown";
}

}  // namespace vds::array
