#include "array/format/stripe_batch.h"

#include "base/checksum.h"
#include "base/units.h"

namespace vds::array::format {
namespace {
constexpr std::array<char, 8> head_magic = {'V', 'D', 'S', 'S', 'T', 'H', 'E', 'D'};
constexpr std::array<char, 8> batch_magic = {'V', 'D', 'S', 'S', 'T', 'B', 'A', 'T'};
constexpr std::uint8_t flag_zeros = 1;
constexpr std::array<std::byte, format_block> zero_block{};

std::uint32_t checksum_of(raw_stripe_head raw) {
  raw.crc32c = 0;
  return crc32c(std::as_bytes(std::span(&raw, 1)));
}
}  // namespace

void encode(const stripe_head& head, const guid& drive, std::span<std::byte, 4096> out) {
  raw_stripe_head raw{};
  raw.magic = head_magic;
  raw.major = format_major;
  raw.drive_id = drive.bytes;
  raw.generation = head.generation;
  raw.nonce = head.nonce;
  raw.retired = head.retired;
  raw.crc32c = checksum_of(raw);
  std::memcpy(out.data(), &raw, sizeof raw);
}

result<stripe_head> decode_stripe_head(std::span<const std::byte, 4096> in, const guid& drive) {
  raw_stripe_head raw;
  std::memcpy(&raw, in.data(), sizeof raw);
  if (raw.magic != head_magic) return errc::not_ours;
  if (checksum_of(raw) != raw.crc32c) return errc::bad_checksum;
  if (raw.major != format_major) return failure(errc::too_new, "a stripe journal of a later version");
  if (raw.drive_id != drive.bytes) return errc::corrupt;
  return stripe_head{raw.generation, raw.nonce, raw.retired};
}

std::uint64_t stripe_batch_bytes(std::span<const stripe_piece> pieces) {
  std::uint64_t n = stripe_header_bytes(pieces.size());
  for (const auto& p : pieces) n += p.zeros ? 0 : p.bytes;
  return round_up(n, format_block);
}

io::aligned_buffer encode_stripe_header(std::span<const stripe_piece> pieces, std::uint64_t nonce,
                                        std::uint64_t place) {
  auto out = io::aligned_buffer::zeroed(stripe_header_bytes(pieces.size()));
  raw_stripe_batch raw{};
  raw.magic = batch_magic;
  raw.major = format_major;
  const std::uint64_t total = stripe_batch_bytes(pieces);
  raw.blocks = static_cast<std::uint32_t>(total / format_block);
  raw.pieces = static_cast<std::uint32_t>(pieces.size());
  raw.nonce = nonce;
  raw.place = place;
  std::memcpy(out.data(), &raw, sizeof raw);
  std::uint64_t content = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto& p = pieces[i];
    raw_stripe_piece one{};
    one.entry = p.entry;
    one.lun = p.lun.bytes;
    one.members = p.members;
    one.offset = p.offset;
    one.bytes = p.bytes;
    one.group = p.group;
    one.member = p.member;
    one.flags = p.zeros ? flag_zeros : std::uint8_t{0};
    std::memcpy(out.data() + sizeof raw + i * sizeof one, &one, sizeof one);
    content += p.zeros ? 0 : p.bytes;
  }
  std::uint32_t crc = crc32c(out.span());
  for (const auto& p : pieces)
    for (const auto& s : p.content) crc = crc32c(s, crc);
  crc = crc32c(std::span(zero_block).first(total - out.size() - content), crc);
  store<le32>(out.data() + offsetof(raw_stripe_batch, crc32c), crc);
  return out;
}

std::vector<stripe_piece> scan_stripes(std::span<const std::byte> area, std::uint64_t nonce) {
  std::vector<stripe_piece> out;
  for (std::uint64_t at = stripe_ring_at; at + format_block <= area.size();) {
    const auto here = area.subspan(at);
    raw_stripe_batch raw;
    std::memcpy(&raw, here.data(), sizeof raw);
    const std::uint64_t bytes = std::uint64_t{raw.blocks} * format_block;
    const std::uint64_t header = stripe_header_bytes(raw.pieces);
    if (raw.magic != batch_magic || raw.major != format_major || raw.nonce != nonce || raw.place != at ||
        bytes > here.size() || raw.pieces > max_stripe_pieces || header > bytes) {
      at += format_block;
      continue;
    }
    const std::uint32_t expected = raw.crc32c;
    raw.crc32c = 0;
    std::uint32_t crc = crc32c(std::as_bytes(std::span(&raw, 1)));
    crc = crc32c(here.subspan(sizeof raw, bytes - sizeof raw), crc);
    if (crc != expected) {
      at += format_block;
      continue;
    }
    std::uint64_t content = header;
    for (std::size_t i = 0; i < raw.pieces; ++i) {
      raw_stripe_piece one;
      std::memcpy(&one, here.data() + sizeof raw + i * sizeof one, sizeof one);
      stripe_piece p;
      p.entry = one.entry;
      p.lun.bytes = one.lun;
      p.members = one.members;
      p.offset = one.offset;
      p.bytes = one.bytes;
      p.group = one.group;
      p.member = one.member;
      p.zeros = (one.flags & flag_zeros) != 0;
      if (!p.zeros) {
        if (p.bytes > bytes - content) break;  // with a right checksum: not of our making
        p.found = here.subspan(content, p.bytes);
        content += p.bytes;
      }
      out.push_back(std::move(p));
    }
    at += bytes;
  }
  return out;
}

}  // namespace vds::array::format
