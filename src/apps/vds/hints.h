// hints.h: the wishes that CreateLun takes (VDS_HINTS), by name: what `--hint K=V` means. Wishes, never obligations.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vds::cli {

enum class hint_kind { yes_no, size, number };

struct hint {
  std::string_view name;
  hint_kind kind;
  std::uint64_t mask;  // the bit of ullHintMask that says "this counts"; 0 for those where 0 means no wish
  std::uint64_t most;  // largest value of the structure's member
};

std::span<const hint> all_hints();

// "stripe_size=64K" -> ("stripe_size", 65536). Throws command_error(usage).
std::pair<std::string, std::uint64_t> parse_hint(std::string_view text);

}  // namespace vds::cli
