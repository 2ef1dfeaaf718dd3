#include "iscsi/session/buffers.h"

#include <bit>

namespace vds::iscsi {

std::size_t buffer_pool::class_of(std::size_t size) {
  if (size <= smallest) return 0;
  return static_cast<std::size_t>(std::bit_width((size - 1) / smallest));
}

io::aligned_buffer buffer_pool::take(std::size_t size) {
  const std::size_t c = class_of(size);
  if (c >= classes) return io::aligned_buffer(size);
  if (free_[c].empty()) return io::aligned_buffer(smallest << c);
  io::aligned_buffer b = std::move(free_[c].back());
  free_[c].pop_back();
  return b;
}

void buffer_pool::give(io::aligned_buffer b) {
  const std::size_t c = class_of(b.size());
  if (c >= classes || b.size() != smallest << c) return;
  if ((free_[c].size() + 1) * b.size() <= kept_bytes) free_[c].push_back(std::move(b));
}

void byte_budget::give(std::size_t bytes) {
  left_ += bytes;
  while (!waiters_.empty() && waiters_.front().bytes <= left_) {
    left_ -= waiters_.front().bytes;
    executor_.post([h = waiters_.front().handle] { h.resume(); });
    waiters_.pop_front();
  }
}

data_buffer& data_buffer::operator=(data_buffer&& other) noexcept {
  if (this == &other) return *this;
  release();
  memory_ = std::move(other.memory_);
  size_ = std::exchange(other.size_, 0);
  pool_ = std::exchange(other.pool_, nullptr);
  budget_ = std::exchange(other.budget_, nullptr);
  budgeted_ = std::exchange(other.budgeted_, 0);
  return *this;
}

void data_buffer::release() {
  if (pool_ == nullptr) return;
  std::exchange(pool_, nullptr)->give(std::move(memory_));
  size_ = 0;
  if (budget_ != nullptr && budgeted_ != 0) budget_->give(budgeted_);
  budget_ = nullptr;
  budgeted_ = 0;
}

}  // namespace vds::iscsi
