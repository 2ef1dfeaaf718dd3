// What a checked device does besides requests: opening, learning sums from the data, settling.
#include "array/integrity/checked_device.h"
#include "base/log.h"
#include "io/aligned_buffer.h"

namespace vds::array::integrity {

using format::summed_block;
using format::sums_per_region;

namespace {
constexpr std::uint32_t learned_at_once = 4, settled_at_once = 64;  // regions
constexpr std::uint64_t read_at_once = 256;                         // blocks
}  // namespace

rt::task<status> checked_device::open() {
  const auto changing = co_await map_.load();
  for (const auto r : changing) {
    sums_.doubt(r);
    active_[r].last = executor().now();
  }
  if (!changing.empty())
    log::info("checksums of {}: {} of {} regions were being written; theirs are made anew from the data",
              device_->name(), changing.size(), layout_.regions);
  co_return status();
}

rt::task<status> checked_device::format() { return map_.format(); }

bool checked_device::idle_since(monotonic::time_point before, bool learn) const {
  if (learn && !sums_.doubtful().empty()) return true;
  for (const auto& [r, a] : active_)
    if (a.writers == 0 && a.last <= before && !sums_.in_doubt(r)) return true;
  return false;
}

// What the blocks hold is taken for what was written, where nobody knows.
rt::task<status> checked_device::learn_region(std::uint32_t region) {
  const std::uint64_t first = std::uint64_t{region} * sums_per_region;
  const std::uint64_t end = std::min(first + sums_per_region, layout_.data_bytes / summed_block);
  const span_of_blocks b{first * summed_block, end * summed_block, first, end - 1};
  auto s = co_await enter(b);
  if (!s) co_return std::move(s).error().in("marking what is about to change on", device_->name());
  const auto sums = co_await sums_.get(region);
  for (std::uint64_t at = first; at < end; at += read_at_once) {
    const std::uint64_t n = std::min(read_at_once, end - at);
    const auto held = co_await lock_.take(at * summed_block, n * summed_block);
    io::aligned_buffer data(n * summed_block);
    const auto whole = co_await device_->read(place_of(at * summed_block), io::buffer(data.span()));
    for (std::uint64_t i = 0; i < n; ++i) {
      const auto index = static_cast<std::uint32_t>(at + i - first);
      if (sums->sums[index] != format::sum_unknown) continue;
      const auto block = data.span().subspan(i * summed_block, summed_block);
      if (!whole) {
        const auto one = co_await device_->read(place_of((at + i) * summed_block), io::buffer(block));
        if (!one) continue;  // stays unknown
      }
      sums->set(index, sum_.of(at + i, block));
      ++counts_.learned;
    }
  }
  sums_.learned(region);
  leave(b);
  co_return status();
}

rt::task<status> checked_device::settle(monotonic::time_point before, bool learn) {
  for (std::uint32_t i = 0; learn && i < learned_at_once && !sums_.doubtful().empty(); ++i) {
    auto s = co_await learn_region(sums_.doubtful().begin()->first);
    if (!s) co_return s;
  }
  std::vector<std::pair<std::uint32_t, std::uint64_t>> idle;
  for (const auto& [r, a] : active_)
    if (a.writers == 0 && a.last <= before && !sums_.in_doubt(r) && idle.size() < settled_at_once)
      idle.emplace_back(r, a.entries);
  if (idle.empty()) co_return status();
  std::vector<rt::task<status>> writes;
  for (const auto& [r, entries] : idle) writes.push_back(sums_.write_back(r));
  for (auto& s : co_await rt::when_all(std::move(writes)))
    if (!s) co_return std::move(s);
  // Data and sums.
  if (auto s = co_await device_->flush(); !s) co_return s;
  for (const auto& [r, entries] : idle) {
    const auto it = active_.find(r);
    if (it == active_.end() || it->second.writers > 0 || it->second.entries != entries || sums_.in_doubt(r)) continue;
    if (const auto* e = sums_.find(r); e != nullptr && e->dirty()) continue;
    active_.erase(it);
    map_.set(r, {false, map_.wanted(r).generation});
  }
  co_return co_await map_.write_changed();
}

}  // namespace vds::array::integrity
