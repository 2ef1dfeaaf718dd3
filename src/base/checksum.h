// checksum.h: CRC32C (Castagnoli, RFC 3720 appendix B.4) by ISA-L. Formats use it with the checksum's own field as
// zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vds {

// crc32c(b, crc32c(a)) == crc32c(a followed by b).
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t so_far = 0) noexcept;

}  // namespace vds
