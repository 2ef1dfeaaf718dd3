// memory.h: what decoding one call has allocated, so that a failure half way leaves nothing behind.
// Invariants: memory is zeroed; the sum stays below max_memory_bytes; until commit() everything (memory and interface
// references) goes with this object. Two kinds: `call` memory lives for the call and comes from chunks; `caller` memory
// is CoTaskMem, handed to the caller by commit(). One thread; owns what it gave out.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "wire/ndr/objects.h"

namespace vds::wire::ndr {

class memory {
 public:
  enum class kind : std::uint8_t { call, caller };
  memory(kind which, object_codec& objects) noexcept : kind_(which), objects_(objects) {}
  ~memory();
  memory(const memory&) = delete;
  memory& operator=(const memory&) = delete;

  void* allocate(std::size_t bytes);  // null: the budget is spent
  void adopt(void* object) { adopted_.push_back(object); }
  void disown(void* object) { std::erase(adopted_, object); }
  void commit() noexcept;  // kind caller: the caller owns it all from here on
  object_codec& objects() const noexcept { return objects_; }

 private:
  kind kind_;
  object_codec& objects_;
  std::size_t spent_ = 0;
  std::size_t first_used_ = 0;
  std::size_t chunk_left_ = 0;
  std::byte* chunk_at_ = nullptr;
  std::vector<void*> blocks_;
  std::vector<void*> adopted_;
  alignas(16) std::array<std::byte, 512> first_;  // most calls need no more
};

}  // namespace vds::wire::ndr
