// What would be done, without doing it; and what is being done.
#include <algorithm>
#include <map>

#include "array/array_impl.h"
#include "array/layout/shape.h"

namespace vds::array {

result<lun_plan> array::plan_lun(lun_spec spec) const {
  const impl& a = *impl_;
  const auto& config = a.journal_->config();
  if (spec.size.n == 0) return failure(errc::invalid_argument, "a LUN of no size");
  std::uint32_t block = 512;
  for (const auto& [slot, d] : config.drives) block = std::max(block, d.logical_block);
  if (spec.size.n > 1024_TiB) return failure(errc::too_large, "a LUN has at most 1024 TiB");
  spec.size.n = round_up(spec.size.n, block);
  auto plan = a.plan(spec, true);
  if (!plan) return std::move(plan).error();
  lun_plan out;
  out.type = plan->type;
  out.size = spec.size;
  std::map<std::uint32_t, std::uint64_t> extents;
  std::vector<layout::plex> plexes;
  for (const auto& columns : plan->plexes) {
    layout::plex p{plan->stripe_bytes, {}};
    for (const auto& shares : columns) {
      std::vector<layout::run> column;
      for (const auto& s : shares) {
        extents[s.slot] += s.extents;
        column.push_back({s.slot, 0, static_cast<std::uint32_t>(s.extents)});
      }
      p.columns.push_back(std::move(column));
    }
    plexes.push_back(std::move(p));
  }
  for (const auto& [slot, n] : extents) {
    // A drive's first member of a parity group brings its journal along.
    const std::uint64_t whole = n + (layout::parity_of(out.type) != 0 ? a.journal_extents(slot) : 0);
    out.drives.push_back({config.drives.at(slot).id, byte_count{whole * a.extent_bytes()}});
  }
  std::size_t least = ~std::size_t{0};
  for (const auto& g : layout::shape_of(out.type, plexes, plan->groups).groups) least = std::min(least, g.redundancy());
  out.survives_drive_losses = static_cast<unsigned>(least);
  return out;
}

std::vector<guid> array::luns_at_work() const {
  std::vector<guid> out;
  for (const auto& [id, work] : impl_->rebuilding_) out.push_back(id);
  std::erase_if(impl_->resynchronised_, [&](const guid& id) {
    const auto at = impl_->luns_.find(id);
    if (at == impl_->luns_.end() || !at->second.device->resyncing()) return true;
    if (!impl_->rebuilding_.contains(id)) out.push_back(id);
    return false;
  });
  return out;
}

}  // namespace vds::array
