// parse.h: from the words of a command line to a row of the table and its options. Pure.
#pragma once

#include <string>
#include <vector>

#include "apps/vds/commands.h"

namespace vds::cli {

struct parsed {
  const command* what = nullptr;  // null: print `text` and end well
  options opts;
  std::string text;
};

// Throws command_error(usage) that names what is wrong and, when it is near, what was probably meant.
parsed parse(const std::vector<std::string>& arguments);

// Candidates for the last of these words (which may be empty), from the table alone; "@lun" stands for the names of
// LUNs.
std::vector<std::string> complete(const std::vector<std::string>& words);

}  // namespace vds::cli
