#include "array/engine/intents.h"

#include "base/log.h"

namespace vds::array::engine {

intents::intents(drive& owner) : drive_(owner), blocks_(format::intent_blocks_for(owner.superblock.extents)) {}

std::uint64_t intents::place(std::size_t index) const {
  return drive_.superblock.intent_offset + index * format::format_block;
}

rt::task<status> intents::load() {
  constexpr std::size_t at_once = 256;
  for (std::size_t i = 0; i < blocks_.size(); i += at_once) {
    const std::size_t n = std::min(at_once, blocks_.size() - i);
    auto m = make_memory(n * format::format_block);
    std::vector<io::buffer> list = {m->span()};
    const auto s = co_await drive_.read(place(i), m, std::move(list));
    for (std::size_t k = 0; k < n; ++k) {
      auto& b = blocks_[i + k];
      const std::span<const std::byte, 4096> raw(m->data() + k * format::format_block, 4096);
      const auto image =
          s ? format::decode_intent(raw, drive_.id(), place(i + k)) : result<format::intent_image>(s.error());
      if (image) {
        b.wanted = b.durable = *image;
      } else {
        log::warn("write-intent block {} of {}: {}; assuming everything there was being written", i + k, drive_.name(),
                  image.error());
        b.wanted.fill(0xff);
        b.durable.fill(0);  // nothing durable to rely on: it is written again by the next mark
      }
    }
  }
  co_return status();
}

rt::task<status> intents::format() {
  constexpr std::size_t at_once = 256;
  for (std::size_t i = 0; i < blocks_.size(); i += at_once) {
    const std::size_t n = std::min(at_once, blocks_.size() - i);
    auto m = make_memory(n * format::format_block);
    for (std::size_t k = 0; k < n; ++k) {
      format::encode(blocks_[i + k].wanted, drive_.id(), place(i + k),
                     std::span<std::byte, 4096>(m->data() + k * format::format_block, 4096));
    }
    VDS_CO_RETURN_IF_FAILED(co_await drive_.write(place(i), std::move(m), io::durability::fua));
  }
  co_return status();
}

rt::task<status> intents::write_block(std::size_t index, io::durability how) {
  auto& b = blocks_[index];
  auto done = std::make_shared<rt::event>(drive_.executor());
  b.writing = done;
  b.changed = false;
  auto m = make_memory(format::format_block);
  format::encode(b.wanted, drive_.id(), place(index), std::span<std::byte, 4096>(m->data(), 4096));
  const format::intent_image image = b.wanted;
  for (std::size_t i = 0; i < image.size(); ++i) b.durable[i] = static_cast<std::uint8_t>(b.durable[i] & image[i]);
  const auto self = drive_.shared_from_this();  // owns this object
  status s = co_await drive_.write(place(index), std::move(m), how);
  if (s && how == io::durability::fua) b.durable = image;
  b.writing.reset();
  done->set();
  co_return s;
}

rt::task<status> intents::mark(std::uint32_t extent) {
  const std::size_t index = extent / format::intent_bits;
  auto& b = blocks_[index];
  set_bit(b.wanted, extent, true);
  while (!bit(b.durable, extent)) {
    if (!drive_.usable()) co_return errc::unavailable;
    if (auto other = b.writing) {
      co_await *other;
      continue;
    }
    VDS_CO_RETURN_IF_FAILED(co_await write_block(index, io::durability::fua));
  }
  co_return status();
}

void intents::unset(std::uint32_t extent) {
  auto& b = blocks_[extent / format::intent_bits];
  if (!bit(b.wanted, extent)) return;
  set_bit(b.wanted, extent, false);
  b.changed = true;
}

void intents::keep_only(const std::unordered_set<std::uint32_t>& extents) {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    for (std::size_t byte = 0; byte < blocks_[i].wanted.size(); ++byte) {
      if (blocks_[i].wanted[byte] == 0) continue;
      for (std::size_t k = 0; k < 8; ++k) {
        const auto extent = static_cast<std::uint32_t>(i * format::intent_bits + byte * 8 + k);
        if (!extents.contains(extent)) unset(extent);
      }
    }
  }
}

rt::task<status> intents::write_changed() {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    while (blocks_[i].changed) {
      if (auto other = blocks_[i].writing) {
        co_await *other;
        continue;
      }
      VDS_CO_RETURN_IF_FAILED(co_await write_block(i, io::durability::cached));
    }
  }
  co_return status();
}

}  // namespace vds::array::engine
