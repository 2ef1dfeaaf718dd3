// parity_map.h: where in a row of a parity group the parity is. It rotates so that no drive carries it all: in row r, P
// is on member m - 1 - r % m, Q on the next, and data column 0 behind them (known as left-symmetric: the data columns
// of consecutive rows go round all members, so that a long read uses every drive). Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vds::array::layout {

struct parity_map {
  std::size_t members = 0;
  unsigned parity = 1;

  std::size_t data() const { return members - parity; }
  std::size_t member_of_p(std::uint64_t row) const { return members - 1 - static_cast<std::size_t>(row % members); }
  // Columns are the data columns, then P, then Q.
  std::size_t member_of(std::uint64_t row, std::size_t column) const {
    const std::size_t behind_p = column < data() ? parity + column : column - data();
    return (member_of_p(row) + behind_p) % members;
  }
  std::size_t column_of(std::uint64_t row, std::size_t member) const {
    const std::size_t behind_p = (member + members - member_of_p(row)) % members;
    return behind_p < parity ? data() + behind_p : behind_p - parity;
  }
};

}  // namespace vds::array::layout
