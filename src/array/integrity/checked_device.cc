#include "array/integrity/checked_device.h"

#include <fmt/format.h>

#include "array/integrity/pieces.h"
#include "base/log.h"
#include "io/aligned_buffer.h"

namespace vds::array::integrity {

using format::summed_block;
using format::sums_per_region;

namespace {
constexpr std::uint32_t ahead = 15;  // regions that are marked in advance when writes come one after the other

bool all_zeros(std::span<const std::byte> data) {
  return data[0] == std::byte{0} && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}
std::uint32_t region_of(std::uint64_t block) { return static_cast<std::uint32_t>(block / sums_per_region); }
std::uint32_t index_of(std::uint64_t block) { return static_cast<std::uint32_t>(block % sums_per_region); }
}  // namespace

checked_device::checked_device(std::unique_ptr<io::block_device> device, const format::checksum_layout& layout,
                               std::size_t cached_regions)
    : device_(std::move(device)),
      layout_(layout),
      sum_(layout.drive),
      sector_(device_->geometry().logical.bytes),
      map_(*device_, layout_),
      sums_(*device_, layout_, map_, cached_regions),
      lock_(device_->executor()) {}
checked_device::~checked_device() = default;

void checked_device::exempt(std::uint64_t from, std::uint64_t bytes) {
  exempt_[from - layout_.data_offset] = from - layout_.data_offset + bytes;
}

std::optional<checked_device::span_of_blocks> checked_device::checked(lba at, std::uint64_t bytes) const {
  const std::uint64_t place = at.n * sector_;
  if (bytes == 0 || place < layout_.data_offset || place - layout_.data_offset >= layout_.data_bytes) return {};
  span_of_blocks b;
  b.from = place - layout_.data_offset;
  b.to = b.from + bytes;
  always(b.to <= layout_.data_bytes);
  if (!exempt_.empty()) {
    const auto after = exempt_.upper_bound(b.from);
    if (after != exempt_.begin() && std::prev(after)->second > b.from) return {};
  }
  b.first = b.from / summed_block;
  b.last = (b.to - 1) / summed_block;
  return b;
}

lba checked_device::place_of(std::uint64_t data_offset) const {
  return lba{(layout_.data_offset + data_offset) / sector_};
}

checksum_counts checked_device::counts() const {
  auto out = counts_;
  out.damaged = sums_.damaged();
  return out;
}

std::uint32_t checked_device::sum_in(const pins& of, const span_of_blocks& b, std::uint64_t block) {
  return of[region_of(block) - b.first_region()]->sums[index_of(block)];
}

// Reading ------------------------------------------------------------------------------------------------------------

bool checked_device::holds(std::uint64_t block, std::uint32_t sum, std::span<const std::byte> data) const {
  switch (sum) {
    case format::sum_of_zeros:
      return all_zeros(data);
    case format::sum_unknown:
      return true;
    case format::sum_poisoned:
      return false;
    default:
      return sum_.of(block, data) == sum;
  }
}

std::optional<std::uint64_t> checked_device::first_wrong(const span_of_blocks& b, const std::vector<io::buffer>& data,
                                                         const pins& sums) const {
  pieces from(data);
  for (std::uint64_t block = b.first; block <= b.last; ++block) {
    if (!holds(block, sum_in(sums, b, block), from.next(summed_block))) return block;
  }
  return {};
}

failure checked_device::wrong(std::uint64_t block) {
  constexpr std::size_t most = 65536;  // noted; more are counted as often as they are read
  if (bad_.size() >= most || bad_.insert(block).second) {
    const bool often = ++counts_.corrupt > 16 && !std::has_single_bit(counts_.corrupt);
    if (!often)
      log::warn("{}: the block at {} is not what was written there", device_->name(),
                layout_.data_offset + block * summed_block);
  }
  if (counts_.corrupt == 1)
    if (const auto call = std::exchange(on_first_corrupt_, nullptr)) call();
  return failure(errc::bad_checksum,
                 fmt::format("{}, at {}", device_->name(), layout_.data_offset + block * summed_block));
}

bool checked_device::pin_cached(const span_of_blocks& b, pins& into) {
  into.clear();
  for (std::uint32_t r = b.first_region(); r <= b.last_region(); ++r) {
    auto* e = sums_.find(r);
    if (e == nullptr) {
      into.clear();
      return false;
    }
    into.emplace_back(e);
  }
  return true;
}

rt::task<status> checked_device::pin(span_of_blocks b, pins& into) {
  const bool was_settled = settled();
  into.clear();
  for (std::uint32_t r = b.first_region(); r <= b.last_region(); ++r) into.push_back(co_await sums_.get(r));
  if (!settled()) said_unsettled(was_settled);  // what the drive had could not be believed
  co_return status();
}

rt::task<status> checked_device::read(lba at, io::buffers into) {
  const auto found = checked(at, io::total_size(into));
  if (!found) co_return co_await device_->read(at, into);
  const span_of_blocks b = *found;
  // The whole of the blocks at both ends.
  io::aligned_buffer head, tail;
  std::vector<io::buffer> whole;
  whole.reserve(into.size() + 2);
  if (b.head() > 0) {
    head = io::aligned_buffer(b.head());
    whole.push_back(head.span());
  }
  whole.insert(whole.end(), into.begin(), into.end());
  if (b.tail() > 0) {
    tail = io::aligned_buffer(b.tail());
    whole.push_back(tail.span());
  }
  const io::buffers list(whole);
  pins sums;
  status s;
  if (pin_cached(b, sums)) {
    s = co_await device_->read(place_of(b.begin()), list);
  } else {
    std::vector<rt::task<status>> both;
    both.push_back(device_->read(place_of(b.begin()), list));
    both.push_back(pin(b, sums));
    auto results = co_await rt::when_all(std::move(both));
    s = std::move(results[0]);
  }
  if (!s || !first_wrong(b, whole, sums)) co_return s;
  // A write may have been under way; or the bytes were wrong once, on their way.
  const auto held = co_await lock_.take(b.begin(), b.bytes());
  s = co_await device_->read(place_of(b.begin()), list);
  if (!s) co_return s;
  const auto found_wrong = first_wrong(b, whole, sums);
  if (!found_wrong) co_return status();
  const auto why = wrong(*found_wrong);
  pieces data(whole);
  for (std::uint64_t block = b.first; block <= b.last; ++block) {
    const auto bytes = data.next(summed_block);
    if (block > *found_wrong && !holds(block, sum_in(sums, b, block), bytes)) (void)wrong(block);
  }
  co_return why;
}

// Nothing else runs meanwhile, so nothing need be pinned.
bool checked_device::all_cached(const span_of_blocks& b) {
  for (std::uint32_t r = b.first_region(); r <= b.last_region(); ++r)
    if (sums_.find(r) == nullptr) return false;
  return true;
}

std::optional<status> checked_device::try_read(lba at, io::buffer into) {
  const auto b = checked(at, into.size());
  if (!b) return device_->try_read(at, into);
  if (b->head() > 0 || b->tail() > 0 || !all_cached(*b)) return std::nullopt;
  auto s = device_->try_read(at, into);
  if (!s || !*s) return s;
  const sum_cache::entry* e = nullptr;
  for (std::uint64_t block = b->first; block <= b->last; ++block, into = into.subspan(summed_block)) {
    if (e == nullptr || index_of(block) == 0) e = sums_.find(region_of(block));
    if (!holds(block, e->sums[index_of(block)], into.first(summed_block))) return std::nullopt;
  }
  return s;
}

// Writing ------------------------------------------------------------------------------------------------------------

void checked_device::begin_activity(std::uint32_t region) {
  auto& a = active_[region];
  a.last = executor().now();
}

void checked_device::said_unsettled(bool was_settled) {
  if (was_settled && on_unsettled_) on_unsettled_();
}

rt::task<status> checked_device::enter(const span_of_blocks& b) {
  const bool was_settled = settled();
  bool marked = true;
  for (std::uint32_t r = b.first_region(); r <= b.last_region(); ++r) {
    auto& a = active_[r];
    a.writers += 1;
    a.entries += 1;
    marked = marked && map_.is_marked(r);
  }
  if (marked) co_return status();
  std::uint32_t end = b.last_region() + 1;
  if (b.first_region() > 0 && active_.contains(b.first_region() - 1)) {
    end = std::min(end + ahead, layout_.regions);
    for (std::uint32_t r = b.last_region() + 1; r < end; ++r) begin_activity(r);
  }
  said_unsettled(was_settled);
  auto s = co_await map_.mark(b.first_region(), end - b.first_region());
  if (!s) leave(b);
  co_return s;
}

void checked_device::leave(const span_of_blocks& b) {
  const auto now = executor().now();
  for (std::uint32_t r = b.first_region(); r <= b.last_region(); ++r) {
    auto& a = active_.at(r);
    a.writers -= 1;
    a.last = now;
  }
}

rt::task<std::uint32_t> checked_device::merged(std::uint64_t block, std::uint64_t offset,
                                               std::span<const std::byte> fresh, std::uint32_t sum) {
  io::aligned_buffer whole(summed_block);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto s = co_await device_->read(place_of(block * summed_block), io::buffer(whole.span()));
    if (!s) co_return format::sum_unknown;  // the device itself says so, whenever the rest is read
    if (!holds(block, sum, whole.span())) continue;
    std::memcpy(whole.data() + offset, fresh.data(), fresh.size());
    co_return sum_.of(block, whole.span());
  }
  (void)wrong(block);
  co_return format::sum_poisoned;  // what it has besides stays wrong
}

void checked_device::written(sum_cache::entry& e, std::uint64_t block, std::uint32_t sum) {
  e.set(index_of(block), sum);
  if (sum == format::sum_unknown) sums_.incomplete(e.region);
  if (!bad_.empty() && sum != format::sum_poisoned) counts_.repaired += bad_.erase(block);
}

void checked_device::not_written(sum_cache::entry& e, std::uint64_t block) {
  const bool was_wrong = e.sums[index_of(block)] == format::sum_poisoned || bad_.contains(block);
  e.set(index_of(block), was_wrong ? format::sum_poisoned : format::sum_unknown);
  if (!was_wrong) sums_.incomplete(e.region);
}

rt::task<status> checked_device::modify(const span_of_blocks& b, io::const_buffers from, bool zeros, io::durability how,
                                        bool may_unmap) {
  const auto held = co_await lock_.take(b.begin(), b.bytes());
  auto s = co_await enter(b);
  if (!s) co_return std::move(s).error().in("marking what is about to change on", device_->name());
  pins sums;
  if (!pin_cached(b, sums)) (void)co_await pin(b, sums);
  std::vector<std::uint32_t> fresh(b.last - b.first + 1, format::sum_of_zeros);
  static constexpr std::array<std::byte, summed_block> no_bytes{};
  pieces data(from);
  for (std::uint64_t block = b.first; block <= b.last; ++block) {
    const std::uint64_t lo = std::max(b.from, block * summed_block), hi = std::min(b.to, (block + 1) * summed_block);
    const auto bytes = zeros ? std::span<const std::byte>(no_bytes).first(hi - lo) : data.next(hi - lo);
    auto& sum = fresh[block - b.first];
    if (hi - lo < summed_block)
      sum = co_await merged(block, lo % summed_block, bytes, sum_in(sums, b, block));
    else if (!zeros)
      sum = sum_.of(block, bytes);
  }
  const lba at = place_of(b.from);
  if (zeros)
    s = co_await device_->write_zeroes(at, block_count{(b.to - b.from) / sector_}, may_unmap, how);
  else
    s = co_await device_->write(at, from, how);
  for (std::uint64_t block = b.first; block <= b.last; ++block) {
    auto& e = *sums[region_of(block) - b.first_region()];
    if (s)
      written(e, block, fresh[block - b.first]);
    else
      not_written(e, block);
  }
  leave(b);
  co_return s;
}

rt::task<status> checked_device::write(lba at, io::const_buffers from, io::durability how) {
  const auto b = checked(at, io::total_size(from));
  if (!b) co_return co_await device_->write(at, from, how);
  co_return co_await modify(*b, from, false, how, false);
}

rt::task<status> checked_device::write_zeroes(lba at, block_count count, bool may_unmap, io::durability how) {
  const auto b = checked(at, count.n * sector_);
  if (!b) co_return co_await device_->write_zeroes(at, count, may_unmap, how);
  co_return co_await modify(*b, {}, true, how, may_unmap);
}

std::optional<status> checked_device::try_write(lba at, io::const_buffer from, io::durability how) {
  const auto b = checked(at, from.size());
  if (!b) return device_->try_write(at, from, how);
  if (b->head() > 0 || b->tail() > 0 || !lock_.idle() || !all_cached(*b)) return std::nullopt;
  for (std::uint32_t r = b->first_region(); r <= b->last_region(); ++r)
    if (!map_.is_marked(r) || !active_.contains(r)) return std::nullopt;
  auto s = device_->try_write(at, from, how);
  const bool done = s && *s;
  const auto now = executor().now();
  for (std::uint64_t block = b->first; block <= b->last; ++block, from = from.subspan(summed_block)) {
    auto& e = *sums_.find(region_of(block));
    if (done)
      written(e, block, sum_.of(block, from.first(summed_block)));
    else
      not_written(e, block);
  }
  for (std::uint32_t r = b->first_region(); r <= b->last_region(); ++r) {
    auto& a = active_.at(r);
    a.entries += 1;
    a.last = now;
  }
  return s;
}

}  // namespace vds::array::integrity
