// extent_set.h: runs of extents, and a set of them that merges neighbours. An extent is the unit of allocation on a
// drive, named by its ordinal. Cost follows the number of runs, not of extents.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/assert.h"

namespace vds::array::layout {

struct run {  // on some drive
  std::uint32_t slot = 0, start = 0, count = 0;
  std::uint64_t end() const { return std::uint64_t{start} + count; }
  bool operator==(const run&) const = default;
};

class extent_set {
 public:
  std::uint64_t size() const { return size_; }
  bool empty() const { return runs_.empty(); }
  std::size_t run_count() const { return runs_.size(); }
  auto begin() const { return runs_.begin(); }  // pair: start, count
  auto end() const { return runs_.end(); }

  bool overlaps(std::uint32_t start, std::uint32_t count) const {
    if (count == 0) return false;
    auto it = runs_.upper_bound(start);
    if (it != runs_.end() && it->first < std::uint64_t{start} + count) return true;
    return it != runs_.begin() && (--it, std::uint64_t{it->first} + it->second > start);
  }
  bool contains(std::uint32_t start, std::uint32_t count) const {
    auto it = runs_.upper_bound(start);
    return it != runs_.begin() && (--it, std::uint64_t{it->first} + it->second >= std::uint64_t{start} + count);
  }
  // Adds what is not yet there.
  void add(std::uint32_t start, std::uint32_t count) {
    if (count == 0) return;
    remove(start, count);
    std::uint64_t from = start, to = std::uint64_t{start} + count;
    auto next = runs_.lower_bound(start);
    if (next != runs_.end() && next->first == to) {
      to += next->second;
      next = runs_.erase(next);
    }
    if (next != runs_.begin()) {
      if (auto before = std::prev(next); before->first + std::uint64_t{before->second} == from) {
        before->second = static_cast<std::uint32_t>(to - before->first);
        size_ += count;
        return;
      }
    }
    runs_.emplace_hint(next, start, static_cast<std::uint32_t>(to - from));
    size_ += count;
  }
  // Removes what is there.
  void remove(std::uint32_t start, std::uint32_t count) {
    if (count == 0) return;
    const std::uint64_t to = std::uint64_t{start} + count;
    auto it = runs_.upper_bound(start);
    if (it != runs_.begin()) --it;
    while (it != runs_.end() && it->first < to) {
      const std::uint64_t a = it->first, b = a + it->second;
      if (b <= start) {
        ++it;
        continue;
      }
      it = runs_.erase(it);
      size_ -= b - a;
      if (a < start) insert(a, start - a);
      if (b > to) insert(to, b - to);
    }
  }
  void clear() { runs_.clear(), size_ = 0; }

 private:
  void insert(std::uint64_t start, std::uint64_t count) {
    runs_.emplace(static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(count));
    size_ += count;
  }
  std::map<std::uint32_t, std::uint32_t> runs_;
  std::uint64_t size_ = 0;
};

}  // namespace vds::array::layout
