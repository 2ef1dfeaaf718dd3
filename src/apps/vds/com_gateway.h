// com_gateway.h: the service through libvds. The only part of the command line that speaks COM.
#pragma once

#include <memory>
#include <string>

#include "apps/vds/gateway.h"

namespace vds::cli {

// Connects and waits until the service is ready. `socket` "" leaves the choice to libvds. Throws command_error.
std::unique_ptr<gateway> connect_by_com(const std::string& socket);

}  // namespace vds::cli
