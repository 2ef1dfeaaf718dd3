#include "apps/vds/hints.h"

#include <fmt/format.h>

#include <array>

#include "apps/vds/command_error.h"
#include "apps/vds/match.h"
#include "apps/vds/size.h"

namespace vds::cli {
namespace {

constexpr std::uint64_t any64 = ~0ull;
constexpr std::uint64_t any32 = 0xffff'ffff;

constexpr auto hints = std::to_array<hint>({
    {"fast_crash_recovery_required", hint_kind::yes_no, 0x1, 1},
    {"mostly_reads", hint_kind::yes_no, 0x2, 1},
    {"optimize_for_sequential_reads", hint_kind::yes_no, 0x4, 1},
    {"optimize_for_sequential_writes", hint_kind::yes_no, 0x8, 1},
    {"read_back_verify_enabled", hint_kind::yes_no, 0x10, 1},
    {"remap_enabled", hint_kind::yes_no, 0x20, 1},
    {"write_through_caching_enabled", hint_kind::yes_no, 0x40, 1},
    {"hardware_checksum_enabled", hint_kind::yes_no, 0x80, 1},
    {"is_yankable", hint_kind::yes_no, 0x100, 1},
    {"expected_maximum_size", hint_kind::size, 0, any64},
    {"optimal_read_size", hint_kind::size, 0, any32},
    {"optimal_read_alignment", hint_kind::size, 0, any32},
    {"optimal_write_size", hint_kind::size, 0, any32},
    {"optimal_write_alignment", hint_kind::size, 0, any32},
    {"maximum_drive_count", hint_kind::number, 0, any32},
    {"stripe_size", hint_kind::size, 0, any32},
    {"rebuild_priority", hint_kind::number, 0, 15},
});

[[noreturn]] void bad_hint(std::string why, std::string advice = {}) {
  throw command_error(exit_status::usage, std::move(why), std::move(advice));
}

}  // namespace

std::span<const hint> all_hints() { return hints; }

std::pair<std::string, std::uint64_t> parse_hint(std::string_view text) {
  const auto equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const hint* found = nullptr;
  for (const hint& h : hints)
    if (h.name == name) found = &h;
  if (found == nullptr) {
    std::string known;
    for (const hint& h : hints) known += (known.empty() ? "" : ", ") + std::string(h.name);
    bad_hint(fmt::format("there is no hint '{}'", name), "hints are: " + known);
  }
  if (equals == std::string_view::npos) {
    if (found->kind == hint_kind::yes_no) return {std::string(name), 1};
    bad_hint(fmt::format("hint '{}' needs a value, as in {}=64K", name, name));
  }
  const std::string_view value = text.substr(equals + 1);
  if (found->kind == hint_kind::yes_no) {
    if (value == "1" || value == "yes" || value == "true" || value == "on") return {std::string(name), 1};
    if (value == "0" || value == "no" || value == "false" || value == "off") return {std::string(name), 0};
    bad_hint(fmt::format("hint '{}' is yes or no, not '{}'", name, value));
  }
  const auto number = parse_size(value);
  if (!number) bad_hint(fmt::format("hint '{}': {}", name, number.error().message()));
  if (*number > found->most) bad_hint(fmt::format("hint '{}' is at most {}", name, found->most));
  return {std::string(name), *number};
}

}  // namespace vds::cli
