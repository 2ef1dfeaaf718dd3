#include "array/integrity/region_map.h"

#include <algorithm>

#include "base/log.h"
#include "io/aligned_buffer.h"

namespace vds::array::integrity {

using format::region_state;

region_map::region_map(io::block_device& device, const format::checksum_layout& layout)
    : device_(device),
      layout_(layout),
      wanted_(layout.regions),
      durable_(layout.regions),
      blocks_(layout.region_blocks()) {}

rt::task<std::vector<std::uint32_t>> region_map::load() {
  std::vector<std::uint32_t> changing;
  const std::uint32_t sector = device_.geometry().logical.bytes;
  for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
    auto raw = io::aligned_buffer::zeroed(2 * format::format_block);
    const std::uint64_t place = layout_.region_block_place(b, 0);
    auto whole = co_await device_.read(lba{place / sector}, io::buffer(raw.span()));
    std::optional<format::region_image> best;
    for (unsigned copy = 0; copy < 2; ++copy) {
      const auto half = raw.span().subspan(copy * format::format_block, format::format_block);
      status one;
      if (!whole) one = co_await device_.read(lba{layout_.region_block_place(b, copy) / sector}, io::buffer(half));
      if (!one) continue;
      auto image = format::decode_regions(std::span<const std::byte, 4096>(half.data(), 4096), layout_.drive,
                                          layout_.region_block_place(b, copy));
      if (!image || (best && best->generation > image->generation)) continue;
      best = *image;
      blocks_[b].next_copy = 1 - copy;
    }
    const std::uint32_t first = b * format::regions_per_block;
    const std::uint32_t count = std::min(format::regions_per_block, layout_.regions - first);
    if (best) {
      blocks_[b].generation = best->generation;
      std::copy_n(best->states.begin(), count, wanted_.begin() + first);
      std::copy_n(best->states.begin(), count, durable_.begin() + first);
    } else {
      log::warn("checksums of {}: region block {} cannot be believed; its checksums are made anew from the data",
                device_.name(), b);
      // Nothing durable to rely on: it is written again by the next mark.
      std::fill_n(wanted_.begin() + first, count, region_state{true, 0}.encoded());
    }
    for (std::uint32_t r = first; r < first + count; ++r)
      if (wanted(r).changing) changing.push_back(r);
  }
  co_return changing;
}

rt::task<status> region_map::format() {
  for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
    for (unsigned copy = 0; copy < 2; ++copy) {
      auto s = co_await write_block(b, io::durability::cached);
      if (!s) co_return std::move(s).error().in("writing region blocks of", device_.name());
    }
  }
  co_return co_await device_.flush();
}

void region_map::set(std::uint32_t region, region_state to) {
  if (wanted_[region] == to.encoded()) return;
  wanted_[region] = to.encoded();
  blocks_[region / format::regions_per_block].changed = true;
}

rt::task<status> region_map::write_block(std::uint32_t index, io::durability how) {
  auto& b = blocks_[index];
  const auto done = b.writing = std::make_shared<rt::event>(device_.executor());
  b.changed = false;
  const std::uint32_t first = index * format::regions_per_block;
  const std::uint32_t count = std::min(format::regions_per_block, layout_.regions - first);
  format::region_image image;
  image.generation = b.generation + 1;
  std::copy_n(wanted_.begin() + first, count, image.states.begin());
  // From here on the drive may hold either.
  for (std::uint32_t r = 0; r < count; ++r)
    if (!region_state::decoded(image.states[r]).changing) durable_[first + r] = image.states[r];
  io::aligned_buffer raw(format::format_block);
  const std::uint64_t place = layout_.region_block_place(index, b.next_copy);
  format::encode(image, layout_.drive, place, std::span<std::byte, 4096>(raw.data(), 4096));
  auto s = co_await device_.write(lba{place / device_.geometry().logical.bytes}, io::const_buffer(raw.span()), how);
  if (s) {
    b.generation = image.generation;
    b.next_copy = 1 - b.next_copy;
    std::copy_n(image.states.begin(), count, durable_.begin() + first);
  } else {
    b.changed = true;
  }
  b.writing.reset();
  done->set();
  co_return s;
}

rt::task<status> region_map::mark(std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t r = first; r < first + count; ++r) set(r, {true, wanted(r).generation});
  for (std::uint32_t r = first; r < first + count; ++r) {
    while (!is_marked(r)) {
      const std::uint32_t index = r / format::regions_per_block;
      if (const auto other = blocks_[index].writing) {
        co_await *other;
        continue;
      }
      auto s = co_await write_block(index, io::durability::fua);
      if (!s) co_return s;
    }
  }
  co_return status();
}

rt::task<status> region_map::write_changed() {
  for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
    while (blocks_[b].changed) {
      if (const auto other = blocks_[b].writing) {
        co_await *other;
        continue;
      }
      auto s = co_await write_block(b, io::durability::fua);
      if (!s) co_return s;
    }
  }
  co_return status();
}

}  // namespace vds::array::integrity
