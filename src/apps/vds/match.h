// match.h: which object a person means. An object is named by its id, a prefix of its id that no other object of the
// kind has (four characters or more), or its name. Also: which command they probably meant.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/guid.h"

namespace vds::cli {

struct named {
  guid id;
  std::string name;
};

// Throws command_error: VDS_E_OBJECT_NOT_FOUND for none, usage for several (which it lists). `kind` is for the message:
// "LUN". A whole id wins over names, names over prefixes.
guid find_object(std::string_view text, std::span<const named> all, std::string_view kind);

// The shortest length (8 at least) that keeps the ids apart in a table.
std::size_t short_id_length(std::span<const guid> ids);

// The choice with the fewest changed, missing, doubled or swapped letters; "" when none is near enough to be a guess.
std::string nearest(std::string_view word, std::span<const std::string_view> choices);

}  // namespace vds::cli
