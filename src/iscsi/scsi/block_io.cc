// Commands that move, compare or settle blocks.
#include <algorithm>
#include <cstring>

#include "io/aligned_buffer.h"
#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

constexpr std::uint64_t piece_bytes = 1u << 20;  // memory that VERIFY takes at a time

bool protection_asked(const command& c) { return c.op->cdb_length != 6 && (c.byte(1) & 0xe0) != 0; }

bool transfer_fits(const lun& l, block_range r, plan& p, std::uint16_t count_field) {
  if (r.count <= l.transfer_limit()) return true;
  p.bad = true;
  p.why = bad_cdb_field(count_field);
  return false;
}

std::uint16_t count_field(const command& c) {
  switch (c.op->cdb_length) {
    case 6:
      return 4;
    case 10:
      return 7;
    case 12:
      return 6;
    default:
      return 10;
  }
}

// Where data-out and the medium differ first, or nothing. Reads in pieces; stops when aborted.
struct comparison {
  status done;
  std::optional<std::uint64_t> differs_at;
};

// repeat: the data-out is one block, which every block is compared with.
rt::task<comparison> compare_with_medium(lun& l, command& c, std::span<const io::const_buffer> expected, lba at,
                                         block_count count, bool repeat) {
  const std::uint64_t total = (count * l.block()).n;
  io::aligned_buffer piece(std::min(total, piece_bytes));
  std::uint64_t done = 0;
  std::size_t part = 0, within = 0;
  while (done < total && !c.aborted()) {
    const std::uint64_t n = std::min<std::uint64_t>(piece.size(), total - done);
    auto read = co_await l.device().read(at + block_count{done / l.block().bytes}, piece.span().first(n));
    if (!read) co_return comparison{std::move(read), {}};
    for (std::uint64_t i = 0; i < n;) {
      if (within == expected[part].size()) {
        within = 0;
        part = repeat && part + 1 == expected.size() ? 0 : part + 1;
        continue;
      }
      const std::size_t m = std::min<std::uint64_t>(n - i, expected[part].size() - within);
      if (std::memcmp(piece.data() + i, expected[part].data() + within, m) != 0) {
        for (std::size_t k = 0; k < m; ++k)
          if (piece.data()[i + k] != expected[part][within + k]) co_return comparison{{}, done + i + k};
      }
      i += m;
      within += m;
    }
    done += n;
  }
  co_return comparison{{}, {}};
}

// Part of the data-out, as a list.
std::vector<io::const_buffer> slice(const std::vector<io::const_buffer>& list, std::uint64_t from, std::uint64_t size) {
  std::vector<io::const_buffer> out;
  for (io::const_buffer b : list) {
    if (from >= b.size()) {
      from -= b.size();
      continue;
    }
    b = b.subspan(from);
    from = 0;
    if (b.size() > size) b = b.first(size);
    if (!b.empty()) out.push_back(b);
    size -= b.size();
    if (size == 0) break;
  }
  return out;
}

sense miscompare(std::uint64_t at) { return {sense_key::miscompare, senses::miscompare_verify, at, {}}; }

}  // namespace

block_range range_of(const command& c, unsigned cdb_length) {
  switch (cdb_length) {
    case 6: {
      const std::uint32_t count = c.byte(4) == 0 ? 256 : c.byte(4);
      return {lba{(std::uint32_t{c.byte(1)} & 0x1f) << 16 | std::uint32_t{c.byte(2)} << 8 | c.byte(3)},
              block_count{count}};
    }
    case 10:
      return {lba{c.get<be32>(2)}, block_count{c.get<be16>(7)}};
    case 12:
      return {lba{c.get<be32>(2)}, block_count{c.get<be32>(6)}};
    default:
      return {lba{c.get<be64>(2)}, block_count{c.get<be32>(10)}};
  }
}

bool on_the_lun(const lun& l, block_range r, plan& p) {
  const block_count size = l.blocks();
  if (r.at.n <= size.n && r.count.n <= size.n - r.at.n) return true;
  p.bad = true;
  p.why = illegal(senses::lba_out_of_range);
  return false;
}

void plan_read(const lun& l, const command& c, plan& p) {
  if (protection_asked(c)) {
    p.bad = true;
    p.why = bad_cdb_field(1, 7);
    return;
  }
  const block_range r = range_of(c, c.op->cdb_length);
  if (!on_the_lun(l, r, p) || !transfer_fits(l, r, p, count_field(c))) return;
  p.at = r.at;
  p.count = r.count;
  p.in_bytes = (r.count * l.block()).n;
}

void plan_write(const lun& l, const command& c, plan& p) {
  plan_read(l, c, p);
  p.out_bytes = std::exchange(p.in_bytes, 0);
  p.may_be_cut = true;
}

void plan_write_atomic(const lun& l, const command& c, plan& p) {
  auto bad = [&p](sense s) {
    p.bad = true;
    p.why = s;
  };
  const block_range r{lba{c.get<be64>(2)}, block_count{c.get<be16>(12)}};
  if (protection_asked(c)) return bad(bad_cdb_field(1, 7));
  if (c.get<be16>(10) != 0) return bad(bad_cdb_field(10));  // ATOMIC BOUNDARY: always one whole
  if (!on_the_lun(l, r, p)) return;
  if (r.count > l.atomic_blocks()) return bad(bad_cdb_field(12));
  p.at = r.at;
  p.count = r.count;
  p.out_bytes = (r.count * l.block()).n;  // and not less: half of it would not be atomic
}

void plan_verify(const lun& l, const command& c, plan& p) {
  const int byte_check = c.byte(1) >> 1 & 3;
  if (protection_asked(c) || byte_check == 2) {
    p.bad = true;
    p.why = protection_asked(c) ? bad_cdb_field(1, 7) : bad_cdb_field(1, 2);
    return;
  }
  const block_range r = range_of(c, c.op->cdb_length);
  if (!on_the_lun(l, r, p)) return;
  if (byte_check == 1 && !transfer_fits(l, r, p, count_field(c))) return;
  p.at = r.at;
  p.count = r.count;
  if (byte_check == 1) p.out_bytes = (r.count * l.block()).n;
  if (byte_check == 3 && r.count.n != 0) p.out_bytes = l.block().bytes;
}

void plan_compare_and_write(const lun& l, const command& c, plan& p) {
  const block_range r{lba{c.get<be64>(2)}, block_count{c.byte(13)}};
  if (protection_asked(c)) {
    p.bad = true;
    p.why = bad_cdb_field(1, 7);
    return;
  }
  if (!on_the_lun(l, r, p)) return;
  p.at = r.at;
  p.count = r.count;
  p.out_bytes = 2 * (r.count * l.block()).n;
  if (c.expected_out > p.out_bytes) {
    p.bad = true;
    p.why = bad_cdb_field(13);
  }
}

void plan_touch(const lun& l, const command& c, plan& p) {
  // No range lock: SYNCHRONIZE CACHE need only cover what has been answered.
  on_the_lun(l, range_of(c, c.op->cdb_length), p);
}

rt::task<void> do_read(lun& l, command& c) {
  c.full_size = c.planned.in_bytes;
  const std::size_t size = std::min<std::size_t>(c.data_in.size(), c.planned.in_bytes);
  if (size == 0) co_return;
  // FUA: what is returned must be what the medium holds, so what a cache holds goes there first.
  if (c.op->cdb_length != 6 && c.bit(1, 3) && l.has_volatile_cache()) {
    auto flushed = co_await l.device().flush();
    if (!flushed) {
      c.fail(sense_from(flushed.error(), true));
      co_return;
    }
  }
  if (read_at_once(l, c)) co_return;
  const io::buffer into = c.data_in.first(size);
  auto done = co_await l.device().read(c.planned.at, into);
  if (!done) {
    c.fail(sense_from(done.error(), false));
    co_return;
  }
  c.data_in_size = size;
  ++l.statistics().reads;
  l.statistics().blocks_read += c.planned.count.n;
}

rt::task<void> do_write(lun& l, command& c) {
  if (c.planned.count.n == 0 || write_at_once(l, c)) co_return;
  const bool fua = c.op->cdb_length != 6 && c.bit(1, 3);
  auto done = co_await l.device().write(c.planned.at, io::const_buffers(c.data_out), l.write_durability(fua));
  if (!done) {
    c.fail(sense_from(done.error(), true));
    co_return;
  }
  ++l.statistics().writes;
  l.statistics().blocks_written += c.planned.count.n;
}

bool read_at_once(lun& l, command& c) {
  const std::size_t size = std::min<std::size_t>(c.data_in.size(), c.planned.in_bytes);
  if (c.op->cdb_length != 6 && c.bit(1, 3) && l.has_volatile_cache()) return false;  // FUA: a flush comes first
  if (size != 0) {
    const auto done = l.device().try_read(c.planned.at, c.data_in.first(size));
    if (!done || !*done) return false;
  }
  c.full_size = c.planned.in_bytes;
  c.data_in_size = size;
  ++l.statistics().reads;
  l.statistics().blocks_read += c.planned.count.n;
  return true;
}

bool write_at_once(lun& l, command& c) {
  if (c.planned.count.n == 0) return true;
  // Whether several pieces are one atomic write is for the device to see to.
  if (c.data_out.size() != 1 && c.op->code == 0x9c) return false;
  const bool fua = c.op->cdb_length != 6 && c.bit(1, 3);
  lba at = c.planned.at;
  for (const io::const_buffer piece : c.data_out) {
    const auto done = l.device().try_write(at, piece, l.write_durability(fua));
    if (!done || !*done) return false;
    at += block_count{piece.size() / l.block().bytes};
  }
  ++l.statistics().writes;
  l.statistics().blocks_written += c.planned.count.n;
  return true;
}

rt::task<void> do_verify(lun& l, command& c) {
  const int byte_check = c.byte(1) >> 1 & 3;
  if (c.planned.count.n == 0) co_return;
  if (byte_check == 0) {
    // The blocks must be readable; their content is nobody's business.
    const std::uint64_t total = (c.planned.count * l.block()).n;
    io::aligned_buffer piece(std::min(total, piece_bytes));
    for (std::uint64_t done = 0; done < total && !c.aborted(); done += piece.size()) {
      const std::uint64_t n = std::min<std::uint64_t>(piece.size(), total - done);
      auto read = co_await l.device().read(c.planned.at + block_count{done / l.block().bytes}, piece.span().first(n));
      if (!read) {
        c.fail(sense_from(read.error(), false));
        co_return;
      }
    }
    co_return;
  }
  const comparison found =
      co_await compare_with_medium(l, c, c.data_out, c.planned.at, c.planned.count, byte_check == 3);
  if (!found.done)
    c.fail(sense_from(found.done.error(), false));
  else if (found.differs_at)
    c.fail(miscompare(*found.differs_at));
}

rt::task<void> do_write_and_verify(lun& l, command& c) {
  if (c.planned.count.n == 0) co_return;
  auto done = co_await l.device().write(c.planned.at, io::const_buffers(c.data_out), io::durability::fua);
  if (!done) {
    c.fail(sense_from(done.error(), true));
    co_return;
  }
  const comparison found = co_await compare_with_medium(l, c, c.data_out, c.planned.at, c.planned.count, false);
  if (!found.done)
    c.fail(sense_from(found.done.error(), false));
  else if (found.differs_at)
    c.fail(miscompare(*found.differs_at));
}

rt::task<void> do_compare_and_write(lun& l, command& c) {
  if (c.planned.count.n == 0) co_return;
  const std::uint64_t half = c.planned.taken / 2;
  const auto expected = slice(c.data_out, 0, half);
  const auto wanted = slice(c.data_out, half, half);
  const comparison found = co_await compare_with_medium(l, c, expected, c.planned.at, c.planned.count, false);
  if (!found.done) {
    c.fail(sense_from(found.done.error(), false));
    co_return;
  }
  if (found.differs_at) {
    c.fail(miscompare(*found.differs_at));
    co_return;
  }
  if (c.aborted()) co_return;
  auto done = co_await l.device().write(c.planned.at, io::const_buffers(wanted), l.write_durability(c.bit(1, 3)));
  if (!done) c.fail(sense_from(done.error(), true));
}

rt::task<void> do_or_write(lun& l, command& c) {
  const std::uint64_t total = std::min<std::uint64_t>((c.planned.count * l.block()).n, c.planned.taken);
  if (total == 0) co_return;
  // One write at the end, so that an error on the way leaves every block as it was.
  io::aligned_buffer all(total);
  auto read = co_await l.device().read(c.planned.at, all.span());
  if (!read) {
    c.fail(sense_from(read.error(), false));
    co_return;
  }
  std::size_t at = 0;
  for (const io::const_buffer b : c.data_out)
    for (const std::byte x : b) all.data()[at++] |= x;
  if (c.aborted()) co_return;
  const io::const_buffer from(all.data(), total);
  auto done = co_await l.device().write(c.planned.at, from, l.write_durability(c.bit(1, 3)));
  if (!done) c.fail(sense_from(done.error(), true));
}

rt::task<void> do_synchronize_cache(lun& l, command& c) {
  if (c.bit(1, 1)) {  // IMMED: answered now, done all the same
    l.flush_in_background();
    co_return;
  }
  auto done = co_await l.device().flush();
  if (!done) c.fail(sense_from(done.error(), true));
}

rt::task<void> do_prefetch(lun&, command& c) {
  // Nothing is kept for it, so nothing is brought: GOOD says "not all of it fits the cache" (SBC-3 5.10).
  c.status = scsi_status::good;
  co_return;
}

}  // namespace vds::iscsi
