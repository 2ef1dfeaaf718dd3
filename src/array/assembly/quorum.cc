#include "array/assembly/quorum.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace vds::array::assembly {
namespace {

// What d knows is part of the history of c.
bool supports(const candidate& d, const candidate& c) {
  if (std::find(c.members.begin(), c.members.end(), d.drive) == c.members.end()) return false;
  if (!d.witness || d.superblock_epoch > c.epoch.epoch) return false;
  const auto& w = *d.witness;
  if (w.epoch == c.epoch.epoch) return w.incarnation == c.epoch.incarnation && w.sequence <= c.sequence;
  return std::any_of(c.epoch.ancestors.begin(), c.epoch.ancestors.end(), [&w](const format::ancestor& a) {
    return a.epoch == w.epoch && a.incarnation == w.incarnation && w.sequence <= a.last_sequence;
  });
}

}  // namespace

result<choice> choose(const std::vector<candidate>& drives, bool force) {
  std::vector<std::size_t> order(drives.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto key = [&](std::size_t i) {
      return std::tuple(drives[i].loadable, drives[i].epoch.epoch, drives[i].sequence);
    };
    return key(a) > key(b);
  });
  std::string why = "no drive carries a readable configuration";
  for (const std::size_t i : order) {
    const candidate& c = drives[i];
    if (!c.loadable) break;
    choice found{i, {}};
    std::string newer;
    for (std::size_t j = 0; j < drives.size(); ++j) {
      const candidate& d = drives[j];
      if (supports(d, c))
        found.members.push_back(j);
      else if (std::find(c.members.begin(), c.members.end(), d.drive) != c.members.end() && d.witness &&
               std::max(d.witness->epoch, d.superblock_epoch) >= c.epoch.epoch)
        newer = d.name;
    }
    if (found.members.size() * 2 > c.members.size()) return found;
    const std::string said =
        newer.empty() ? fmt::format("{} of {} members are here, more than half are needed", found.members.size(),
                                    c.members.size())
                      : fmt::format("{} knows of a newer configuration, which is damaged or elsewhere", newer);
    if (i == order.front()) why = said;
    // Forced: the newest that can be read, whatever is missing; but never past what a present drive knows to be newer.
    if (force && newer.empty() && !found.members.empty()) return found;
  }
  if (drives.empty() || !drives[order.front()].loadable) return failure(errc::corrupt, why);
  return failure(errc::unavailable, why);
}

}  // namespace vds::array::assembly
