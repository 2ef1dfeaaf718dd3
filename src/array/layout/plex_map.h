// plex_map.h: from a place in a plex to places on drives. A plex is a row of columns; a column is a list of runs, used
// one after the other. One column: simple and span. Several: stripe units go round them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "array/layout/extent_set.h"
#include "base/guid.h"

namespace vds::array::layout {

struct plex {
  std::uint32_t stripe_bytes = 0;  // 0: one column
  std::vector<std::vector<run>> columns;
  guid id{};  // for ever, whichever LUN the plex is of
  // It joined its LUN with other content: so many extents of each column hold the LUN's by now; none: all of them.
  std::optional<std::uint64_t> filled{};

  std::uint64_t extents() const;  // of the shortest column
  bool uses(std::uint32_t slot) const;
  std::vector<std::uint32_t> slots() const;  // each once, in order of first use
  bool operator==(const plex&) const = default;
};

struct piece {
  std::uint32_t slot = 0, extent = 0;
  std::uint64_t within = 0;  // bytes from the extent's start
  std::uint64_t at = 0;      // bytes from the start of the request
  std::uint64_t bytes = 0;   // may run over several extents that follow each other on the drive
};

// The pieces of plex bytes [offset, offset + bytes), in order of the request. The caller has checked the range.
std::vector<piece> map(const plex& p, std::uint32_t extent_bytes, std::uint64_t offset, std::uint64_t bytes);

// The pieces of one column's bytes; joined where they follow each other on the drive.
std::vector<piece> map_column(const std::vector<run>& column, std::uint32_t extent_bytes, std::uint64_t offset,
                              std::uint64_t bytes);

// The first of them, without making a list. bytes > 0.
piece first_piece(const std::vector<run>& column, std::uint32_t extent_bytes, std::uint64_t offset,
                  std::uint64_t bytes);

// Keeps the first `keep` extents of a column; what is cut off is appended to `cut`.
void shorten(std::vector<run>& column, std::uint64_t keep, std::vector<run>& cut);

// One column's extent of that ordinal.
struct extent_place {
  std::uint32_t slot = 0, extent = 0;
  bool operator==(const extent_place&) const = default;
};
extent_place column_extent(const std::vector<run>& column, std::uint64_t ordinal);

}  // namespace vds::array::layout
