// The stripe journals of an array's drives: made when a drive first takes a member of a parity group, opened and
// replayed at assembly before any LUN can be asked.
#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "array/engine/parity.h"
#include "base/log.h"

namespace vds::array {

std::uint64_t array::impl::journal_extents(std::uint32_t slot) const {
  const auto& config = journal_->config();
  const auto d = config.drives.find(slot);
  if (d == config.drives.end() || config.stripe_journals.contains(slot)) return 0;
  const std::uint64_t extent = extent_bytes();
  return (engine::stripe_journal::bytes_for(d->second.bytes) + extent - 1) / extent;
}

std::uint64_t array::impl::reserved(std::uint32_t slot) const {
  std::uint64_t n = 0;
  if (const auto it = journal_->config().stripe_journals.find(slot); it != journal_->config().stripe_journals.end())
    for (const auto& r : it->second) n += r.count;
  return n;
}

rt::task<status> array::impl::need_stripe_journal(std::uint32_t slot) {
  const auto self = shared_from_this();
  const auto turn = co_await stripes_change_.take();
  const auto d = journal_->find(slot);
  if (!d || !d->usable()) co_return failure(errc::unavailable, "a drive for parity is gone");
  if (stripes_->on(*d)) co_return status();
  std::vector<layout::run> runs;
  if (const auto it = journal_->config().stripe_journals.find(slot); it != journal_->config().stripe_journals.end()) {
    runs = it->second;  // the drive came back: what its journal held is old
  } else {
    const std::uint64_t n = journal_extents(slot);
    if (space_.clean(slot) < n)
      co_return failure(errc::no_space, fmt::format("no room for a stripe journal on {}", d->name()));
    runs = space_.take(slot, n);
    // Recorded before anything is written there: what is free and not dirty must read as zeros.
    format::bytes record;
    format::append(record, format::record(format::stripe_journal_record{slot, runs}));
    auto s = co_await journal_->commit(std::move(record));
    if (!s) {
      if (!journal_->offline())
        for (const auto& r : runs) space_.give_back(r);
      co_return s;
    }
  }
  for (const auto& r : runs) d->exempt_from_checks(r.start, r.count);  // its batches have their own
  auto s = co_await stripes_->create(d, std::move(runs));
  if (!s) (void)co_await journal_->fail_drive(slot, s.error().in("making a stripe journal"));
  co_return s;
}

rt::task<status> array::impl::open_stripes(bool clean) {
  const auto self = shared_from_this();
  for (const auto& [slot, runs] : journal_->config().stripe_journals) {
    const auto d = journal_->find(slot);
    for (const auto& r : runs)
      if (d) d->exempt_from_checks(r.start, r.count);
  }
  auto opened = co_await stripes_->open(journal_->config().stripe_journals, clean);
  for (auto& b : opened.unreadable) {
    const auto d = journal_->find(b.slot);
    if (!d || !d->usable()) continue;
    // Nothing was in it; otherwise what it held is needed, and its drive without it not to be believed.
    status s = failure(errc::corrupt);
    if (clean || b.why == errc::not_ours)
      s = co_await stripes_->create(d, journal_->config().stripe_journals.at(b.slot));
    if (!s) s = co_await journal_->fail_drive(b.slot, std::move(b.why));
    if (!s) co_return s;
  }
  if (!opened.to_replay.empty()) log::info("array {}: {} stripe updates to repeat", id_, opened.to_replay.size());
  for (const auto& [entry, pieces] : opened.to_replay) {
    const auto& first = pieces[0].piece;
    const auto lun = luns_.find(first.lun);
    if (lun != luns_.end() && first.group < lun->second.device->groups().size()) {
      auto* g = dynamic_cast<engine::parity*>(lun->second.device->groups()[first.group].get());
      if (g != nullptr) {
        auto s = co_await g->replay(pieces);
        if (!s) co_return std::move(s).error().in("repeating a stripe update");
      }
    }
    stripes_->done(entry);
  }
  co_await stripes_->retire_all();
  co_return status();
}

}  // namespace vds::array
