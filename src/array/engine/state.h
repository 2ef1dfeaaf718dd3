// state.h: the states of drives and LUNs and the only ways between them. become() asserts the edge; who owns the state
// logs it and raises the event.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "array/types.h"
#include "base/assert.h"

namespace vds::array::engine {

template <class State, std::size_t N>
constexpr bool has_edge(const std::array<std::pair<State, State>, N>& edges, State from, State to) {
  return std::find(edges.begin(), edges.end(), std::pair{from, to}) != edges.end();
}

constexpr auto drive_edges = std::to_array<std::pair<drive_state, drive_state>>({
    {drive_state::online, drive_state::failed},  // a request failed, hung, or a flush did
    {drive_state::missing, drive_state::stale},  // came back after the array went on
});

// A lost member comes back only by having been rebuilt.
constexpr auto lun_edges = std::to_array<std::pair<lun_health, lun_health>>({
    {lun_health::healthy, lun_health::resyncing},
    {lun_health::healthy, lun_health::degraded},
    {lun_health::healthy, lun_health::failed},
    {lun_health::resyncing, lun_health::healthy},
    {lun_health::resyncing, lun_health::degraded},
    {lun_health::resyncing, lun_health::failed},
    {lun_health::degraded, lun_health::failed},
    {lun_health::degraded, lun_health::healthy},
    {lun_health::degraded, lun_health::resyncing},  // three plexes: one lost, the others differ after a failed write
    {lun_health::failed, lun_health::degraded},     // the lack of a quorum ended (next assembly)
    {lun_health::failed, lun_health::healthy},      // an only copy was replaced by a new one
    {lun_health::failed, lun_health::resyncing},
});

// True if the state changed.
inline bool become(drive_state& state, drive_state next) {
  if (state == next) return false;
  always(has_edge(drive_edges, state, next));
  state = next;
  return true;
}
inline bool become(lun_health& state, lun_health next) {
  if (state == next) return false;
  always(has_edge(lun_edges, state, next));
  state = next;
  return true;
}

}  // namespace vds::array::engine
