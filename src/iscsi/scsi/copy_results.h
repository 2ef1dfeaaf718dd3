// copy_results.h: what became of EXTENDED COPY commands, for RECEIVE COPY RESULTS, by I_T nexus and list identifier.
// Bounded: the oldest are forgotten. Thread: the LUN's executor.
#pragma once

#include <cstdint>
#include <vector>

namespace vds::iscsi {

class copy_results {
 public:
  static constexpr std::size_t kept = 64;

  struct entry {
    std::uint64_t nexus = 0;
    std::uint8_t list = 0;
    bool done = false, failed = false;
    std::uint16_t segments = 0;  // processed
    std::uint64_t bytes = 0;     // written
  };
  // Null: nothing is known of it.
  entry* find(std::uint64_t nexus, std::uint8_t list) {
    for (entry& e : entries_)
      if (e.nexus == nexus && e.list == list) return &e;
    return nullptr;
  }
  entry& begin(std::uint64_t nexus, std::uint8_t list) {
    forget(nexus, list);
    if (entries_.size() == kept) entries_.erase(entries_.begin());
    return entries_.emplace_back(entry{nexus, list});
  }
  void forget(std::uint64_t nexus, std::uint8_t list) {
    std::erase_if(entries_, [&](const entry& e) { return e.nexus == nexus && e.list == list; });
  }
  void forget(std::uint64_t nexus) {
    std::erase_if(entries_, [&](const entry& e) { return e.nexus == nexus; });
  }

 private:
  std::vector<entry> entries_;
};

}  // namespace vds::iscsi
