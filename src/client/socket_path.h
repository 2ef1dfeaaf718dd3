// socket_path.h: where the service is looked for. VDS_SOCKET names it and nothing else is tried. Without it, root tries
// /run/vds/vdsd.sock first and then its own $XDG_RUNTIME_DIR/vds/vdsd.sock; a user tries the two in the other order.
#pragma once

#include <string>
#include <vector>

namespace vds::client {

struct surroundings {
  std::string vds_socket;       // "" = not set
  std::string xdg_runtime_dir;  // "" = not set
  bool root = false;
};

surroundings process_surroundings();  // does not believe the environment of a set-uid program
std::vector<std::string> socket_paths(const surroundings& where);

}  // namespace vds::client
