#include "client/socket_path.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace vds::client {
namespace {

constexpr const char* system_socket = "/run/vds/vdsd.sock";

std::string variable(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

surroundings process_surroundings() { return {variable("VDS_SOCKET"), variable("XDG_RUNTIME_DIR"), ::geteuid() == 0}; }

std::vector<std::string> socket_paths(const surroundings& where) {
  if (!where.vds_socket.empty()) return {where.vds_socket};
  std::vector<std::string> out{system_socket};
  // A relative directory is invalid by the XDG specification.
  if (where.xdg_runtime_dir.starts_with('/')) out.push_back(where.xdg_runtime_dir + "/vds/vdsd.sock");
  if (!where.root) std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace vds::client
