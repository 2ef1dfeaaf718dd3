// allocator.h: which extents of each drive are free, and which of those read as zeros (clean) or still hold deleted
// data (dirty). Derived from the configuration at assembly and kept true by whoever changes it. Only clean extents are
// given out. A reservation is simply a removal; releasing one that was never used puts it back.
#pragma once

#include <unordered_map>
#include <vector>

#include "array/layout/extent_set.h"

namespace vds::array::layout {

class allocator {
 public:
  struct drive_space {
    std::uint32_t slot = 0, extents = 0;
    extent_set clean, dirty;
  };

  void add_drive(std::uint32_t slot, std::uint32_t extents, bool clean) {
    auto& d = drives_[slot];
    d.slot = slot;
    d.extents = extents;
    (clean ? d.clean : d.dirty).add(0, extents);
  }
  void remove_drive(std::uint32_t slot) { drives_.erase(slot); }
  drive_space* find(std::uint32_t slot) {
    const auto it = drives_.find(slot);
    return it == drives_.end() ? nullptr : &it->second;
  }
  const drive_space* find(std::uint32_t slot) const { return const_cast<allocator*>(this)->find(slot); }

  std::uint64_t clean(std::uint32_t slot) const {
    const auto* d = find(slot);
    return d ? d->clean.size() : 0;
  }
  std::uint64_t dirty(std::uint32_t slot) const {
    const auto* d = find(slot);
    return d ? d->dirty.size() : 0;
  }

  // Takes `count` clean extents of one drive: one run if there is one long enough, else the longest found on the way,
  // lowest first. The caller has checked clean(slot) >= count.
  std::vector<run> take(std::uint32_t slot, std::uint64_t count) {
    auto& d = drives_.at(slot);
    always(d.clean.size() >= count);
    std::vector<run> out;
    for (const auto& [start, n] : d.clean) {
      if (n >= count) {
        out.push_back({slot, start, static_cast<std::uint32_t>(count)});
        break;
      }
    }
    if (out.empty() && count > 0) {
      for (auto it = d.clean.begin(); count > 0; ++it) {
        const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(it->second, count));
        out.push_back({slot, it->first, n});
        count -= n;
      }
    }
    for (const run& r : out) d.clean.remove(r.start, r.count);
    return out;
  }
  void give_back(const run& r) {
    if (auto* d = find(r.slot)) d->clean.add(r.start, r.count);
  }
  void freed(const run& r) {
    if (auto* d = find(r.slot)) d->dirty.add(r.start, r.count);
  }
  void wiped(const run& r) {
    if (auto* d = find(r.slot)) {
      d->dirty.remove(r.start, r.count);
      d->clean.add(r.start, r.count);
    }
  }
  // At assembly: these belong to a LUN, or hold deleted data.
  void mark_used(const run& r) {
    if (auto* d = find(r.slot)) d->clean.remove(r.start, r.count);
  }
  void mark_dirty(const run& r) {
    if (auto* d = find(r.slot)) {
      d->clean.remove(r.start, r.count);
      d->dirty.add(r.start, r.count);
    }
  }

 private:
  std::unordered_map<std::uint32_t, drive_space> drives_;
};

}  // namespace vds::array::layout
