// masking.h: unmasking lists: initiator names separated by ';', or "*" for everybody, or "" for nobody. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vds::cli {

// The list with these added; "*" takes the place of all others, and into an open list nobody needs to be added.
std::string unmasked(std::string_view list, const std::vector<std::string>& initiators);

// The list without these. Throws command_error(usage) when everybody is admitted (who would be left is not known) or
// when one of them is not in the list.
std::string masked(std::string_view list, const std::vector<std::string>& initiators);

}  // namespace vds::cli
