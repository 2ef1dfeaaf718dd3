#include "array/layout/plex_map.h"

#include <algorithm>

namespace vds::array::layout {
namespace {

// Pieces of column bytes [offset, offset + bytes); `at`: where they are in the request. Joins what continues the piece
// before in both.
void map_column(const std::vector<run>& column, std::uint32_t extent_bytes, std::uint64_t offset, std::uint64_t bytes,
                std::uint64_t at, std::vector<piece>& out) {
  std::uint64_t start = 0;  // of the run, in the column
  for (const run& r : column) {
    const std::uint64_t length = std::uint64_t{r.count} * extent_bytes;
    if (offset < start + length) {
      const std::uint64_t in_run = offset - start, n = std::min(bytes, length - in_run);
      out.push_back(
          {r.slot, static_cast<std::uint32_t>(r.start + in_run / extent_bytes), in_run % extent_bytes, at, n});
      offset += n, at += n, bytes -= n;
      if (bytes == 0) return;
    }
    start += length;
  }
  always(bytes == 0);
}

}  // namespace

std::vector<piece> map_column(const std::vector<run>& column, std::uint32_t extent_bytes, std::uint64_t offset,
                              std::uint64_t bytes) {
  std::vector<piece> out;
  map_column(column, extent_bytes, offset, bytes, 0, out);
  return out;
}

piece first_piece(const std::vector<run>& column, std::uint32_t extent_bytes, std::uint64_t offset,
                  std::uint64_t bytes) {
  for (const run& r : column) {
    const std::uint64_t length = std::uint64_t{r.count} * extent_bytes;
    if (offset < length)
      return {r.slot, static_cast<std::uint32_t>(r.start + offset / extent_bytes), offset % extent_bytes, 0,
              std::min(bytes, length - offset)};
    offset -= length;
  }
  always(!"a place beyond the column");
  return {};
}

std::uint64_t plex::extents() const {
  std::uint64_t least = columns.empty() ? 0 : UINT64_MAX;
  for (const auto& column : columns) {
    std::uint64_t n = 0;
    for (const run& r : column) n += r.count;
    least = std::min(least, n);
  }
  return least;
}

bool plex::uses(std::uint32_t slot) const {
  for (const auto& column : columns)
    for (const run& r : column)
      if (r.slot == slot) return true;
  return false;
}

std::vector<std::uint32_t> plex::slots() const {
  std::vector<std::uint32_t> out;
  for (const auto& column : columns)
    for (const run& r : column)
      if (std::find(out.begin(), out.end(), r.slot) == out.end()) out.push_back(r.slot);
  return out;
}

std::vector<piece> map(const plex& p, std::uint32_t extent_bytes, std::uint64_t offset, std::uint64_t bytes) {
  std::vector<piece> out;
  if (p.stripe_bytes == 0) {
    map_column(p.columns[0], extent_bytes, offset, bytes, 0, out);
    return out;
  }
  const std::uint64_t unit = p.stripe_bytes, width = p.columns.size();
  for (std::uint64_t at = 0; at < bytes;) {
    const std::uint64_t place = offset + at, stripe = place / (unit * width), column = place / unit % width;
    const std::uint64_t within = place % unit, n = std::min(unit - within, bytes - at);
    map_column(p.columns[column], extent_bytes, stripe * unit + within, n, at, out);
    at += n;
  }
  return out;
}

extent_place column_extent(const std::vector<run>& column, std::uint64_t ordinal) {
  for (const run& r : column) {
    if (ordinal < r.count) return {r.slot, static_cast<std::uint32_t>(r.start + ordinal)};
    ordinal -= r.count;
  }
  always(!"an ordinal beyond the column");
  return {};
}

void shorten(std::vector<run>& column, std::uint64_t keep, std::vector<run>& cut) {
  std::vector<run> kept;
  for (const auto& r : column) {
    const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(keep, r.count));
    if (n > 0) kept.push_back({r.slot, r.start, n});
    if (n < r.count) cut.push_back({r.slot, r.start + n, r.count - n});
    keep -= n;
  }
  column = std::move(kept);
}

}  // namespace vds::array::layout
