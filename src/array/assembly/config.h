// config.h: the configuration that the log describes: which drives, which LUNs on which extents, which operations have
// ended. apply() is the only way to change it, at assembly from the log and in life after a batch is durable: so what
// is in memory is what a restart would find. No I/O; one executor.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "array/format/records.h"
#include "array/layout/allocator.h"
#include "array/layout/byte_set.h"

namespace vds::array::assembly {

inline constexpr std::size_t max_operations = 16384;  // outcomes kept
inline constexpr std::size_t max_luns = 131072;       // LUN numbers there are

struct config {
  guid array_id;
  std::uint64_t sequence = 0;
  format::array_record array;
  format::epoch_record epoch;
  bool clean = false;
  std::map<std::uint32_t, format::drive_record> drives;  // by slot
  std::unordered_map<std::uint32_t, layout::extent_set> dirty;
  std::map<std::uint32_t, std::vector<layout::run>> stripe_journals;  // by slot
  std::map<std::uint32_t, layout::byte_set> unreadable;               // by slot; of what is in use
  std::unordered_map<guid, std::shared_ptr<const format::lun_record>> luns;
  std::map<std::string, format::bytes, std::less<>> settings;  // by key
  std::deque<guid> operation_order;                            // oldest first; may name forgotten ones
  std::unordered_map<guid, guid> operations;                   // id -> LUN
  std::size_t operation_limit = max_operations;                // less on small drives
  std::size_t encoded_bytes = 0;                               // of LUNs and settings, about what a snapshot takes

  status apply(format::record&& r);
  status apply(std::span<const std::byte> payload);

  const format::drive_record* drive_by_id(const guid& id) const;
  std::size_t members() const;

  // What a setting adds to encoded_bytes.
  static std::size_t weight(std::string_view key, const format::bytes& value) { return 16 + key.size() + value.size(); }

  // Everything but LUNs, as records; then LUN by LUN. Together, in any interleaving with later changes, a snapshot.
  void encode_head(format::bytes& out) const;
  void encode_tail(format::bytes& out) const;  // operations

  // No extent in two places, none beyond its drive, every LUN's plexes hold its size, numbers and names within limits.
  // Returns the free space that follows from it.
  result<layout::allocator> check() const;
};

}  // namespace vds::array::assembly
