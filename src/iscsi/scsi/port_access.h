// port_access.h: ALUA: which target port groups a LUN is best reached through (SPC-4 5.15). All begin active/optimised,
// since every portal leads to the same device; SET TARGET PORT GROUPS changes that until the target starts again.
// Thread: the LUN's executor.
#pragma once

#include <cstdint>
#include <map>

namespace vds::iscsi {

enum class port_state : std::uint8_t { active_optimised = 0, active_non_optimised = 1, standby = 2, unavailable = 3 };

class port_access {
 public:
  port_state of(std::uint16_t group) const {
    if (changed_.empty()) return port_state::active_optimised;
    const auto it = changed_.find(group);
    return it == changed_.end() ? port_state::active_optimised : it->second;
  }
  bool set(std::uint16_t group, port_state s) {  // true: it was another
    if (of(group) == s) return false;
    if (s == port_state::active_optimised)
      changed_.erase(group);
    else
      changed_[group] = s;
    by_command_ = true;
    return true;
  }
  bool by_command() const noexcept { return by_command_; }
  bool all_active() const noexcept { return changed_.empty(); }

 private:
  std::map<std::uint16_t, port_state> changed_;
  bool by_command_ = false;
};

}  // namespace vds::iscsi
