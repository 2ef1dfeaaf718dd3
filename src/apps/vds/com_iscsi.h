// com_iscsi.h: targets, portals and portal groups through libvds.
#pragma once

#include <memory>

#include "apps/vds/iscsi_gateway.h"
#include "com/com_ptr.h"

namespace vds::cli {

std::unique_ptr<iscsi_gateway> make_com_iscsi(com_ptr<IVdsService> service);
// "10.0.0.1:3260", "[fd00::1]:3260".
std::string address_text(const VDS_IPADDRESS& address);

}  // namespace vds::cli
