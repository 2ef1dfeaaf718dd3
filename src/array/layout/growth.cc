#include "array/layout/growth.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vds::array::layout {
namespace {

constexpr std::uint64_t ceil_of(std::uint64_t n, std::uint64_t unit) { return n / unit + (n % unit != 0 ? 1 : 0); }

class growth {
 public:
  growth(const std::vector<growing_member>& members, const std::vector<drive_room>& all) : shares_(members.size()) {
    for (const auto& d : all) room_[d.slot] = d;
    for (std::size_t m = 0; m < members.size(); ++m) {
      left_.push_back(members[m].extents);
      for (const auto slot : members[m].slots) owners_[slot].push_back(m);
    }
  }

  std::optional<std::size_t> neediest() const {
    const auto at = std::max_element(left_.begin(), left_.end());
    if (at == left_.end() || *at == 0) return std::nullopt;
    return static_cast<std::size_t>(at - left_.begin());
  }
  // Who may have more of that drive: those that are on it, or, when nobody is, whoever needs most.
  std::optional<std::size_t> taker(std::uint32_t slot) const {
    const auto it = owners_.find(slot);
    if (it == owners_.end()) return neediest();
    for (const auto m : it->second)
      if (left_[m] > 0) return m;
    return std::nullopt;
  }
  void take(std::size_t member, std::uint32_t slot) {
    const auto it = room_.find(slot);
    if (it == room_.end()) return;
    const std::uint64_t n = std::min(left_[member], available(it->second));
    if (n == 0) return;
    shares_[member].push_back({slot, n});
    left_[member] -= n;
    it->second.free -= n;
    auto& owners = owners_[slot];
    if (std::find(owners.begin(), owners.end(), member) == owners.end()) owners.push_back(member);
  }
  std::optional<std::uint32_t> roomiest_unused() const {
    std::optional<std::uint32_t> best;
    for (const auto& [slot, d] : room_)
      if (!owners_.contains(slot) && available(d) > (best ? available(room_.at(*best)) : 0)) best = slot;
    return best;
  }
  std::vector<std::vector<plan::share>> shares() && { return std::move(shares_); }

 private:
  static std::uint64_t available(const drive_room& d) { return d.free - std::min(d.free, d.journal); }

  std::map<std::uint32_t, drive_room> room_;
  std::map<std::uint32_t, std::vector<std::size_t>> owners_;
  std::vector<std::uint64_t> left_;
  std::vector<std::vector<plan::share>> shares_;
};

}  // namespace

std::uint64_t member_extents(const shape& s, std::uint64_t bytes, std::uint32_t extent_bytes) {
  if (s.groups.empty()) return 0;
  const group_shape& g = s.groups[0];
  const std::uint64_t unit = g.parity != 0 ? g.unit_bytes : s.chunk_bytes;  // of a member in a row of all groups
  if (unit == 0) return ceil_of(bytes, extent_bytes);
  return ceil_of(ceil_of(bytes, unit * g.data_members() * s.groups.size()) * unit, extent_bytes);
}

result<std::vector<std::vector<plan::share>>> plan_growth(const std::vector<growing_member>& members,
                                                          const std::vector<drive_room>& given,
                                                          const std::vector<drive_room>& all) {
  growth g(members, all);
  for (const auto& d : given)
    if (const auto m = g.taker(d.slot)) g.take(*m, d.slot);
  for (std::size_t m = 0; m < members.size(); ++m)
    for (auto slot = members[m].slots.rbegin(); slot != members[m].slots.rend(); ++slot) g.take(m, *slot);
  while (const auto m = g.neediest()) {
    const auto slot = g.roomiest_unused();
    if (!slot)
      return failure(errc::no_space, fmt::format("member {} of the LUN cannot get the room on any drive that has no "
                                                 "other one of it",
                                                 *m));
    g.take(*m, *slot);
  }
  return std::move(g).shares();
}

}  // namespace vds::array::layout
