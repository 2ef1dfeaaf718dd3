#include "io/block_device.h"

#include <fmt/format.h>

#include <numeric>

namespace vds::io {

std::size_t total_size(buffers list) noexcept {
  return std::accumulate(list.begin(), list.end(), std::size_t{0},
                         [](std::size_t n, buffer b) { return n + b.size(); });
}
std::size_t total_size(const_buffers list) noexcept {
  return std::accumulate(list.begin(), list.end(), std::size_t{0},
                         [](std::size_t n, const_buffer b) { return n + b.size(); });
}

status check_range(const block_geometry& geometry, lba at, block_count count) {
  if (at.n > geometry.blocks.n || count.n > geometry.blocks.n - at.n) {
    return failure(errc::out_of_range, fmt::format("blocks {}+{} of a device of {}", at.n, count.n, geometry.blocks.n));
  }
  return {};
}

}  // namespace vds::io
