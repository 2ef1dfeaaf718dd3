#include "service/operations/log_format.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/checksum.h"

namespace vds::service::log_format {
namespace {

constexpr std::array<char, 8> head_magic = {'V', 'D', 'S', 'O', 'P', 'L', 'O', 'G'};
constexpr std::array<char, 8> batch_magic = {'V', 'D', 'S', 'O', 'P', 'B', 'A', 'T'};
constexpr std::uint16_t major = 1, minor = 0;

struct raw_head {  // docs/format/operations-log.md
  std::array<char, 8> magic;
  le16 major, minor;
  le32 crc;  // of the block, this field zero
  le64 log_id, area_bytes;
};
static_assert(sizeof(raw_head) == 32);

struct raw_batch {
  std::array<char, 8> magic;
  le32 crc;  // of head and payload up to the end of the last block, this field zero
  le32 payload_bytes;
  le64 log_id, sequence;
  std::array<std::byte, 32> reserved;
};
static_assert(sizeof(raw_batch) == batch_head_bytes);

// crc32c with four bytes at `at` taken as zero.
std::uint32_t checksum(std::span<const std::byte> all, std::size_t at) {
  constexpr std::array<std::byte, 4> zero{};
  return crc32c(all.subspan(at + 4), crc32c(zero, crc32c(all.first(at))));
}

// A whole batch of this log at the front; its bytes with padding, or 0.
std::size_t whole_batch(std::span<const std::byte> at, std::uint64_t log_id, batch& out) {
  if (at.size() < block) return 0;
  raw_batch raw;
  std::memcpy(&raw, at.data(), sizeof raw);
  if (raw.magic != batch_magic || raw.log_id != log_id) return 0;
  if (raw.payload_bytes > at.size() || batch_bytes(raw.payload_bytes) > at.size()) return 0;
  const std::size_t bytes = batch_bytes(raw.payload_bytes);
  if (checksum(at.first(bytes), offsetof(raw_batch, crc)) != raw.crc) return 0;
  out = {raw.sequence, at.subspan(batch_head_bytes, raw.payload_bytes)};
  return bytes;
}

}  // namespace

void append(codec::bytes& to, const change& c) {
  codec::writer w(to);
  const operation_record& r = c.record;
  w.put(static_cast<std::uint16_t>(c.kind));
  w.put(std::uint16_t{0});
  const std::size_t length_at = to.size();
  w.put(std::uint32_t{0});
  const std::size_t start = to.size();
  w.put(r.id);
  switch (c.kind) {
    case change::what::begin:
      w.put(std::string_view(r.kind).substr(0, most_text));
      w.put(r.provider);
      w.put(r.object);
      w.put(static_cast<std::uint32_t>(r.object_type));
      w.put(static_cast<std::uint32_t>(r.type));
      w.put(std::string_view(r.owner).substr(0, most_text));
      w.put(r.begun_ns);
      break;
    case change::what::end:
      w.put(r.ended_ns);
      w.put(static_cast<std::uint32_t>(r.result));
      w.put(r.output);
      break;
    case change::what::drop:
      break;
  }
  const le32 length = static_cast<std::uint32_t>(to.size() - start);
  std::memcpy(to.data() + length_at, &length, sizeof length);
}

result<std::vector<change>> read_changes(std::span<const std::byte> payload) {
  std::vector<change> out;
  while (!payload.empty()) {
    codec::reader head(payload);
    const auto kind = head.get<std::uint16_t>();
    head.get<std::uint16_t>();
    const auto length = head.get<std::uint32_t>();
    if (!head.ok() || length > payload.size() - 8) return failure(errc::corrupt, "a record that is cut off");
    // Bodies may have grown at their end in a later minor version.
    codec::reader body(payload.subspan(8, length));
    payload = payload.subspan(8 + std::size_t{length});
    change c;
    operation_record& r = c.record;
    r.id = body.get_guid();
    switch (kind) {
      case static_cast<std::uint16_t>(change::what::begin):
        r.kind = body.get_text(most_text);
        r.provider = body.get_guid();
        r.object = body.get_guid();
        r.object_type = static_cast<VDS_OBJECT_TYPE>(body.get<std::uint32_t>());
        r.type = static_cast<VDS_ASYNC_OUTPUT_TYPE>(body.get<std::uint32_t>());
        r.owner = body.get_text(most_text);
        r.begun_ns = body.get<std::uint64_t>();
        break;
      case static_cast<std::uint16_t>(change::what::end):
        r.ended_ns = body.get<std::uint64_t>();
        r.result = static_cast<HRESULT>(body.get<std::uint32_t>());
        r.output = body.get_guid();
        if (r.ended_ns == 0) body.fail();  // it would count as not ended
        break;
      case static_cast<std::uint16_t>(change::what::drop):
        break;
      default:
        return failure(errc::corrupt, "a record of unknown kind");
    }
    if (!body.ok()) return failure(errc::corrupt, "a record that makes no sense");
    c.kind = static_cast<change::what>(kind);
    out.push_back(std::move(c));
  }
  return out;
}

void encode(const head& h, std::span<std::byte, block> to) {
  std::fill(to.begin(), to.end(), std::byte{});
  raw_head raw{};
  raw.magic = head_magic;
  raw.major = major;
  raw.minor = minor;
  raw.log_id = h.log_id;
  raw.area_bytes = h.area_bytes;
  std::memcpy(to.data(), &raw, sizeof raw);
  raw.crc = crc32c(to);
  std::memcpy(to.data(), &raw, sizeof raw);
}

result<head> decode_head(std::span<const std::byte, block> from) {
  raw_head raw;
  std::memcpy(&raw, from.data(), sizeof raw);
  if (raw.magic != head_magic || checksum(from, offsetof(raw_head, crc)) != raw.crc)
    return failure(errc::corrupt, "it is no log of operations, or damaged");
  if (raw.major != major) return failure(errc::too_new, "the log was written by a later version of this program");
  if (raw.area_bytes == 0 || raw.area_bytes % block != 0 || raw.area_bytes > (std::uint64_t{1} << 32))
    return failure(errc::corrupt, "areas of an impossible size");
  return head{raw.log_id, raw.area_bytes};
}

void encode_batch(std::uint64_t log_id, std::uint64_t sequence, std::span<const std::byte> payload,
                  std::span<std::byte> to) {
  always(to.size() == batch_bytes(payload.size()));
  raw_batch raw{};
  raw.magic = batch_magic;
  raw.payload_bytes = static_cast<std::uint32_t>(payload.size());
  raw.log_id = log_id;
  raw.sequence = sequence;
  std::memcpy(to.data(), &raw, sizeof raw);
  std::copy(payload.begin(), payload.end(), to.begin() + batch_head_bytes);
  std::fill(to.begin() + static_cast<std::ptrdiff_t>(batch_head_bytes + payload.size()), to.end(), std::byte{});
  raw.crc = crc32c(to);
  std::memcpy(to.data(), &raw, sizeof raw);
}

scanned scan(std::span<const std::byte> area, std::uint64_t log_id, std::uint64_t applied) {
  scanned out;
  std::size_t at = 0;
  for (batch b;;) {
    const std::size_t bytes = whole_batch(area.subspan(at), log_id, b);
    if (bytes == 0) break;
    // What lies behind the newest batch is of an earlier round, with lower numbers.
    if (!out.batches.empty() && b.sequence != out.batches.back().sequence + 1) break;
    out.batches.push_back(b);
    at += bytes;
  }
  const std::uint64_t known = std::max(applied, out.batches.empty() ? 0 : out.batches.back().sequence);
  for (; at + block <= area.size(); at += block) {
    batch b;
    if (whole_batch(area.subspan(at), log_id, b) != 0 && b.sequence > known) {
      out.damaged = true;
      break;
    }
  }
  return out;
}

}  // namespace vds::service::log_format
