#include "array/engine/lun_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>

#include "array/engine/intents.h"
#include "array/engine/mirror.h"
#include "array/engine/parity.h"
#include "array/engine/state.h"
#include "base/log.h"

namespace vds::array::engine {
namespace {
constexpr std::uint64_t request_bytes = 4_MiB;  // larger ones are cut, so that memory stays bounded
constexpr std::uint64_t zero_bytes = 64_MiB;

std::vector<io::buffer> parts_of(const memory& m, const layout::share& s) {
  std::vector<io::buffer> list;
  list.reserve(s.parts.size());
  for (const auto& p : s.parts) list.push_back(m->span().subspan(p.at, p.bytes));
  return list;
}
}  // namespace

lun_device::lun_device(std::shared_ptr<pool> p, std::shared_ptr<const format::lun_record> record)
    : pool_(std::move(p)),
      record_(std::move(record)),
      name_(to_string(record_->id)),
      health_(lun_health::healthy),
      gate_(pool_->executor()),
      drained_(pool_->executor()),
      shape_(layout::shape_of(record_->type, record_->plexes, record_->groups)) {
  for (std::size_t g = 0; g < shape_.groups.size(); ++g) {
    if (shape_.groups[g].parity == 0)
      groups_.push_back(std::make_unique<mirror>(*this, g, shape_.groups[g]));
    else
      groups_.push_back(std::make_unique<parity>(*this, g, shape_.groups[g]));
  }
  health_ = measure();
}
lun_device::~lun_device() = default;

void lun_device::set_record(std::shared_ptr<const format::lun_record> r) {
  auto next = layout::shape_of(r->type, r->plexes, r->groups);
  always(next.groups.size() == groups_.size() && next.chunk_bytes == shape_.chunk_bytes);
  record_ = std::move(r);
  if (next == shape_) return;
  shape_ = std::move(next);
  for (std::size_t g = 0; g < groups_.size(); ++g) groups_[g]->set_shape(shape_.groups[g]);
  refresh_health();
}

io::block_geometry lun_device::geometry() const {
  return {.logical = block_size{record_->block},
          .physical = block_size{std::max<std::uint32_t>(4096, record_->block)},
          .blocks = block_count{std::min(record_->size, limit_.value_or(UINT64_MAX)) / record_->block}};
}

bool lun_device::plex_works(std::size_t plex) const {
  if (layout::parity_of(record_->type) != 0) return health_ != lun_health::failed;
  return std::all_of(groups_.begin(), groups_.end(), [plex](auto& g) { return g->works(plex); });
}

lun_health lun_device::measure() const {
  constexpr auto badness = [](lun_health h) {
    switch (h) {
      case lun_health::healthy:
        return 0;
      case lun_health::resyncing:
        return 1;
      case lun_health::degraded:
        return 2;
      case lun_health::failed:
        break;
    }
    return 3;
  };
  lun_health worst = lun_health::healthy;
  for (const auto& g : groups_)
    if (const auto h = g->health(); badness(h) > badness(worst)) worst = h;
  return worst;
}

unsigned lun_device::tolerates() const {
  unsigned least = UINT_MAX;
  for (const auto& g : groups_) least = std::min(least, g->tolerates());
  return least;
}

void lun_device::refresh_health() {
  const lun_health was = health_;
  if (!become(health_, measure())) return;
  log::info("LUN {}: {} -> {}", name_, to_string(was), to_string(health_));
  pool_->health_changed(record_->id);
}

rt::task<void> lun_device::close() {
  const auto self = shared_from_this();
  co_await gate_.close();
}

status lun_device::refuse() const {
  if (record_->offline) return failure(errc::unavailable, fmt::format("LUN {} is offline", name_));
  return {};
}

rt::task<status> lun_device::record_losses(std::vector<bad_drive> bad) {
  for (auto& b : bad) {
    if (b.slot == no_slot) continue;
    auto s = co_await pool_->fail_drive(b.slot, std::move(b.why));
    if (!s) co_return s;
  }
  std::vector<std::uint32_t> lost;
  for (const auto& p : record_->plexes)
    for (const auto slot : p.slots())
      if (const auto d = pool_->find_drive(slot); (!d || !d->usable()) && !pool_->recorded_as_lost(slot))
        lost.push_back(slot);
  for (const auto slot : lost) {
    auto s = co_await pool_->fail_drive(slot, failure(errc::unavailable));
    if (!s) co_return s;
  }
  co_return status();
}

rt::task<status> lun_device::read(lba at, io::buffers into) {
  const auto self = shared_from_this();
  const auto held = gate_.hold();
  if (!held) co_return failure(errc::unavailable, "the LUN is being deleted");
  VDS_CO_RETURN_IF_FAILED(refuse());
  const auto total = io::total_size(into);
  if (total % record_->block != 0) co_return errc::invalid_argument;
  VDS_CO_RETURN_IF_FAILED(io::check_range(geometry(), at, block_count{total / record_->block}));
  const request counted(*this);
  const std::uint64_t start = at.n * record_->block;
  std::size_t piece = 0, within = 0;
  for (std::uint64_t done = 0; done < total;) {
    const std::uint64_t n = std::min(request_bytes, total - done);
    auto m = make_memory(n);
    auto shares = layout::spread(shape_, start + done, n);
    if (shares.size() == 1) {
      auto s = co_await groups_[shares[0].group]->read(shares[0].offset, m, parts_of(m, shares[0]));
      if (!s) co_return s;
    } else {
      std::vector<rt::task<status>> reads;
      for (auto& one : shares) reads.push_back(groups_[one.group]->read(one.offset, m, parts_of(m, one)));
      for (auto& s : co_await rt::when_all(std::move(reads)))
        if (!s) co_return std::move(s);
    }
    for (std::uint64_t copied = 0; copied < n;) {
      const std::size_t part = std::min<std::uint64_t>(n - copied, into[piece].size() - within);
      std::memcpy(into[piece].data() + within, m->data() + copied, part);
      copied += part;
      within += part;
      if (within == into[piece].size()) ++piece, within = 0;
    }
    done += n;
  }
  co_return status();
}

rt::task<status> lun_device::modify(action what, std::uint64_t offset, memory m, std::uint64_t bytes,
                                    io::durability how, bool may_unmap) {
  auto shares = layout::spread(shape_, offset, bytes);
  std::vector<rt::task<status>> changes;
  for (auto& one : shares) {
    auto list = what == action::zero ? std::vector<io::buffer>() : parts_of(m, one);
    changes.push_back(groups_[one.group]->modify(what, one.offset, one.bytes, m, std::move(list), how, may_unmap));
  }
  if (changes.size() == 1) co_return co_await std::move(changes[0]);
  for (auto& s : co_await rt::when_all(std::move(changes)))
    if (!s) co_return std::move(s);
  co_return status();
}

rt::task<status> lun_device::write(lba at, io::const_buffers from, io::durability how) {
  const auto self = shared_from_this();
  const auto held = gate_.hold();
  if (!held) co_return failure(errc::unavailable, "the LUN is being deleted");
  VDS_CO_RETURN_IF_FAILED(refuse());
  const auto total = io::total_size(from);
  if (total % record_->block != 0) co_return errc::invalid_argument;
  VDS_CO_RETURN_IF_FAILED(io::check_range(geometry(), at, block_count{total / record_->block}));
  const request counted(*this);
  const std::uint64_t start = at.n * record_->block;
  std::size_t piece = 0, within = 0;
  for (std::uint64_t done = 0; done < total;) {
    const std::uint64_t n = std::min(request_bytes, total - done);
    auto m = make_memory(n);
    for (std::uint64_t copied = 0; copied < n;) {
      const std::size_t part = std::min<std::uint64_t>(n - copied, from[piece].size() - within);
      std::memcpy(m->data() + copied, from[piece].data() + within, part);
      copied += part;
      within += part;
      if (within == from[piece].size()) ++piece, within = 0;
    }
    auto s = co_await modify(action::write, start + done, std::move(m), n, how, false);
    if (!s) co_return s;
    done += n;
  }
  co_return status();
}

rt::task<status> lun_device::write_zeroes(lba at, block_count count, bool may_unmap, io::durability how) {
  const auto self = shared_from_this();
  const auto held = gate_.hold();
  if (!held) co_return failure(errc::unavailable, "the LUN is being deleted");
  VDS_CO_RETURN_IF_FAILED(refuse());
  VDS_CO_RETURN_IF_FAILED(io::check_range(geometry(), at, count));
  const request counted(*this);
  const std::uint64_t start = at.n * record_->block, total = count.n * record_->block;
  for (std::uint64_t done = 0; done < total;) {
    const std::uint64_t n = std::min(zero_bytes, total - done);
    auto s = co_await modify(action::zero, start + done, nullptr, n, how, may_unmap);
    if (!s) co_return s;
    done += n;
  }
  co_return status();
}

rt::task<status> lun_device::flush() {
  const auto self = shared_from_this();
  const auto held = gate_.hold();
  if (!held) co_return failure(errc::unavailable, "the LUN is being deleted");
  VDS_CO_RETURN_IF_FAILED(refuse());
  if (health_ == lun_health::failed) co_return failure(errc::unavailable, fmt::format("LUN {} has failed", name_));
  if (groups_.size() == 1) co_return co_await groups_[0]->flush();
  std::vector<rt::task<status>> flushes;
  for (const auto& g : groups_) flushes.push_back(g->flush());
  for (auto& s : co_await rt::when_all(std::move(flushes)))
    if (!s) co_return std::move(s);
  co_return status();
}

// Of all groups ------------------------------------------------------------------------------------------------------

void lun_device::find_differences() {
  for (const auto& g : groups_) g->find_differences();
  refresh_health();
}
bool lun_device::resyncing() const {
  return std::any_of(groups_.begin(), groups_.end(), [](auto& g) { return g->resyncing(); });
}
std::uint64_t lun_device::pending_regions() const {
  std::uint64_t n = 0;
  for (const auto& g : groups_) n += g->pending_regions();
  return n;
}
std::uint64_t lun_device::resync_total() const {
  std::uint64_t n = 0;
  for (const auto& g : groups_) n += g->resync_total();
  return n;
}
rt::task<bool> lun_device::resync_some() {
  bool more = false;
  for (const auto& g : groups_)
    if (g->resyncing()) more = co_await g->resync_some() || more;
  co_return more;
}
rt::task<bool> lun_device::clear_idle(monotonic::time_point before) {
  bool left = false;
  for (const auto& g : groups_)
    if (g->marked()) left = co_await g->clear_idle(before) || left;
  co_return left;
}
bool lun_device::marked() const {
  return std::any_of(groups_.begin(), groups_.end(), [](auto& g) { return g->marked(); });
}
void lun_device::drop_marks() {
  for (const auto& g : groups_) g->drop_marks();
}
void lun_device::unmark(const std::vector<layout::run>& runs) {
  for_each_marked([&](layout::extent_place at) {
    for (const auto& r : runs)
      if (r.slot == at.slot && r.start <= at.extent && at.extent < r.end())
        if (const auto d = pool_->find_drive(at.slot); d && d->usable()) d->intent->unset(at.extent);
  });
}
void lun_device::for_each_marked(const std::function<void(layout::extent_place)>& visit) const {
  for (const auto& g : groups_) g->for_each_marked(visit);
}
rt::task<status> lun_device::zero_rest() {
  const auto self = shared_from_this();
  const std::uint64_t end = shape_.extents_of_data() * pool_->extent_bytes();
  for (std::uint64_t at = record_->size; at < end;) {
    const std::uint64_t n = std::min(zero_bytes, end - at);
    VDS_CO_RETURN_IF_FAILED(co_await modify(action::zero, at, nullptr, n, io::durability::fua, false));
    at += n;
  }
  co_return status();
}
rt::task<void> lun_device::drain() {
  const unsigned old = turn_++ & 1;
  drained_.reset();
  if (in_flight_[old] != 0) co_await drained_;
}
rt::task<void> lun_device::settle() {
  for (const auto& g : groups_) co_await g->settle();
}

}  // namespace vds::array::engine
