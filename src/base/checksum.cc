#include "base/checksum.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace vds {

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t so_far) noexcept {
  std::uint32_t state = ~so_far;
  while (!data.empty()) {  // ISA-L takes an int
    const auto n = std::min<std::size_t>(data.size(), 1u << 30);
    // Not written to: the library's prototype lacks a const.
    state = ::crc32_iscsi(const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(data.data())),
                          static_cast<int>(n), state);
    data = data.subspan(n);
  }
  return ~state;
}

}  // namespace vds
