// turns.h: who goes next when several want the same thing piece by piece, by how much each has had for its weight:
// whoever has had least. So weights are shares of what is done, and at the beginning the heaviest goes first. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/guid.h"

namespace vds::array::layout {

class turns {
 public:
  void add(const guid& who) { waiting_.push_back({who, 0}); }
  void remove(const guid& who) {
    std::erase_if(waiting_, [&who](const entry& e) { return e.who == who; });
  }
  bool empty() const { return waiting_.empty(); }

  // weight(who): at least 1; asked each time, because it may change.
  template <class Weight>
  std::optional<guid> next(Weight weight) const {
    const entry* best = nullptr;
    for (const auto& e : waiting_) {
      if (best != nullptr && e.had > best->had) continue;
      if (best != nullptr && e.had == best->had) {
        const auto mine = weight(e.who), its = weight(best->who);
        if (mine < its || (mine == its && !(e.who < best->who))) continue;
      }
      best = &e;
    }
    return best != nullptr ? std::optional(best->who) : std::nullopt;
  }
  void had(const guid& who, std::uint64_t bytes, unsigned weight) {
    for (auto& e : waiting_)
      if (e.who == who) e.had += std::max<std::uint64_t>(1, bytes / weight);
  }

 private:
  struct entry {
    guid who;
    std::uint64_t had = 0;  // bytes for each of its weight
  };
  std::vector<entry> waiting_;
};

}  // namespace vds::array::layout
