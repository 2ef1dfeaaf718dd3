#include "io/faulty/faulty_device.h"

#include <algorithm>

namespace vds::io {

rt::task<result<fault>> faulty_device::enter(request what, lba at, block_count count) {
  if (gone_) co_return errc::unavailable;
  const fault f = rule_ ? rule_({what, at, count, ++requests_}) : (++requests_, fault::none);
  if (latency_ > monotonic::duration{}) co_await executor().sleep_for(latency_);
  if (f == fault::hang) {
    co_await unhang_;
    co_return errc::io_error;
  }
  if (gone_) co_return errc::unavailable;
  if (f == fault::fail) co_return errc::io_error;
  co_return f;
}

rt::task<status> faulty_device::read(lba at, buffers into) {
  const auto g = geometry();
  const auto count = in_blocks(byte_count{total_size(into)}, g.logical);
  auto f = co_await enter(request::read, at, count);
  if (!f) co_return std::move(f).error();
  VDS_CO_RETURN_IF_FAILED(check_range(g, at, count));
  std::vector<std::byte> bytes(total_size(into));
  medium_.peek(at, bytes);
  for (const sector& s : cache_) {
    if (s.at >= at && s.at.n - at.n < count.n)
      std::copy(s.bytes.begin(), s.bytes.end(),
                bytes.begin() + static_cast<std::ptrdiff_t>((s.at.n - at.n) * g.logical.bytes));
  }
  if (*f == fault::flip && !bytes.empty()) bytes[random_.below(bytes.size())] ^= std::byte{1};
  std::size_t done = 0;
  for (buffer piece : into) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), piece.size(), piece.begin());
    done += piece.size();
  }
  if (*f == fault::fail_after) co_return errc::io_error;
  co_return status();
}

void faulty_device::cache_write(lba at, std::span<const std::byte> bytes) {
  const std::size_t block = geometry().logical.bytes;
  for (; !bytes.empty(); bytes = bytes.subspan(block), at += block_count{1})
    cache_.push_back({at, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(block)}});
}

rt::task<status> faulty_device::write(lba at, const_buffers from, durability how) {
  const auto g = geometry();
  const auto count = in_blocks(byte_count{total_size(from)}, g.logical);
  std::vector<std::byte> bytes;
  bytes.reserve(total_size(from));
  for (const_buffer piece : from) bytes.insert(bytes.end(), piece.begin(), piece.end());
  auto f = co_await enter(request::write, at, count);
  if (!f) co_return std::move(f).error();
  VDS_CO_RETURN_IF_FAILED(check_range(g, at, count));
  if (*f == fault::lose) co_return status();
  if (*f == fault::tear) {
    cache_write(at, bytes);
    gone_ = true;
    co_return errc::unavailable;
  }
  if (*f == fault::flip && !bytes.empty()) bytes[random_.below(bytes.size())] ^= std::byte{1};
  if (*f == fault::misdirect) {
    const auto to = static_cast<std::int64_t>(at.n) + blocks_off_;
    if (to >= 0) at = lba{static_cast<std::uint64_t>(to)};
    if (!check_range(g, at, count)) co_return status();
  }
  if (how == durability::fua) {
    // Only these blocks: older unflushed writes elsewhere stay volatile. What was cached for them is superseded.
    std::erase_if(cache_, [&](const sector& s) { return s.at >= at && s.at.n - at.n < count.n; });
    medium_.poke(at, bytes);
  } else {
    cache_write(at, bytes);
  }
  if (*f == fault::fail_after) co_return errc::io_error;
  co_return status();
}

rt::task<status> faulty_device::flush() {
  const std::size_t covered = cache_.size();  // writes that completed before the flush began
  auto f = co_await enter(request::flush, lba{}, block_count{});
  if (!f) co_return std::move(f).error();
  if (*f != fault::lose) {
    for (std::size_t i = 0; i < std::min(covered, cache_.size()); ++i) medium_.poke(cache_[i].at, cache_[i].bytes);
    cache_.erase(cache_.begin(), cache_.begin() + static_cast<std::ptrdiff_t>(std::min(covered, cache_.size())));
  }
  if (*f == fault::fail_after) co_return errc::io_error;
  co_return status();
}

rt::task<status> faulty_device::write_zeroes(lba at, block_count count, bool, durability how) {
  std::vector<std::byte> zeroes((count * geometry().logical).n);
  const const_buffer list[] = {zeroes};
  co_return co_await write(at, const_buffers(list), how);
}

void faulty_device::power_cut(const std::function<bool(std::size_t)>& keep) {
  std::vector<std::size_t> order(cache_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (!keep) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_.below(i)]);
  }
  for (const std::size_t i : order) {
    if (keep ? keep(i) : random_.below(2) == 1) medium_.poke(cache_[i].at, cache_[i].bytes);
  }
  cache_.clear();
  gone_ = true;
}

}  // namespace vds::io
