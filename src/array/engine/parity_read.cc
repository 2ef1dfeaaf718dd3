// Reading rows with parity: straight from the members, or computed from the others.
#include <algorithm>
#include <cstring>

#include "array/engine/lun_device.h"
#include "array/engine/parity.h"
#include "array/parity/codec.h"
#include "base/log.h"

namespace vds::array::engine {

namespace math = vds::array::parity;

namespace {

// The device answered, and some blocks are bad: no reason to give up all the others.
bool of_blocks(const failure& why) {
  return why == errc::io_error || why == errc::medium_error || why == errc::bad_checksum;
}
void copy_out(const std::vector<io::buffer>& into, const std::byte* from) {
  for (const auto& b : into) std::memcpy(b.data(), from, b.size()), from += b.size();
}

}  // namespace

rt::task<status> parity::read_members(const member_set& which, std::uint64_t offset, std::uint64_t bytes,
                                      contents& into, member_set& bad) {
  std::vector<std::size_t> asked;
  std::vector<rt::task<outcome>> reads;
  for (std::size_t m = 0; m < map_.members; ++m) {
    if (!which[m] || bad[m] || into[m]) continue;
    into[m] = make_memory(bytes);
    asked.push_back(m);
    reads.push_back(
        on_member(m, action::read, offset, bytes, into[m], list_of(into[m]->span()), io::durability::cached));
  }
  auto outcomes = co_await rt::when_all(std::move(reads));
  std::vector<bad_drive> lost;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (outcomes[i].whole) continue;
    into[asked[i]].reset();
    bad[asked[i]] = true;
    for (auto& b : outcomes[i].bad)
      if (!of_blocks(b.why)) lost.push_back(std::move(b));
  }
  if (!lost.empty()) co_return co_await lun_.record_losses(std::move(lost));
  co_return status();
}

rt::task<result<parity::contents>> parity::load_row(std::uint64_t row, std::uint64_t lo, std::uint64_t bytes,
                                                    member_set& bad, bool and_parity) {
  contents all(map_.members);
  const std::uint64_t offset = row * unit() + lo;
  for (;;) {
    // As many as there are data columns; these first, then P, then Q.
    member_set which(map_.members);
    std::size_t chosen = 0;
    for (std::size_t c = 0; c < map_.members && chosen < map_.data(); ++c) {
      const auto m = map_.member_of(row, c);
      if (bad[m]) continue;
      which[m] = true;
      ++chosen;
    }
    if (chosen < map_.data()) {
      if (worst_loss() > shape_.redundancy()) co_return too_many_lost();
      co_return failure(errc::medium_error, "too many members cannot be read there");
    }
    const auto before = bad;
    auto s = co_await read_members(which, offset, bytes, all, bad);
    if (!s) co_return std::move(s).error();
    if (bad == before) break;
  }
  math::columns columns;
  std::vector<std::size_t> lost;
  for (std::size_t c = 0; c < map_.members; ++c) {
    auto& m = all[map_.member_of(row, c)];
    if (!m && (c < map_.data() || and_parity)) {
      m = make_memory(bytes);
      lost.push_back(c);
    }
    columns.push_back(m ? m->data() : nullptr);
  }
  if (!lost.empty()) math::reconstruct(columns, map_.data(), lost, bytes);
  co_return all;
}

rt::task<status> parity::reconstruct_read(std::uint64_t row, std::size_t column, std::uint64_t lo,
                                          std::vector<io::buffer> into, bool was_readable) {
  const std::uint64_t bytes = io::total_size(into), offset = row * unit() + lo;
  const auto held = co_await lock_.take(offset, bytes);
  const std::size_t member = map_.member_of(row, column);
  auto bad = unreadable(ordinal_of(offset));
  const bool drive_works = !bad[member];
  bad[member] = true;
  ++count_.reconstructed_reads;
  auto row_content = co_await load_row(row, lo, bytes, bad, false);
  if (!row_content) {
    // Each block may have enough members that can read it.
    const std::uint64_t block = std::max<std::uint64_t>(lun_.record().block, 4096);
    if (row_content.error() != errc::medium_error || bytes <= block) co_return std::move(row_content).error();
    bool all = true;
    for (std::uint64_t at = 0; at < bytes; at += block) {
      const std::uint64_t n = std::min(block, bytes - at);
      auto few = unreadable(ordinal_of(offset));
      contents own(map_.members);
      member_set me(map_.members);
      me[member] = true;
      auto s = co_await read_members(me, offset + at, n, own, few);
      if (!s) co_return s;
      if (!own[member]) {
        auto one = co_await load_row(row, lo + at, n, few, false);
        all = all && one.has_value();
        if (one) own[member] = (*one)[member];
      }
      if (own[member]) copy_out(part_of(into, at, n), own[member]->data());
    }
    if (!all) co_return failure(errc::medium_error).in("reading LUN", lun_.name());
    co_return status();
  }
  const auto& content = (*row_content)[member];
  copy_out(into, content->data());
  if (!was_readable || !drive_works) co_return status();
  // A drive that cannot read a block usually can write it anew. The row's content stays the same: nothing to log.
  log::warn("LUN {}: rewriting {} unreadable bytes at {} of member {}", lun_.name(), bytes, offset, member);
  count_.repaired_bytes += bytes;
  auto done = co_await on_member(member, action::write, offset, bytes, content, list_of(content->span()),
                                 io::durability::cached);
  if (!done.bad.empty()) co_return co_await lun_.record_losses(std::move(done.bad));
  co_return status();
}

rt::task<status> parity::read(std::uint64_t offset, memory m, std::vector<io::buffer> list) {
  struct part {
    std::uint64_t row = 0;
    std::size_t column = 0, member = 0;
    std::uint64_t lo = 0;
    std::vector<io::buffer> into;
  };
  struct request {
    std::size_t member = 0;
    std::uint64_t offset = 0, bytes = 0;
    std::vector<io::buffer> into;
    std::vector<std::size_t> parts;
  };
  const std::uint64_t bytes = io::total_size(list);
  std::vector<part> parts;
  std::vector<request> requests;
  std::vector<std::size_t> last(map_.members, SIZE_MAX);
  std::vector<std::pair<std::size_t, bool>> again;  // part to be reconstructed, and whether its drive works
  for (std::uint64_t at = 0; at < bytes;) {
    const std::uint64_t pos = offset + at, row = pos / row_bytes(), column = pos % row_bytes() / unit();
    const std::uint64_t lo = pos % unit(), n = std::min(unit() - lo, bytes - at);
    part p{row, column, map_.member_of(row, column), lo, part_of(list, at, n)};
    const std::uint64_t place = row * unit() + lo;
    if (!readable(p.member, ordinal_of(place))) {
      again.emplace_back(parts.size(), false);
    } else {
      if (last[p.member] == SIZE_MAX || requests[last[p.member]].offset + requests[last[p.member]].bytes != place) {
        last[p.member] = requests.size();
        requests.push_back({p.member, place, 0, {}, {}});
      }
      auto& r = requests[last[p.member]];
      r.bytes += n;
      r.into.insert(r.into.end(), p.into.begin(), p.into.end());
      r.parts.push_back(parts.size());
    }
    parts.push_back(std::move(p));
    at += n;
  }
  std::vector<rt::task<outcome>> reads;
  for (auto& r : requests)
    reads.push_back(on_member(r.member, action::read, r.offset, r.bytes, m, r.into, io::durability::cached));
  auto outcomes = co_await rt::when_all(std::move(reads));
  std::vector<bad_drive> lost;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (outcomes[i].whole) continue;
    for (auto& b : outcomes[i].bad)
      if (!of_blocks(b.why)) lost.push_back(std::move(b));
    for (const auto p : requests[i].parts) again.emplace_back(p, true);
  }
  if (!lost.empty()) {
    auto s = co_await lun_.record_losses(std::move(lost));
    if (!s) co_return s;
  }
  std::vector<rt::task<status>> repairs;
  for (const auto& [i, worked] : again) {
    const auto& p = parts[i];
    repairs.push_back(reconstruct_read(p.row, p.column, p.lo, p.into, worked));
  }
  for (auto& s : co_await rt::when_all(std::move(repairs)))
    if (!s) co_return std::move(s).error().in("reading LUN", lun_.name());
  co_return status();
}

}  // namespace vds::array::engine
