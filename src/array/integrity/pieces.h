// pieces.h: a scatter/gather list taken from its front in blocks of equal size. Copies only what lies in two pieces.
// Borrows the list's memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "array/format/checksum_blocks.h"

namespace vds::array::integrity {

template <class List>
class pieces {
 public:
  explicit pieces(const List& list) : at_(list.begin()), end_(list.end()) {}

  // The next `bytes` (at most a block); valid until the next call. The list has them.
  std::span<const std::byte> next(std::size_t bytes) {
    while (at_ != end_ && within_ == at_->size()) ++at_, within_ = 0;
    if (bytes == 0) return {};
    if (at_->size() - within_ >= bytes) {
      const std::span<const std::byte> out(at_->data() + within_, bytes);
      within_ += bytes;
      return out;
    }
    for (std::size_t done = 0; done < bytes;) {
      if (within_ == at_->size()) {
        ++at_, within_ = 0;
        continue;
      }
      const std::size_t n = std::min(bytes - done, at_->size() - within_);
      std::memcpy(together_.data() + done, at_->data() + within_, n);
      done += n;
      within_ += n;
    }
    return std::span<const std::byte>(together_).first(bytes);
  }

 private:
  decltype(std::declval<const List&>().begin()) at_, end_;
  std::size_t within_ = 0;
  std::array<std::byte, format::summed_block> together_;
};

}  // namespace vds::array::integrity
