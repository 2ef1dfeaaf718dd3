// Scrubbing: every extent of a LUN is read on all its drives and compared, one extent of each group at a time, while
// initiators go on.
#include <fmt/format.h>

#include "array/array_impl.h"

namespace vds::array {

rt::task<result<scrub_report>> array::impl::scrub_lun(guid lun, bool repair, progress_callback report,
                                                      rt::cancel_token cancel) {
  const auto self = shared_from_this();
  const auto missing = failure(errc::not_found, fmt::format("LUN {}", to_string(lun)));
  if (closing_) co_return errc::closing;
  const auto it = luns_.find(lun);
  if (it == luns_.end() || it->second.deleting) co_return missing;
  const auto device = it->second.device;
  engine::check_report found;
  std::uint64_t done = 0;
  // Asked again each time: the LUN may be extended or shrunk meanwhile.
  const auto total = [&device] {
    std::uint64_t n = 0;
    for (const auto& g : device->groups()) n += g->shape().extents() * g->shape().members.size();
    return n;
  };
  for (std::size_t g = 0; g < device->groups().size(); ++g) {
    auto& group = *device->groups()[g];
    for (std::uint32_t o = 0; o < group.shape().extents(); ++o) {
      const auto busy = device->gate().hold();
      if (!busy) co_return missing;
      if (stopped()) co_return errc::closing;
      if (cancel.requested()) co_return errc::cancelled;
      auto turn = co_await rebuilding_turn_.take();  // nothing moves or is cut off meanwhile
      if (o >= group.shape().extents()) break;
      auto one = co_await group.verify_extent(o, repair);
      turn.release();
      if (!one) co_return std::move(one).error().in("scrubbing LUN", device->name());
      found.add(*one);
      done += group.shape().members.size();
      if (report)
        report({scrubbing_phase, byte_count{std::min(done, total()) * extent_bytes()},
                byte_count{total() * extent_bytes()}});
      co_await pace(extent_bytes() * group.shape().members.size());
    }
  }
  scrub_report out{byte_count{found.bytes},
                   byte_count{found.mismatched},
                   byte_count{found.unreadable},
                   byte_count{found.repaired},
                   {}};
  for (const auto slot : found.suspects)
    if (const auto d = journal_->config().drives.find(slot); d != journal_->config().drives.end())
      out.suspects.push_back(d->second.id);
  co_return out;
}

}  // namespace vds::array
