#include "wire/ndr/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "com/com.h"
#include "wire/ndr/limits.h"

namespace vds::wire::ndr {

namespace {
constexpr std::size_t chunk_bytes = 16 << 10;
}

memory::~memory() {
  for (void* object : adopted_) objects_.release(object);
  for (void* block : blocks_) kind_ == kind::call ? std::free(block) : CoTaskMemFree(block);
}

void memory::commit() noexcept {
  adopted_.clear();
  if (kind_ == kind::caller) blocks_.clear();
}

void* memory::allocate(std::size_t bytes) {
  if (bytes > max_memory_bytes - spent_) return nullptr;
  bytes = std::max<std::size_t>((bytes + 15) & ~std::size_t{15}, 16);
  spent_ = std::min(spent_ + bytes, max_memory_bytes);
  if (kind_ == kind::caller) {
    blocks_.reserve(blocks_.size() + 1);
    void* block = CoTaskMemAlloc(bytes);
    if (!block) return nullptr;
    blocks_.push_back(block);
    return std::memset(block, 0, bytes);
  }
  if (bytes <= first_.size() - first_used_) {
    void* at = first_.data() + first_used_;
    first_used_ += bytes;
    return std::memset(at, 0, bytes);
  }
  if (bytes > chunk_left_) {
    const std::size_t room = std::max(bytes, chunk_bytes);
    blocks_.reserve(blocks_.size() + 1);
    void* block = std::malloc(room);
    if (!block) return nullptr;
    blocks_.push_back(block);
    chunk_at_ = static_cast<std::byte*>(block);
    chunk_left_ = room;
  }
  void* at = chunk_at_;
  chunk_at_ += bytes;
  chunk_left_ -= bytes;
  return std::memset(at, 0, bytes);
}

}  // namespace vds::wire::ndr
