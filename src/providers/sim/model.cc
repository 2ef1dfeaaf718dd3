#include "providers/sim/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace vds::sim {

namespace {

// How many whole copies of its data a LUN keeps; 0: a type the sim does not have.
unsigned copies(VDS_LUN_TYPE type) {
  switch (type) {
    case VDS_LT_DEFAULT:
    case VDS_LT_NON_FAULT_TOLERANT:
    case VDS_LT_SIMPLE:
    case VDS_LT_SPAN:
    case VDS_LT_STRIPE:
      return 1;
    case VDS_LT_FAULT_TOLERANT:
    case VDS_LT_MIRROR:
      return 2;
    default:
      return 0;
  }
}

VDS_LUN_TYPE concrete(VDS_LUN_TYPE type) {
  if (type == VDS_LT_DEFAULT || type == VDS_LT_NON_FAULT_TOLERANT) return VDS_LT_SIMPLE;
  return type == VDS_LT_FAULT_TOLERANT ? VDS_LT_MIRROR : type;
}

}  // namespace

model::model(const guid& provider, const script& begin, random_source& random)
    : random_(random), subsystem_(name_guid(provider, "subsystem")) {
  for (unsigned n = 0; n < begin.drives; ++n)
    drives_.push_back(
        {.id = name_guid(provider, fmt::format("drive {}", n)), .slot = n, .size = begin.drive_bytes, .used = 0});
  for (unsigned n = 0; n < begin.luns && !drives_.empty(); ++n) {
    lun_state lun{.id = name_guid(provider, fmt::format("lun {}", n)),
                  .size = 1 << 20,
                  .type = VDS_LT_SIMPLE,
                  .name = fmt::format("sim-lun-{}", n),
                  .unmasking_list = "*",
                  .taken = {}};
    drive_state& drive = drives_[n % drives_.size()];
    drive.used += lun.size;
    lun.taken[drive.id] = lun.size;
    luns_.emplace(lun.id, std::move(lun));
  }
}

std::vector<drive_state> model::drives() const {
  const std::lock_guard lock(mutex_);
  return drives_;
}

std::vector<lun_state> model::luns() const {
  const std::lock_guard lock(mutex_);
  std::vector<lun_state> out;
  for (const auto& [id, lun] : luns_) out.push_back(lun);
  return out;
}

std::optional<drive_state> model::drive(const guid& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(drives_.begin(), drives_.end(), [&](const drive_state& d) { return d.id == id; });
  return at == drives_.end() ? std::optional<drive_state>{} : *at;
}

std::optional<lun_state> model::lun(const guid& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = luns_.find(id);
  return at == luns_.end() ? std::optional<lun_state>{} : at->second;
}

result<std::map<guid, std::uint64_t>> model::place(const lun_wish& wish) const {
  const unsigned whole = copies(wish.type);
  if (whole == 0) return errc::not_supported;
  if (wish.size == 0) return errc::invalid_argument;
  std::vector<const drive_state*> usable;
  if (wish.drives.empty()) {
    for (const drive_state& d : drives_) usable.push_back(&d);
  } else {
    for (const guid& id : wish.drives) {
      const auto at = std::find_if(drives_.begin(), drives_.end(), [&](const drive_state& d) { return d.id == id; });
      if (at == drives_.end()) return errc::not_found;
      usable.push_back(&*at);
    }
  }
  std::map<guid, std::uint64_t> taken;
  for (unsigned copy = 0; copy < whole; ++copy) {
    std::uint64_t left = wish.size;
    for (const drive_state* d : usable) {
      if (taken.contains(d->id)) continue;  // each copy on drives of its own
      const std::uint64_t part = std::min(left, d->size - d->used);
      if (part == 0) continue;
      taken[d->id] = part;
      left -= part;
      if (left == 0) break;
    }
    if (left != 0) return errc::no_space;
  }
  return taken;
}

status model::check(const lun_wish& wish) const {
  const std::lock_guard lock(mutex_);
  auto placed = place(wish);
  if (!placed) return placed.error();
  return {};
}

result<lun_state> model::create(const lun_wish& wish) {
  const std::lock_guard lock(mutex_);
  auto placed = place(wish);
  if (!placed) return placed.error();
  lun_state lun{.id = random_guid(random_),
                .size = wish.size,
                .type = concrete(wish.type),
                .name = {},
                .unmasking_list = wish.unmasking_list,
                .taken = std::move(*placed)};
  lun.name = "sim-" + to_string(lun.id).substr(0, 8);
  for (drive_state& d : drives_)
    if (const auto at = lun.taken.find(d.id); at != lun.taken.end()) d.used += at->second;
  luns_.emplace(lun.id, lun);
  return lun;
}

status model::remove(const guid& id) {
  const std::lock_guard lock(mutex_);
  const auto at = luns_.find(id);
  if (at == luns_.end()) return errc::not_found;
  for (drive_state& d : drives_)
    if (const auto part = at->second.taken.find(d.id); part != at->second.taken.end()) d.used -= part->second;
  luns_.erase(at);
  return {};
}

status model::set_mask(const guid& id, std::string list) {
  const std::lock_guard lock(mutex_);
  const auto at = luns_.find(id);
  if (at == luns_.end()) return errc::not_found;
  at->second.unmasking_list = std::move(list);
  return {};
}

std::uint64_t model::max_size(VDS_LUN_TYPE type, const std::vector<guid>& drives) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t free = 0;
  for (const drive_state& d : drives_)
    if (drives.empty() || std::find(drives.begin(), drives.end(), d.id) != drives.end()) free += d.size - d.used;
  // Copies take whole drives in turn: an upper bound that shrinks until it fits.
  const unsigned whole = copies(type);
  if (whole == 0) return 0;
  std::uint64_t low = 0, high = free / whole;
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    if (place({.type = type, .size = middle, .drives = drives, .unmasking_list = {}}))
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

}  // namespace vds::sim
