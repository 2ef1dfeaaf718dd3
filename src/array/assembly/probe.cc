#include "array/assembly/probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "io/aligned_buffer.h"

namespace vds::array::assembly {
namespace {

rt::task<status> read_at(io::block_device& device, std::uint64_t offset, std::span<std::byte> into) {
  const auto g = device.geometry();
  if (offset % g.logical.bytes != 0 || offset + into.size() > g.size().n) co_return errc::out_of_range;
  for (std::size_t done = 0; done < into.size();) {
    const std::size_t n = std::min<std::size_t>(into.size() - done, 1_MiB);
    auto s = co_await device.read(lba{(offset + done) / g.logical.bytes}, io::buffer(into.subspan(done, n)));
    if (!s) co_return s;
    done += n;
  }
  co_return status();
}

// The configuration of a sealed area.
result<config> load(const format::area_scan& scan, const guid& array_id) {
  config c;
  c.array_id = array_id;
  for (const auto payload : scan.payloads) VDS_RETURN_IF_FAILED(c.apply(payload));
  c.sequence = scan.last.sequence;
  if (c.epoch.epoch != scan.last.epoch || c.epoch.incarnation != scan.last.incarnation)
    return failure(errc::corrupt, "a log whose batches and records disagree");
  return c;
}

// Makes this area's configuration the drive's if it is whole and newer. too_new is a failure, damage is not.
status consider(probed& p, const format::area_scan& scan, unsigned area) {
  p.log_cycle = std::max(p.log_cycle, scan.highest_cycle);
  if (scan.newest && (!p.known.witness || std::tuple(scan.newest->epoch, scan.newest->sequence) >
                                              std::tuple(p.known.witness->epoch, p.known.witness->sequence))) {
    p.known.witness = scan.newest;
    if (!p.known.loadable) p.log_area = area;
  }
  if (!scan.sealed) return {};
  if (p.known.loadable &&
      std::tuple(scan.last.epoch, scan.last.sequence) <= std::tuple(p.known.epoch.epoch, p.known.sequence))
    return {};
  auto c = load(scan, p.superblock.array_id);
  auto space = c ? c->check() : result<layout::allocator>(c.error());
  if (!space) {
    if (space.error() == errc::too_new) return std::move(space).error();
    p.why = std::move(space).error();
    return {};
  }
  p.known.loadable = true;
  p.known.sequence = c->sequence;
  p.known.epoch = c->epoch;
  p.known.members.clear();
  for (const auto& [slot, d] : c->drives)
    if (d.member) p.known.members.push_back(d.id);
  p.configuration = std::move(*c);
  p.space = std::move(*space);
  p.log_area = area;
  return {};
}

}  // namespace

rt::task<result<format::superblock>> read_superblock(io::block_device& device) {
  const auto g = device.geometry();
  std::optional<format::superblock> best;
  failure why(errc::not_ours, "no superblock");
  auto raw = io::aligned_buffer::zeroed(format::format_block);
  bool first = true;
  for (const std::uint64_t place : format::superblock_places(g.size().n)) {
    if (place == 0 && !first) continue;
    first = false;
    auto s = co_await read_at(device, place, raw.span());
    auto sb = s ? format::decode_superblock(std::span<const std::byte, 4096>(raw.data(), 4096), place)
                : result<format::superblock>(std::move(s).error());
    if (!sb) {
      if (sb.error() == errc::too_new) co_return std::move(sb).error();
      if (why == errc::not_ours && sb.error() != errc::not_ours && sb.error() != errc::out_of_range)
        why = std::move(sb).error();
      continue;
    }
    if (!best || sb->generation > best->generation) best = *sb;
  }
  if (!best) co_return std::move(why);
  if (best->drive_bytes > g.size().n)
    co_return failure(errc::corrupt,
                      fmt::format("the drive has {} bytes, it had {} when it joined", g.size().n, best->drive_bytes));
  if (best->logical_block < g.logical.bytes)
    co_return failure(errc::not_supported, "the drive's blocks are larger than when it joined");
  co_return *best;
}

rt::task<result<probed>> probe(std::unique_ptr<io::block_device>& device) {
  auto sb = co_await read_superblock(*device);
  if (!sb) co_return std::move(sb).error().in("reading superblock of", device->name());
  probed p;
  p.superblock = *sb;
  p.known.drive = sb->drive_id;
  p.known.name = device->name();
  p.known.superblock_epoch = sb->epoch;
  p.why = failure(errc::corrupt, "its configuration log is not readable");
  io::aligned_buffer bytes(sb->log_bytes);
  for (unsigned area = 0; area < 2; ++area) {
    const auto s = co_await read_at(*device, sb->log_area(area), bytes.span());
    if (!s) {
      p.why = s.error().in("reading the configuration log");
      continue;
    }
    const auto scan = format::scan_area(bytes.span(), sb->array_id, sb->log_area(area));
    auto taken = consider(p, scan, area);
    if (!taken) co_return std::move(taken).error().in("loading", device->name());
  }
  if (p.known.loadable) p.why.reset();
  p.device = std::move(device);
  co_return p;
}

rt::task<result<bool>> is_blank(io::block_device& device) {
  const auto g = device.geometry();
  const std::uint64_t size = round_down(g.size().n, format::format_block);
  const std::uint64_t n = std::min<std::uint64_t>(size, 1_MiB);
  io::aligned_buffer bytes(n);
  for (const std::uint64_t at : {std::uint64_t{0}, size - n}) {
    auto s = co_await read_at(device, at, bytes.span());
    if (!s) co_return std::move(s).error().in("reading", device.name());
    if (std::any_of(bytes.span().begin(), bytes.span().end(), [](std::byte b) { return b != std::byte{0}; }))
      co_return false;
  }
  co_return true;
}

}  // namespace vds::array::assembly
