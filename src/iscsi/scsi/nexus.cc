#include "iscsi/scsi/nexus.h"

#include <fmt/format.h>

namespace vds::iscsi {

std::string nexus::port_name() const {
  return fmt::format("{},i,0x{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}", initiator, isid[0], isid[1], isid[2], isid[3],
                     isid[4], isid[5]);
}

}  // namespace vds::iscsi
