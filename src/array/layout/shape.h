// shape.h: how a LUN is redundant. A LUN is one redundancy group, or a stripe over several; a group has members, each a
// column (a list of runs, on one or more drives), on distinct drives:
//   copies  n members with the same content. One: simple, span. Several: mirror.
//   parity  n members, of which in each row (a stripe unit of each) one or two hold parity, taking turns.
// simple, span, mirror, parity, raid6 are one group; stripe (of single members), raid10, raid50, raid60 are several.
//
// In a LUN's record the members of copies are its plexes (so group g of a stripe is column g of each plex), the members
// of parity groups follow each other as columns of the only plex. Pure.
#pragma once

#include "array/layout/plex_map.h"
#include "array/types.h"

namespace vds::array::layout {

struct group_shape {
  unsigned parity = 0;           // members' worth of it: 0 (copies), 1, 2
  std::uint32_t unit_bytes = 0;  // of a parity group's rows; 0: copies
  std::vector<std::vector<run>> members;

  std::uint64_t extents() const;  // of the shortest member
  std::size_t data_members() const { return parity == 0 ? 1 : members.size() - parity; }
  std::uint64_t extents_of_data() const { return extents() * data_members(); }
  // Lost members that nobody notices, at each place.
  std::size_t redundancy() const { return parity == 0 ? members.size() - 1 : parity; }
  bool operator==(const group_shape&) const = default;
};

struct shape {
  std::uint64_t chunk_bytes = 0;  // of the LUN in one group before the next one's turn; 0: there is one group
  std::vector<group_shape> groups;
  std::uint64_t extents_of_data() const;
  bool operator==(const shape&) const = default;
};

unsigned parity_of(lun_type type);  // members of parity per group: 0, 1, 2
// groups: of raid50 and raid60; 1 otherwise.
shape shape_of(lun_type type, const std::vector<plex>& plexes, std::uint32_t groups);

// Where in the record a member is.
struct column_place {
  std::size_t plex = 0, column = 0;
};
column_place place_of_member(lun_type type, std::size_t members_per_group, std::size_t group, std::size_t member);

// A request's share of one group: one range of the group, whose bytes lie in parts of the request.
struct share {
  struct part {
    std::uint64_t at = 0, bytes = 0;  // in the request
  };
  std::size_t group = 0;
  std::uint64_t offset = 0, bytes = 0;
  std::vector<part> parts;
};
std::vector<share> spread(const shape& s, std::uint64_t offset, std::uint64_t bytes);

}  // namespace vds::array::layout
