// sum_cache.h: the sums of some regions in memory, read when they are asked for, written back when their room is needed
// or when told to. Bounded: `capacity` regions of 4 KiB each, more only while more are pinned at once.
//
// A region in doubt has sums that cannot be believed: all of them are sum_unknown, whatever the drive holds.
// Errors: get() does not fail. What cannot be read or believed is in doubt from then on; what cannot be written back to
// make room stays in memory, and the next write_back() says why.
// Thread: the device's executor. Borrows the device and the map, which outlive it and its requests.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <unordered_map>

#include "array/integrity/region_map.h"

namespace vds::array::integrity {

class sum_cache {
 public:
  struct entry {
    std::uint32_t region = 0;
    std::array<std::uint32_t, format::sums_per_region> sums{};
    std::uint64_t changes = 0, written = 0;  // the drive holds what it was after `written` changes
    bool loaded = false;
    unsigned pins = 0;
    std::shared_ptr<rt::event> busy;  // being read or written; null: neither
    std::list<entry*>::iterator age;

    bool dirty() const { return changes != written; }
    void set(std::uint32_t index, std::uint32_t sum) {
      if (sums[index] == sum) return;
      sums[index] = sum;
      ++changes;
    }
  };
  // Keeps its entry in memory.
  class [[nodiscard]] pinned {
   public:
    pinned() = default;
    explicit pinned(entry* e) : entry_(e) { ++entry_->pins; }
    pinned(pinned&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    pinned& operator=(pinned&& other) noexcept {
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~pinned() {
      if (entry_ != nullptr) --entry_->pins;
    }
    entry* operator->() const { return entry_; }
    entry& operator*() const { return *entry_; }
    explicit operator bool() const { return entry_ != nullptr; }

   private:
    entry* entry_ = nullptr;
  };

  sum_cache(io::block_device& device, const format::checksum_layout& layout, region_map& map, std::size_t capacity);

  rt::task<pinned> get(std::uint32_t region);
  entry* find(std::uint32_t region);                  // null: not in memory now
  rt::task<status> write_back(std::uint32_t region);  // cached; nothing when the drive has it already

  // In doubt until learned(). from_scratch: also what was written back since is not believed.
  void doubt(std::uint32_t region) { doubtful_[region] = true; }
  void incomplete(std::uint32_t region) { doubtful_.try_emplace(region, false); }  // some are unknown, the others good
  void learned(std::uint32_t region) { doubtful_.erase(region); }
  bool in_doubt(std::uint32_t region) const { return doubtful_.contains(region); }
  const std::map<std::uint32_t, bool>& doubtful() const { return doubtful_; }
  std::uint64_t damaged() const { return damaged_; }  // sum blocks that could not be read or believed
  std::size_t size() const { return entries_.size(); }

 private:
  rt::task<void> load(entry& e);
  rt::task<status> write(entry& e);
  rt::task<void> make_room();

  io::block_device& device_;
  const format::checksum_layout layout_;
  region_map& map_;
  const std::size_t capacity_;
  std::unordered_map<std::uint32_t, std::unique_ptr<entry>> entries_;
  std::list<entry*> by_age_;                // the one used last is first
  std::map<std::uint32_t, bool> doubtful_;  // region, and whether what the drive holds is not believed
  std::uint64_t damaged_ = 0;
};

}  // namespace vds::array::integrity
