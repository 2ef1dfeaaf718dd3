// options.h: what vds-arrayd is told on its command line.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace vds::arrayd {

struct drive_set {  // "6x1G"
  unsigned count = 0;
  byte_count size{};
};
// invalid_argument: not COUNTxSIZE, nothing, or more than 1,000 drives or less than 16 MiB each.
result<drive_set> parse_drive_set(std::string_view text);
// Bytes, or K, M, G, T with or without iB: powers of 1024.
result<byte_count> parse_size(std::string_view text);

struct options {
  std::string directory;
  std::string socket;
  std::string portal = "127.0.0.1:3260";
  drive_set drives;
  unsigned reactors = 1;
  bool checksums = false;  // drives that join keep checksums of their data
};

// An exit status when there is nothing more to do (help, version, wrong usage), which has been told already.
struct parsed {
  options given;
  int exit_status = -1;
};
parsed parse_command_line(int argc, char** argv);

}  // namespace vds::arrayd
