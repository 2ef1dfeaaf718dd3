// aligned_buffer.h: memory that O_DIRECT takes: 4096-byte aligned, one owner, zeroed on request. Move-only.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "base/units.h"

namespace vds::io {

inline constexpr std::size_t buffer_alignment = 4096;

class aligned_buffer {
 public:
  aligned_buffer() = default;
  // Uninitialised. Throws std::bad_alloc.
  explicit aligned_buffer(std::size_t size)
      : memory_(static_cast<std::byte*>(
            std::aligned_alloc(buffer_alignment, round_up(size == 0 ? 1 : size, buffer_alignment)))),
        size_(size) {
    if (!memory_) throw std::bad_alloc();
  }
  static aligned_buffer zeroed(std::size_t size) {
    aligned_buffer b(size);
    std::memset(b.data(), 0, size);
    return b;
  }

  std::byte* data() noexcept { return memory_.get(); }
  const std::byte* data() const noexcept { return memory_.get(); }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> span() noexcept { return {memory_.get(), size_}; }
  std::span<const std::byte> span() const noexcept { return {memory_.get(), size_}; }

 private:
  struct freer {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<std::byte, freer> memory_;
  std::size_t size_ = 0;
};

}  // namespace vds::io
