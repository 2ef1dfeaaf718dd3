// byte_set.h: a set of bytes of a drive, as runs. Cost follows the number of runs. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

namespace vds::array::layout {

class byte_set {
 public:
  bool empty() const { return runs_.empty(); }
  std::size_t run_count() const { return runs_.size(); }
  auto begin() const { return runs_.begin(); }  // pair: from, to
  auto end() const { return runs_.end(); }
  bool operator==(const byte_set&) const = default;

  std::uint64_t overlap(std::uint64_t at, std::uint64_t bytes) const {
    std::uint64_t n = 0;
    for (auto it = first(at); it != runs_.end() && it->first < at + bytes; ++it)
      n += std::min(it->second, at + bytes) - std::max(it->first, at);
    return n;
  }
  bool overlaps(std::uint64_t at, std::uint64_t bytes) const {
    const auto it = first(at);
    return bytes != 0 && it != runs_.end() && it->first < at + bytes;
  }
  void add(std::uint64_t at, std::uint64_t bytes) {
    if (bytes == 0) return;
    remove(at, bytes);
    std::uint64_t from = at, to = at + bytes;
    if (auto next = runs_.find(to); next != runs_.end()) {
      to = next->second;
      runs_.erase(next);
    }
    if (auto next = runs_.lower_bound(from); next != runs_.begin() && std::prev(next)->second == from) {
      std::prev(next)->second = to;
      return;
    }
    runs_.emplace(from, to);
  }
  void remove(std::uint64_t at, std::uint64_t bytes) {
    if (bytes == 0) return;
    const std::uint64_t to = at + bytes;
    for (auto it = first(at); it != runs_.end() && it->first < to;) {
      const auto [a, b] = *it;
      it = runs_.erase(it);
      if (a < at) runs_.emplace(a, at);
      if (b > to) runs_.emplace(to, b);
    }
  }

 private:
  std::map<std::uint64_t, std::uint64_t>::const_iterator first(std::uint64_t at) const {
    auto it = runs_.upper_bound(at);
    if (it != runs_.begin() && std::prev(it)->second > at) --it;
    return it;
  }
  std::map<std::uint64_t, std::uint64_t> runs_;  // from -> to; apart from each other
};

}  // namespace vds::array::layout
