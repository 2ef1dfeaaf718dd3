#include "array/format/batch.h"

#include <algorithm>
#include <tuple>

#include "base/checksum.h"
#include "base/units.h"

namespace vds::array::format {
namespace {
constexpr std::array<char, 8> magic = {'V', 'D', 'S', 'B', 'A', 'T', 'C', 'H'};
constexpr std::size_t crc_at = offsetof(raw_batch_header, crc32c);

std::uint32_t checksum_of(std::span<const std::byte> batch) {
  constexpr std::array<std::byte, 4> zero{};
  return crc32c(batch.subspan(crc_at + 4), crc32c(zero, crc32c(batch.first(crc_at))));
}
}  // namespace

io::aligned_buffer encode_batch(const batch_header& header, std::span<const std::byte> payload, std::uint32_t& crc) {
  always(payload.size() <= max_payload);
  auto out = io::aligned_buffer::zeroed(batch_bytes(payload.size()));
  raw_batch_header raw{};
  raw.magic = magic;
  raw.major = format_major;
  raw.blocks = static_cast<std::uint32_t>(out.size() / format_block);
  raw.payload_bytes = static_cast<std::uint32_t>(payload.size());
  raw.array_id = header.array_id.bytes;
  raw.place = header.place;
  raw.cycle = header.cycle;
  raw.index = header.index;
  raw.sequence = header.sequence;
  raw.epoch = header.epoch;
  raw.incarnation = header.incarnation;
  raw.flags = header.flags;
  raw.previous_crc = header.previous_crc;
  std::memcpy(out.data(), &raw, sizeof raw);
  if (!payload.empty()) std::memcpy(out.data() + sizeof raw, payload.data(), payload.size());
  crc = checksum_of(out.span());
  store<le32>(out.data() + crc_at, crc);
  return out;
}

result<decoded_batch> decode_batch(std::span<const std::byte> in, const guid& array_id, std::uint64_t place) {
  if (in.size() < sizeof(raw_batch_header)) return errc::out_of_range;
  raw_batch_header raw;
  std::memcpy(&raw, in.data(), sizeof raw);
  if (raw.magic != magic) return errc::not_ours;
  if (raw.blocks == 0 || raw.blocks > max_batch_blocks || std::size_t{raw.blocks} * format_block > in.size() ||
      raw.payload_bytes > std::size_t{raw.blocks} * format_block - sizeof raw)
    return errc::corrupt;
  const auto whole = in.first(std::size_t{raw.blocks} * format_block);
  if (checksum_of(whole) != raw.crc32c) return errc::bad_checksum;
  if (raw.major != format_major) return errc::too_new;
  if (raw.array_id != array_id.bytes) return errc::not_ours;
  if (raw.place != place) return errc::corrupt;
  decoded_batch b;
  b.header = {array_id,  raw.place,       raw.cycle, raw.index,       raw.sequence,
              raw.epoch, raw.incarnation, raw.flags, raw.previous_crc};
  b.crc = raw.crc32c;
  b.bytes = whole.size();
  b.payload = whole.subspan(sizeof raw, raw.payload_bytes);
  return b;
}

area_scan scan_area(std::span<const std::byte> area, const guid& array_id, std::uint64_t place) {
  area_scan found;
  const auto saw = [&found](const batch_header& h) {
    found.highest_cycle = std::max(found.highest_cycle, h.cycle);
    if ((h.flags & chunk) != 0) return;  // proves nothing before its seal
    if (!found.newest || std::tuple(h.epoch, h.sequence) > std::tuple(found.newest->epoch, found.newest->sequence))
      found.newest = area_scan::witness{h.epoch, h.incarnation, h.sequence};
  };
  std::size_t at = 0;
  while (at < area.size()) {
    const auto b = decode_batch(area.subspan(at), array_id, place + at);
    if (!b) break;
    const auto& h = b->header;
    if (found.next_index == 0) found.cycle = h.cycle;
    if (h.cycle != found.cycle || h.index != found.next_index || h.previous_crc != found.last_crc) break;
    saw(h);
    if ((h.flags & seal) != 0) found.sealed = true;
    found.last = h;
    found.last_crc = b->crc;
    found.payloads.push_back(b->payload);
    ++found.next_index;
    at += b->bytes;
  }
  found.tail = at;
  // Behind the chain there are zeros, what an earlier cycle left, a torn last batch, or batches cut off by damage.
  for (; at + format_block <= area.size(); at += format_block) {
    if (std::memcmp(area.data() + at, magic.data(), magic.size()) != 0) continue;
    if (const auto b = decode_batch(area.subspan(at), array_id, place + at)) saw(b->header);
  }
  return found;
}

}  // namespace vds::array::format
