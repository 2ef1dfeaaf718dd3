// planner.h: from what is asked for to which drives carry how many extents. Pure.
// Drives given are used in their order, as much as possible of one before the next; the rest of a mirror's plexes, or
// everything when none is given, goes to the drives with the most space. Types with parity and raid10 take one extent
// after the other of each drive given, or of as many drives as is reasonable, more only when fewer have no room.
#pragma once

#include <vector>

#include "array/types.h"

namespace vds::array::layout {

struct drive_room {
  std::uint32_t slot = 0;
  std::uint64_t free = 0;     // extents
  std::uint64_t journal = 0;  // of these, what a first parity group would take besides its own
};

struct plan {
  struct share {
    std::uint32_t slot = 0;
    std::uint64_t extents = 0;
  };
  lun_type type{};
  std::uint32_t stripe_bytes = 0;
  std::vector<std::vector<std::vector<share>>> plexes;  // plex -> column -> shares in order
  std::uint32_t groups = 1;                             // of raid50 and raid60: layout/shape.h
};

// given: in the caller's order; all: every drive that may be used. no_space: they do not hold it. unavailable: too few
// drives. invalid_argument, not_supported: no number of drives would help.
result<plan> plan_lun(const lun_spec& spec, const std::vector<drive_room>& given, const std::vector<drive_room>& all,
                      std::uint32_t extent_bytes);

}  // namespace vds::array::layout
