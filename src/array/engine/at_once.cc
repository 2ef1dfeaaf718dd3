// Requests that need not wait, from the LUN down to its drives (io/block_device.h, try_read and try_write): drives in
// memory, one place for each block, nothing in the way. No memory is taken for them and nothing is noted: they are over
// before anybody else can run. Whatever is not as it should be is met again, and judged, by the request that waits.
#include "array/engine/lun_device.h"
#include "array/engine/mirror.h"

namespace vds::array::engine {

template <class Each>
std::optional<status> lun_device::at_once(lba at, std::size_t bytes, Each each) {
  if (gate_.closing() || record_->offline || bytes % record_->block != 0) return std::nullopt;
  if (!io::check_range(geometry(), at, block_count{bytes / record_->block})) return std::nullopt;
  const std::uint64_t start = at.n * record_->block, chunk = shape_.chunk_bytes, width = groups_.size();
  for (std::uint64_t done = 0; done < bytes;) {
    const std::uint64_t place = start + done;
    std::uint64_t n = bytes - done, offset = place, g = 0;
    if (chunk != 0) {
      g = place / chunk % width;
      offset = place / (chunk * width) * chunk + place % chunk;
      n = std::min(n, chunk - place % chunk);
    }
    if (const auto s = each(*groups_[g], offset, done, n); !s || !*s) return std::nullopt;
    done += n;
  }
  return status();
}

std::optional<status> lun_device::try_read(lba at, io::buffer into) {
  return at_once(at, into.size(), [into](group& g, std::uint64_t offset, std::uint64_t from, std::uint64_t n) {
    return g.try_read(offset, into.subspan(from, n));
  });
}

std::optional<status> lun_device::try_write(lba at, io::const_buffer data, io::durability how) {
  return at_once(at, data.size(), [data, how](group& g, std::uint64_t offset, std::uint64_t from, std::uint64_t n) {
    return g.try_write(offset, data.subspan(from, n), how);
  });
}

template <class Each>
std::optional<status> group::at_once(std::size_t member, std::uint64_t offset, std::uint64_t bytes, Each each) const {
  const auto extent = static_cast<std::uint32_t>(extent_bytes());
  if (offset + bytes > shape_.extents() * extent) return std::nullopt;
  for (std::uint64_t done = 0; done < bytes;) {
    const auto piece = layout::first_piece(shape_.members[member], extent, offset + done, bytes - done);
    const auto d = lun_.owner().find_drive(piece.slot);
    const auto last = static_cast<std::uint32_t>((piece.within + piece.bytes - 1) / extent);
    if (!d || !d->usable() || d->stale.overlaps(piece.extent, last + 1)) return std::nullopt;
    const auto s = each(*d, d->superblock.extent_offset(piece.extent) + piece.within, done, piece.bytes);
    if (!s || !*s) return std::nullopt;
    done += piece.bytes;
  }
  return status();
}

std::optional<status> mirror::try_read(std::uint64_t offset, io::buffer into) {
  if (!pending_.empty()) return std::nullopt;
  for (std::size_t m = 0; m < shape_.members.size(); ++m) {
    auto s =
        at_once(m, offset, into.size(), [into](drive& d, std::uint64_t place, std::uint64_t from, std::uint64_t n) {
          return d.try_read(place, into.subspan(from, n));
        });
    if (s) return s;
  }
  return std::nullopt;
}

std::optional<status> mirror::try_write(std::uint64_t offset, io::const_buffer data, io::durability how) {
  if (shape_.members.size() != 1 || moving() || !lock_.idle()) return std::nullopt;
  return at_once(0, offset, data.size(),
                 [data, how](drive& d, std::uint64_t place, std::uint64_t from, std::uint64_t n) {
                   return d.try_write(place, data.subspan(from, n), how);
                 });
}

}  // namespace vds::array::engine
