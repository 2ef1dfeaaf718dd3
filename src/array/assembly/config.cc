#include "array/assembly/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "array/layout/shape.h"
#include "base/units.h"

namespace vds::array::assembly {
namespace {

std::size_t weight(const format::lun_record& r) {
  std::size_t n = 160 + r.name.size();
  for (const auto& u : r.unmask) n += 4 + u.size();
  for (const auto& p : r.plexes) {
    n += 24;
    for (const auto& column : p.columns) n += 16 + 12 * column.size();
  }
  return n;
}

std::size_t weight(const layout::byte_set& unreadable) { return 16 + 16 * unreadable.run_count(); }

struct applier {
  config& c;

  // What is free is nobody's to read.
  void freed(const layout::run& r) {
    const auto it = c.unreadable.find(r.slot);
    if (it == c.unreadable.end()) return;
    auto left = it->second;
    left.remove(std::uint64_t{r.start} * c.array.extent_bytes, std::uint64_t{r.count} * c.array.extent_bytes);
    set_unreadable(r.slot, std::move(left));
  }
  void set_unreadable(std::uint32_t slot, layout::byte_set set) {
    if (const auto it = c.unreadable.find(slot); it != c.unreadable.end()) {
      c.encoded_bytes -= weight(it->second);
      c.unreadable.erase(it);
    }
    if (set.empty()) return;
    c.encoded_bytes += weight(set);
    c.unreadable.emplace(slot, std::move(set));
  }

  status operator()(format::array_record&& r) {
    c.array = r;
    return {};
  }
  status operator()(format::epoch_record&& r) {
    c.epoch = std::move(r);
    return {};
  }
  status operator()(format::drive_record&& r) {
    const auto slot = r.slot;
    c.drives.insert_or_assign(slot, std::move(r));
    return {};
  }
  status operator()(format::drive_gone_record&& r) {
    c.drives.erase(r.slot);
    c.dirty.erase(r.slot);
    c.stripe_journals.erase(r.slot);
    set_unreadable(r.slot, {});
    return {};
  }
  status operator()(format::dirty_record&& r) {
    auto& set = c.dirty[r.slot];
    if (!r.more) set.clear();
    for (const auto& run : r.runs) set.add(run.start, run.count), freed(run);
    return {};
  }
  status operator()(format::wiped_record&& r) {
    for (const auto& run : r.runs) c.dirty[run.slot].remove(run.start, run.count), freed(run);
    return {};
  }
  status operator()(format::lun_record&& r) {
    for (std::size_t p = 0; p < r.plexes.size(); ++p)
      if (!r.plexes[p].id) r.plexes[p].id = format::first_plex_id(r.id, p);
    auto& known = c.luns[r.id];
    if (known) c.encoded_bytes -= weight(*known);
    c.encoded_bytes += weight(r);
    known = std::make_shared<const format::lun_record>(std::move(r));
    return {};
  }
  status operator()(format::lun_gone_record&& r) {
    for (const auto& run : r.freed) c.dirty[run.slot].add(run.start, run.count), freed(run);
    if (const auto it = c.luns.find(r.id); it != c.luns.end()) {
      c.encoded_bytes -= weight(*it->second);
      c.luns.erase(it);
    }
    return {};
  }
  status operator()(format::operation_record&& r) {
    if (c.operations.insert_or_assign(r.id, r.lun).second) c.operation_order.push_back(r.id);
    while (c.operations.size() > c.operation_limit) {
      c.operations.erase(c.operation_order.front());
      c.operation_order.pop_front();
    }
    while (c.operation_order.size() > 2 * max_operations) {  // forgotten ones piled up
      std::erase_if(c.operation_order, [this](const guid& id) { return !c.operations.contains(id); });
    }
    return {};
  }
  status operator()(format::forget_record&& r) {
    c.operations.erase(r.id);
    return {};
  }
  status operator()(format::stripe_journal_record&& r) {
    c.stripe_journals.insert_or_assign(r.slot, std::move(r.runs));
    return {};
  }
  status operator()(format::unreadable_record&& r) {
    layout::byte_set set;
    for (const auto& [from, to] : r.bytes) set.add(from, to - from);
    set_unreadable(r.slot, std::move(set));
    return {};
  }
  status operator()(format::shutdown_record&& r) {
    c.clean = r.clean;
    return {};
  }
  void drop_setting(const std::string& key) {
    const auto it = c.settings.find(key);
    if (it == c.settings.end()) return;
    c.encoded_bytes -= config::weight(it->first, it->second);
    c.settings.erase(it);
  }
  status operator()(format::setting_record&& r) {
    drop_setting(r.key);
    c.encoded_bytes += config::weight(r.key, r.value);
    c.settings.emplace(std::move(r.key), std::move(r.value));
    return {};
  }
  status operator()(format::setting_gone_record&& r) {
    drop_setting(r.key);
    return {};
  }
};

failure wrong(const guid& lun, std::string_view what) {
  return failure(errc::corrupt, fmt::format("LUN {} {}", to_string(lun), what));
}

status check_lun(const config& c, const format::lun_record& lun) {
  if (!lun.id || lun.size == 0 || lun.size > 1024_TiB) return wrong(lun.id, "without an id or size");
  if (!std::has_single_bit(lun.block) || lun.block < 512 || lun.block > 4096 || lun.size % lun.block != 0)
    return wrong(lun.id, "with an impossible block size");
  if (lun.number >= max_luns) return wrong(lun.id, "with an impossible number");
  struct rule {
    lun_type type;
    std::size_t least_plexes, most_plexes, least_columns, most_columns;
    bool groups;
  };
  constexpr std::size_t any = SIZE_MAX;
  constexpr rule rules[] = {
      {lun_type::simple, 1, 1, 1, 1, false},     {lun_type::span, 1, 1, 1, 1, false},
      {lun_type::stripe, 1, 1, 2, any, false},   {lun_type::mirror, 1, any, 1, 1, false},
      {lun_type::parity, 1, 1, 3, 64, false},    {lun_type::raid6, 1, 1, 4, 64, false},
      {lun_type::raid10, 1, any, 2, any, false}, {lun_type::raid50, 1, 1, 6, any, true},
      {lun_type::raid60, 1, 1, 8, any, true},
  };
  const auto* known = std::find_if(std::begin(rules), std::end(rules), [&lun](auto& r) { return r.type == lun.type; });
  if (known == std::end(rules))
    return failure(errc::too_new, fmt::format("LUN {} is of a type this program does not know", to_string(lun.id)));
  if (lun.plexes.size() < known->least_plexes || lun.plexes.size() > known->most_plexes)
    return wrong(lun.id, "with the wrong plexes");
  if (std::all_of(lun.plexes.begin(), lun.plexes.end(), [](auto& p) { return p.filled.has_value(); }))
    return wrong(lun.id, "without a plex that holds its data");
  const auto& first = lun.plexes[0];
  for (const auto& p : lun.plexes) {
    if (p.columns.size() < known->least_columns || p.columns.size() > known->most_columns ||
        (p.columns.size() == 1) != (p.stripe_bytes == 0))
      return wrong(lun.id, "with bad columns");
    if (p.stripe_bytes != 0 &&
        (!std::has_single_bit(p.stripe_bytes) || p.stripe_bytes < 4096 || p.stripe_bytes > c.array.extent_bytes))
      return wrong(lun.id, "with a bad stripe unit");
    if (p.columns.size() != first.columns.size() || p.stripe_bytes != first.stripe_bytes)
      return wrong(lun.id, "with plexes that differ");
  }
  if (known->groups ? lun.groups < 2 || first.columns.size() % lun.groups != 0 : lun.groups != 1)
    return wrong(lun.id, "with the wrong groups");
  const std::size_t members = first.columns.size() / lun.groups;
  if (known->groups && (members < layout::parity_of(lun.type) + 2U || members > 64))
    return wrong(lun.id, "with too few or too many drives in a group");
  // 64-bit: at most 2^32 extents of 2^30 bytes, times columns that were counted in bytes of a record.
  const auto shape = layout::shape_of(lun.type, lun.plexes, lun.groups);
  const auto capacity = static_cast<unsigned __int128>(shape.extents_of_data()) * c.array.extent_bytes;
  if (capacity < lun.size) return wrong(lun.id, "larger than its extents");
  return {};
}

}  // namespace

status config::apply(format::record&& r) { return std::visit(applier{*this}, std::move(r)); }

status config::apply(std::span<const std::byte> payload) {
  return format::for_each(payload, [this](format::record&& r) { return apply(std::move(r)); });
}

const format::drive_record* config::drive_by_id(const guid& id) const {
  for (const auto& [slot, d] : drives)
    if (d.id == id) return &d;
  return nullptr;
}

std::size_t config::members() const {
  return static_cast<std::size_t>(std::count_if(drives.begin(), drives.end(), [](auto& d) { return d.second.member; }));
}

void config::encode_head(format::bytes& out) const {
  format::append(out, format::record(array));
  format::append(out, format::record(epoch));
  format::append(out, format::record(format::shutdown_record{clean}));
  for (const auto& [slot, d] : drives) {
    format::append(out, format::record(d));
    format::dirty_record list{slot, false, {}};
    if (const auto it = dirty.find(slot); it != dirty.end()) {
      for (const auto& [start, count] : it->second) {
        list.runs.push_back({slot, start, count});
        if (list.runs.size() < 4096) continue;  // a record must fit into a batch
        format::append(out, format::record(std::exchange(list, {slot, true, {}})));
      }
    }
    format::append(out, format::record(std::move(list)));
  }
  for (const auto& [slot, runs] : stripe_journals)
    format::append(out, format::record(format::stripe_journal_record{slot, runs}));
  for (const auto& [slot, set] : unreadable)
    format::append(out, format::record(format::unreadable_record{slot, {set.begin(), set.end()}}));
  for (const auto& [key, value] : settings) format::append(out, format::record(format::setting_record{key, value}));
}

void config::encode_tail(format::bytes& out) const {
  std::unordered_set<guid> seen;  // forgotten and used again: named twice
  for (const guid& id : operation_order)
    if (const auto it = operations.find(id); it != operations.end() && seen.insert(id).second)
      format::append(out, format::record(format::operation_record{id, it->second}));
}

result<layout::allocator> config::check() const {
  if (!std::has_single_bit(array.extent_bytes) || array.extent_bytes < 64_KiB || array.extent_bytes > 1_GiB)
    return failure(errc::corrupt, "configuration without a sensible extent size");
  layout::allocator space;
  std::unordered_set<guid> ids;
  for (const auto& [slot, d] : drives) {
    if (!d.id || !ids.insert(d.id).second)
      return failure(errc::corrupt, "two drives of one identity in the configuration");
    if (slot >= array.next_slot) return failure(errc::corrupt, "a drive in a slot that was never given out");
    space.add_drive(slot, d.extents, true);
  }
  const auto use = [&](const format::run& r) -> bool {
    auto* d = space.find(r.slot);
    if (d == nullptr || !d->clean.contains(r.start, r.count)) return false;
    d->clean.remove(r.start, r.count);
    return true;
  };
  for (const auto& [slot, set] : dirty) {
    for (const auto& [start, count] : set) {
      if (!use({slot, start, count})) return failure(errc::corrupt, "deleted extents beyond their drive");
      space.find(slot)->dirty.add(start, count);
    }
  }
  for (const auto& [slot, runs] : stripe_journals) {
    std::uint64_t extents = 0;
    for (const auto& r : runs) {
      if (r.slot != slot || !use(r)) return failure(errc::corrupt, "a stripe journal on extents that are not there");
      extents += r.count;
    }
    if (extents * array.extent_bytes < 128_KiB || extents * array.extent_bytes > 1_GiB)
      return failure(errc::corrupt, "a stripe journal of an impossible size");
  }
  std::unordered_set<std::uint32_t> numbers;
  for (const auto& [id, lun] : luns) {
    VDS_RETURN_IF_FAILED(check_lun(*this, *lun));
    if (!numbers.insert(lun->number).second) return wrong(id, "shares its number with another");
    for (const auto& p : lun->plexes)
      for (const auto& column : p.columns)
        for (const auto& r : column)
          if (!use(r)) return wrong(id, "has extents that are not there or belong to another");
  }
  return space;
}

}  // namespace vds::array::assembly
