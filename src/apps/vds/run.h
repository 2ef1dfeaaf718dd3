// run.h: one command from its words to its exit status. Tests call it as main() does.
#pragma once

#include <string>
#include <vector>

#include "apps/vds/context.h"

namespace vds::cli {

struct environment {
  std::ostream& out;
  std::ostream& err;
  std::function<terminal(std::string_view colour_choice)> where;
  gateway_factory connect;
  const interrupt& stop;
  std::function<bool(const std::string& question)> ask;
};

// Never throws. `vds __complete WORD...` prints candidates for the last word, one a line.
int run(const std::vector<std::string>& arguments, const environment& env);

}  // namespace vds::cli
