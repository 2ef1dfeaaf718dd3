// WRITE SAME and UNMAP: many blocks for little data.
#include <algorithm>
#include <cstring>

#include "io/aligned_buffer.h"
#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

constexpr std::uint64_t pattern_bytes = 256u << 10;
constexpr std::size_t unmap_header = 8, unmap_descriptor = 16;

bool no_data_out(const command& c) { return c.op->cdb_length == 16 && c.bit(1, 0); }  // NDOB

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

void plan_write_same(const lun& l, const command& c, plan& p) {
  auto bad = [&p](sense s) {
    p.bad = true;
    p.why = s;
  };
  const bool unmap = c.bit(1, 3), anchor = c.bit(1, 4);
  if ((c.byte(1) & 0xe0) != 0) return bad(bad_cdb_field(1, 7));
  if (anchor) return bad(bad_cdb_field(1, 4));
  if (unmap && !l.can_unmap()) return bad(bad_cdb_field(1, 3));
  if ((c.byte(1) & 0x02) != 0) return bad(bad_cdb_field(1, 1));  // LBDATA of SBC-2
  block_range r = range_of(c, c.op->cdb_length);
  if (!on_the_lun(l, r, p)) return;
  // WSNZ is 1: no blocks are not "all up to the end".
  if (r.count.n == 0 || r.count.n > lun::max_same_blocks) return bad(bad_cdb_field(c.op->cdb_length == 10 ? 7 : 10));
  p.at = r.at;
  p.count = r.count;
  if (!no_data_out(c)) {
    p.out_bytes = l.block().bytes;
    if (c.expected_out > p.out_bytes) return bad(illegal(senses::invalid_information_unit));
  }
}

rt::task<void> do_write_same(lun& l, command& c) {
  const bool unmap = c.bit(1, 3);
  if (c.planned.count.n == 0) co_return;
  std::vector<std::byte> block = gathered(c);
  block.resize(l.block().bytes);
  if (all_zero(block)) {
    auto done = co_await l.device().write_zeroes(c.planned.at, c.planned.count, unmap, l.write_durability(false));
    if (!done) c.fail(sense_from(done.error(), true));
    co_return;
  }
  const std::uint64_t total = (c.planned.count * l.block()).n;
  io::aligned_buffer pattern(std::min(total, pattern_bytes));
  for (std::size_t at = 0; at < pattern.size(); at += block.size())
    std::memcpy(pattern.data() + at, block.data(), block.size());
  for (std::uint64_t done = 0; done < total && !c.aborted(); done += pattern.size()) {
    const io::const_buffer piece(pattern.data(), std::min<std::uint64_t>(pattern.size(), total - done));
    auto written =
        co_await l.device().write(c.planned.at + block_count{done / l.block().bytes}, piece, l.write_durability(false));
    if (!written) {
      c.fail(sense_from(written.error(), true));
      co_return;
    }
  }
}

bool has_unmap(const lun& l) { return l.can_unmap(); }

void plan_unmap(const lun&, const command& c, plan& p) {
  p.out_bytes = c.get<be16>(7);
  if (c.bit(1, 0)) {  // ANCHOR
    p.bad = true;
    p.why = bad_cdb_field(1, 0);
  } else if (p.out_bytes > unmap_header + unmap_descriptor * lun::max_unmap_descriptors) {
    p.bad = true;
    p.why = bad_cdb_field(7);
  }
}

void plan_lba(const lun& l, const command& c, plan& p) {
  const lba at{c.get<be64>(2)};
  if (at.n >= l.blocks().n) {
    p.bad = true;
    p.why = illegal(senses::lba_out_of_range);
  }
}

// The device does not say what it holds nothing for, so every block is "mapped, or unknown" (status 0): all of them on
// a LUN that cannot unmap, and nothing that a reader would be wrong to believe on one that can.
rt::task<void> do_get_lba_status(lun& l, command& c) {
  const std::uint64_t at = c.get<be64>(2);
  std::vector<std::byte> data(24);
  store(&data[0], be32(static_cast<std::uint32_t>(data.size() - 4)));
  store(&data[8], be64(at));
  store(&data[16], be32(static_cast<std::uint32_t>(std::min<std::uint64_t>(l.blocks().n - at, 0xffffffff))));
  c.answer(std::move(data), c.get<be32>(10));
  co_return;
}

rt::task<void> do_unmap(lun& l, command& c) {
  const std::vector<std::byte> list = gathered(c);
  if (list.empty()) co_return;
  if (list.size() < unmap_header) {
    c.fail(illegal(senses::parameter_list_length));
    co_return;
  }
  const std::size_t said = load<be16>(&list[2]);
  const std::size_t count = std::min(said, list.size() - unmap_header) / unmap_descriptor;
  std::vector<block_range> ranges;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* d = &list[unmap_header + i * unmap_descriptor];
    const block_range r{lba{load<be64>(d)}, block_count{load<be32>(d + 8)}};
    plan checked;
    if (!on_the_lun(l, r, checked)) {
      c.fail(checked.why);
      co_return;
    }
    sum += r.count.n;
    if (r.count.n != 0) ranges.push_back(r);
  }
  if (sum > lun::max_unmap_blocks) {
    c.fail(bad_list_field(static_cast<std::uint16_t>(unmap_header)));
    co_return;
  }
  for (const block_range& r : ranges) {
    if (c.aborted()) co_return;
    range_lock::held range(l.ranges(), r.at, r.count, true);
    co_await range;
    if (c.aborted()) co_return;
    auto done = co_await l.device().write_zeroes(r.at, r.count, true, l.write_durability(false));
    if (!done) {
      c.fail(sense_from(done.error(), true));
      co_return;
    }
  }
}

}  // namespace vds::iscsi
