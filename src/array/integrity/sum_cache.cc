#include "array/integrity/sum_cache.h"

#include "base/log.h"
#include "io/aligned_buffer.h"

namespace vds::array::integrity {

sum_cache::sum_cache(io::block_device& device, const format::checksum_layout& layout, region_map& map,
                     std::size_t capacity)
    : device_(device), layout_(layout), map_(map), capacity_(capacity) {}

sum_cache::entry* sum_cache::find(std::uint32_t region) {
  const auto it = entries_.find(region);
  if (it == entries_.end() || !it->second->loaded) return nullptr;
  auto& e = *it->second;
  if (e.age != by_age_.begin()) by_age_.splice(by_age_.begin(), by_age_, e.age);
  return &e;
}

rt::task<sum_cache::pinned> sum_cache::get(std::uint32_t region) {
  auto& slot = entries_[region];
  if (!slot) {
    slot = std::make_unique<entry>();
    slot->region = region;
    by_age_.push_front(slot.get());
    slot->age = by_age_.begin();
    pinned mine(slot.get());
    co_await load(*mine);
    co_await make_room();
    co_return std::move(mine);
  }
  pinned mine(slot.get());
  while (!mine->loaded) {
    const auto busy = mine->busy;
    co_await *busy;
  }
  by_age_.splice(by_age_.begin(), by_age_, mine->age);
  co_return std::move(mine);
}

rt::task<void> sum_cache::load(entry& e) {
  const auto done = e.busy = std::make_shared<rt::event>(device_.executor());
  const auto state = map_.wanted(e.region);
  const auto doubted = doubtful_.find(e.region);
  if (doubted != doubtful_.end() && doubted->second) {
    e.sums.fill(format::sum_unknown);
    ++e.changes;
  } else if (state.generation == 0) {
    e.sums.fill(format::sum_of_zeros);
  } else {
    io::aligned_buffer raw(format::format_block);
    const std::uint64_t place = layout_.sum_place(e.region);
    auto s = co_await device_.read(lba{place / device_.geometry().logical.bytes}, io::buffer(raw.span()));
    auto image = s ? format::decode_sums(std::span<const std::byte, 4096>(raw.data(), 4096), layout_.drive, place)
                   : result<format::sum_image>(std::move(s).error());
    if (image && image->generation != state.generation)
      image = failure(errc::stale, "it is not the one that was written last");
    if (image) {
      e.sums = image->sums;
    } else {
      log::warn("checksums of {}: those of region {} are lost ({}); they are made anew from the data", device_.name(),
                e.region, image.error());
      ++damaged_;
      doubt(e.region);
      e.sums.fill(format::sum_unknown);
      ++e.changes;
    }
  }
  e.loaded = true;
  e.busy.reset();
  done->set();
}

rt::task<status> sum_cache::write(entry& e) {
  const auto done = e.busy = std::make_shared<rt::event>(device_.executor());
  const std::uint64_t changes = e.changes;
  format::sum_image image;
  image.generation = format::next_generation(map_.wanted(e.region).generation);
  image.sums = e.sums;
  io::aligned_buffer raw(format::format_block);
  const std::uint64_t place = layout_.sum_place(e.region);
  format::encode(image, layout_.drive, place, std::span<std::byte, 4096>(raw.data(), 4096));
  auto s = co_await device_.write(lba{place / device_.geometry().logical.bytes}, io::const_buffer(raw.span()),
                                  io::durability::cached);
  if (s) {
    map_.set(e.region, {map_.wanted(e.region).changing, image.generation});
    e.written = changes;
  }
  e.busy.reset();
  done->set();
  if (!s) co_return std::move(s).error().in("writing checksums of", device_.name());
  co_return status();
}

rt::task<status> sum_cache::write_back(std::uint32_t region) {
  for (;;) {
    auto* e = find(region);
    if (e == nullptr || !e->dirty()) co_return status();
    const pinned mine(e);
    if (const auto busy = e->busy) {
      co_await *busy;
      continue;
    }
    co_return co_await write(*e);
  }
}

rt::task<void> sum_cache::make_room() {
  while (entries_.size() > capacity_) {
    entry* oldest = nullptr;
    for (auto it = by_age_.rbegin(); it != by_age_.rend() && oldest == nullptr; ++it)
      if ((*it)->pins == 0 && !(*it)->busy) oldest = *it;
    if (oldest == nullptr) co_return;
    if (oldest->dirty()) {
      const pinned mine(oldest);
      if (!co_await write(*oldest)) co_return;
    }
    if (oldest->pins > 0 || oldest->busy || oldest->dirty()) continue;
    by_age_.erase(oldest->age);
    entries_.erase(oldest->region);
  }
}

}  // namespace vds::array::integrity
