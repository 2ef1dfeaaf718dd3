// growth.h: how many extents members need for a size, and where those of a LUN that grows come from. Pure.
#pragma once

#include <vector>

#include "array/layout/planner.h"
#include "array/layout/shape.h"

namespace vds::array::layout {

// Extents of each member that a LUN of that shape needs to have so many bytes.
std::uint64_t member_extents(const shape& s, std::uint64_t bytes, std::uint32_t extent_bytes);

struct growing_member {
  std::vector<std::uint32_t> slots;  // that it is on, in order
  std::uint64_t extents = 0;         // that it is to get
};

// What each member gets, in order: from the drives given, in the caller's order, then from those that it is on, the
// last one first, then from whichever has most room. A drive never gets a second member. no_space: they do not hold it.
result<std::vector<std::vector<plan::share>>> plan_growth(const std::vector<growing_member>& members,
                                                          const std::vector<drive_room>& given,
                                                          const std::vector<drive_room>& all);

}  // namespace vds::array::layout
