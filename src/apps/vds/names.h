// names.h: the API's numbers as the words of the command line: one table each. A number that has no row is shown as
// "unknown(17)" and never as a neighbour. Words are the API's names without prefix, in lower case.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vds::cli {

struct word {
  std::uint32_t value;
  std::string_view name;
};

enum class words {
  lun_type,  // also what CreateLun takes: auto, fault_tolerant, non_fault_tolerant
  lun_status,
  drive_status,
  subsystem_status,
  health,
  transition_state,
  provider_type,
  provider_state,   // VDSX_PROVIDER_STATE
  operation_state,  // VDSX_OPERATION_STATE
  object_type,
  plan_action,  // VDSX_PLAN_ACTION
  event,
  drive_flag,
  lun_flag,
  subsystem_flag,
  provider_flag,
  service_flag,
};

std::span<const word> words_of(words set);
std::string name_of(words set, std::uint32_t value);
std::optional<std::uint32_t> value_of(words set, std::string_view name);
std::vector<std::string> flags_of(words set, std::uint32_t bits);  // unknown bits as "0x40000000"

}  // namespace vds::cli
