// log_format.h: the operations log as bytes (docs/format/operations-log.md): its head, its batches, and the changes in
// them. Pure; the file is operation_log.h.
// Invariants: scan() gives what was acknowledged, in order, or says that it cannot; it never reads past its input.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/codec.h"
#include "base/endian.h"
#include "base/result.h"
#include "service/operations/record.h"

namespace vds::service::log_format {

constexpr std::size_t block = 4096;
constexpr std::size_t most_text = 4096;  // of a kind or an owner

struct change {
  enum class what : std::uint8_t { begin = 1, end = 2, drop = 3 } kind = what::begin;
  operation_record record;  // of a drop: the id only
};

void append(codec::bytes& to, const change& c);
result<std::vector<change>> read_changes(std::span<const std::byte> payload);

struct head {
  std::uint64_t log_id = 0, area_bytes = 0;
};
void encode(const head& h, std::span<std::byte, block> to);
// too_new, corrupt.
result<head> decode_head(std::span<const std::byte, block> from);

constexpr std::size_t batch_head_bytes = 64;
constexpr std::size_t batch_bytes(std::size_t payload) {
  return (batch_head_bytes + payload + block - 1) / block * block;
}
// `to` has batch_bytes(payload) bytes.
void encode_batch(std::uint64_t log_id, std::uint64_t sequence, std::span<const std::byte> payload,
                  std::span<std::byte> to);

struct batch {
  std::uint64_t sequence = 0;
  std::span<const std::byte> payload;
};
struct scanned {
  std::vector<batch> batches;  // of consecutive sequences, from the area's start
  bool damaged = false;        // newer whole batches lie behind the end: so it is no torn tail
};
// applied: what is known from elsewhere; batches up to it, left over from earlier rounds, prove nothing.
scanned scan(std::span<const std::byte> area, std::uint64_t log_id, std::uint64_t applied);

}  // namespace vds::service::log_format
