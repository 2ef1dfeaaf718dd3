// model.h: what an observer outside the array knows: which changes and writes were asked for, which were acknowledged,
// which flushed. After a power cut it judges what the array says. For the crash tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "array/testing/rig.h"

namespace vds::array::testing {

// One block of a LUN: the values it may have after a power cut.
struct block_model {
  std::uint64_t durable = 0;         // acknowledged, and flushed or FUA
  std::set<std::uint64_t> possible;  // written since, acknowledged or not
};

struct lun_model {
  enum class state { asked, there, deleting, gone } is = state::asked;
  lun_type type{};
  std::uint64_t blocks = 0;  // of 4096 bytes
  std::string name;
  std::uint64_t name_asked = 0;                         // when that name was asked for
  std::map<std::uint64_t, std::string> possible_names;  // asked for later, not answered; by when
  bool may_be_called(const std::string& n) const {
    return n == name ||
           std::any_of(possible_names.begin(), possible_names.end(), [&n](auto& p) { return p.second == n; });
  }
  std::map<std::uint64_t, block_model> content;
};

inline std::vector<std::byte> block_of(std::uint64_t value) {
  std::vector<std::byte> out(4096);
  for (std::size_t i = 0; i < out.size(); i += 8) std::memcpy(out.data() + i, &value, 8);
  if (value == 0) std::fill(out.begin(), out.end(), std::byte{0});
  return out;
}

// Every extent of every drive belongs to at most one LUN, lies within the data area, and used, free and wiping extents
// add up to the drive: nothing leaked. Works from what the array says of its LUNs, not from its own bookkeeping.
inline void check_extents(const vds::array::array& a, std::uint32_t extent_bytes) {
  std::map<guid, std::map<std::uint64_t, std::uint64_t>> used;  // drive -> offset -> end
  std::map<guid, std::uint64_t> total;
  for (const auto& lun : a.luns()) {
    for (const auto& p : lun.plexes) {
      std::set<guid> of_plex(p.drives.begin(), p.drives.end());
      for (const auto& other : lun.plexes) {
        if (other.id == p.id) continue;
        for (const auto& d : other.drives) EXPECT_FALSE(of_plex.contains(d)) << "two plexes on one drive";
      }
      for (const auto& e : p.extents) {
        EXPECT_TRUE(used[e.drive].emplace(e.offset.n, e.offset.n + e.size.n).second) << "an extent twice";
        EXPECT_EQ(e.size.n % extent_bytes, 0U);
        total[e.drive] += e.size.n;
      }
    }
  }
  for (const auto& d : a.drives()) {
    if (d.state != drive_state::online) continue;
    std::uint64_t end = 0;
    for (const auto& [from, to] : used[d.id]) {
      EXPECT_LE(end, from) << "extents overlap";
      end = to;
    }
    EXPECT_LE(end, d.size.n);
    EXPECT_EQ(total[d.id] + d.free.n + d.wiping.n, d.capacity.n) << "space leaked or made up";
  }
}

}  // namespace vds::array::testing
