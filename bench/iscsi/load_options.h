// load_options.h: what iscsi_load is told to do.
#pragma once

#include "session.h"

namespace vds::bench {

struct load_options {
  login_wishes login;
  bool write = false, random = true, spin = false;
  std::uint32_t size = 4096, depth = 32, connections = 1;
  std::uint32_t first_lun = 0, luns = 1;
  double seconds = 2, warm_up = 0.3;
  std::uint64_t region = 0;  // bytes of each LUN that are used; 0: all of it
};

load_options parse_options(int argc, char** argv);

}  // namespace vds::bench
