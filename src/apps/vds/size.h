// size.h: amounts of bytes as people type and read them. K, M, G, T, P, E (also KiB, ..., k, m, ...) are powers of
// 1024; KB, MB, ... are powers of 1000; a fraction is allowed when it comes to whole bytes ("1.5G"). Printing is IEC
// and short ("1.5 GiB"); what must be exact is printed as bytes. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace vds::cli {

// invalid_argument for what is no size or has a fraction of a byte, out_of_range beyond 64 bits.
result<std::uint64_t> parse_size(std::string_view text);

std::string print_size(std::uint64_t bytes);  // "0 B", "512 MiB", "1.5 GiB"

}  // namespace vds::cli
