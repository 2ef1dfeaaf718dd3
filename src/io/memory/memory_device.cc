#include "io/memory/memory_device.h"

#include <algorithm>

namespace vds::io {

memory_device::memory_device(rt::executor& ex, std::string name, block_size size, block_count blocks)
    : executor_(ex),
      name_(std::move(name)),
      geometry_{.logical = size, .physical = size, .blocks = blocks, .can_unmap = true} {}

std::byte* memory_device::chunk(std::uint64_t index, bool make) {
  auto it = chunks_.find(index);
  if (it == chunks_.end()) {
    if (!make) return nullptr;
    it = chunks_.emplace(index, std::make_unique<std::byte[]>(chunk_bytes)).first;
  }
  return it->second.get();
}

const std::byte* memory_device::find(std::uint64_t index) const {
  const auto it = chunks_.find(index);
  return it == chunks_.end() ? nullptr : it->second.get();
}

void memory_device::peek(lba at, std::span<std::byte> into) const {
  std::uint64_t offset = (at * geometry_.logical).n;
  while (!into.empty()) {
    const std::size_t within = offset % chunk_bytes, n = std::min(into.size(), chunk_bytes - within);
    if (const std::byte* c = find(offset / chunk_bytes))
      std::memcpy(into.data(), c + within, n);
    else
      std::memset(into.data(), 0, n);
    into = into.subspan(n);
    offset += n;
  }
}

void memory_device::poke(lba at, std::span<const std::byte> from) {
  std::uint64_t offset = (at * geometry_.logical).n;
  while (!from.empty()) {
    const std::size_t within = offset % chunk_bytes, n = std::min(from.size(), chunk_bytes - within);
    std::memcpy(chunk(offset / chunk_bytes, true) + within, from.data(), n);
    from = from.subspan(n);
    offset += n;
  }
}

rt::task<status> memory_device::read(lba at, buffers into) {
  const auto count = in_blocks(byte_count{total_size(into)}, geometry_.logical);
  VDS_CO_RETURN_IF_FAILED(check_range(geometry_, at, count));
  std::uint64_t done = 0;
  // A list's pieces need not end at block borders, so places are counted in bytes here.
  const std::uint64_t start = (at * geometry_.logical).n;
  for (buffer piece : into) {
    std::uint64_t offset = start + done;
    done += piece.size();
    while (!piece.empty()) {
      const std::size_t within = offset % chunk_bytes, n = std::min(piece.size(), chunk_bytes - within);
      if (const std::byte* c = find(offset / chunk_bytes))
        std::memcpy(piece.data(), c + within, n);
      else
        std::memset(piece.data(), 0, n);
      piece = piece.subspan(n);
      offset += n;
    }
  }
  co_return status();
}

rt::task<status> memory_device::write(lba at, const_buffers from, durability) {
  const auto count = in_blocks(byte_count{total_size(from)}, geometry_.logical);
  VDS_CO_RETURN_IF_FAILED(check_range(geometry_, at, count));
  std::uint64_t offset = (at * geometry_.logical).n;
  for (const_buffer piece : from) {
    while (!piece.empty()) {
      const std::size_t within = offset % chunk_bytes, n = std::min(piece.size(), chunk_bytes - within);
      std::memcpy(chunk(offset / chunk_bytes, true) + within, piece.data(), n);
      piece = piece.subspan(n);
      offset += n;
    }
  }
  co_return status();
}

bool memory_device::there(lba at, std::size_t size) const {
  return is_whole({size}, geometry_.logical) && check_range(geometry_, at, in_blocks({size}, geometry_.logical));
}

std::optional<status> memory_device::try_read(lba at, buffer into) {
  if (!there(at, into.size())) return std::nullopt;
  peek(at, into);
  return status();
}

std::optional<status> memory_device::try_write(lba at, const_buffer from, durability) {
  if (!there(at, from.size())) return std::nullopt;
  poke(at, from);
  return status();
}

rt::task<status> memory_device::flush() { co_return status(); }

rt::task<status> memory_device::write_zeroes(lba at, block_count count, bool may_unmap, durability) {
  VDS_CO_RETURN_IF_FAILED(check_range(geometry_, at, count));
  std::uint64_t offset = (at * geometry_.logical).n, left = (count * geometry_.logical).n;
  while (left > 0) {
    const std::size_t within = offset % chunk_bytes, n = std::min<std::uint64_t>(left, chunk_bytes - within);
    if (may_unmap && n == chunk_bytes)
      chunks_.erase(offset / chunk_bytes);
    else if (std::byte* c = chunk(offset / chunk_bytes, false))
      std::memset(c + within, 0, n);
    offset += n;
    left -= n;
  }
  co_return status();
}

}  // namespace vds::io
