// Blocks that no drive could read when they were to be copied: remembered with the place that they should have been
// copied to (drive::unreadable, record 16 of the log), so that reading them fails, and never shows what happens to be
// there, until they are written. docs/design/array-life.md.
#include <fmt/format.h>

#include "array/array_impl.h"

namespace vds::array {

void array::impl::watch_unreadable(const std::shared_ptr<engine::drive>& d) {
  if (const auto it = journal_->config().unreadable.find(d->slot()); it != journal_->config().unreadable.end())
    d->unreadable = it->second;
  d->readable_again = [weak = weak_from_this(), slot = d->slot()] { return record_unreadable(weak.lock(), slot); };
}

rt::task<status> array::impl::record_unreadable(std::shared_ptr<impl> self, std::uint32_t slot) {
  if (!self) co_return errc::closing;
  format::bytes records;
  VDS_CO_RETURN_IF_FAILED(self->append_unreadable(slot, records));
  if (records.empty()) co_return status();
  VDS_CO_RETURN_IF_FAILED(co_await self->journal_->commit(std::move(records)));
  for (const auto& [id, entry] : self->luns_)
    for (const auto& p : entry.latest->plexes)
      if (p.uses(slot)) self->raise(array_event::kind::lun_modified, id);
  co_return status();
}

status array::impl::append_unreadable(std::uint32_t slot, format::bytes& records) const {
  const auto d = journal_->find(slot);
  if (!d || (d->unreadable.empty() && !journal_->config().unreadable.contains(slot))) return {};
  if (d->unreadable.run_count() > format::max_unreadable)
    return failure(errc::too_large, fmt::format("more than {} places cannot be read", format::max_unreadable));
  format::append(records,
                 format::record(format::unreadable_record{slot, {d->unreadable.begin(), d->unreadable.end()}}));
  return {};
}

std::uint64_t array::impl::unreadable_bytes(const format::lun_record& of) const {
  std::uint64_t n = 0;
  for (const auto& p : of.plexes)
    for (const auto& column : p.columns)
      for (const auto& r : column)
        if (const auto d = journal_->find(r.slot); d && !d->unreadable.empty())
          n += d->unreadable.overlap(std::uint64_t{r.start} * extent_bytes(), std::uint64_t{r.count} * extent_bytes());
  return n;
}

}  // namespace vds::array
