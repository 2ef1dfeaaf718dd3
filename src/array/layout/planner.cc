#include "array/layout/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "array/layout/shape.h"
#include "base/units.h"

namespace vds::array::layout {
namespace {

using rooms = std::vector<drive_room>;

std::uint64_t extents_for(std::uint64_t bytes, std::uint32_t extent_bytes) {
  return bytes / extent_bytes + (bytes % extent_bytes != 0 ? 1 : 0);
}

failure no_room(std::uint64_t extents, std::uint32_t extent_bytes) {
  return failure(errc::no_space, fmt::format("no room for {} extents of {} bytes", extents, extent_bytes));
}

rooms most_space_first(rooms all) {
  std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.free > b.free; });
  return all;
}

result<plan> simple(const lun_spec&, const rooms& from, std::uint64_t extents, std::uint32_t extent_bytes) {
  for (const auto& d : from)
    if (d.free >= extents) return plan{lun_type::simple, 0, {{{{d.slot, extents}}}}};
  return no_room(extents, extent_bytes);
}

result<plan> span(const lun_spec& spec, const rooms& from, std::uint64_t extents, std::uint32_t extent_bytes) {
  std::vector<plan::share> column;
  std::uint64_t left = extents;
  for (const auto& d : from) {
    const std::uint64_t n = std::min(d.free, left);
    if (n > 0) column.push_back({d.slot, n});
    if ((left -= n) == 0) break;
    if (spec.hints.maximum_drives != 0 && spec.drives.empty() && column.size() == spec.hints.maximum_drives) break;
  }
  if (left > 0) return no_room(extents, extent_bytes);
  return plan{lun_type::span, 0, {{std::move(column)}}};
}

result<std::uint32_t> stripe_unit(const lun_spec& spec, std::uint32_t extent_bytes) {
  std::uint32_t unit = spec.stripe_bytes != 0 ? spec.stripe_bytes : spec.hints.stripe_bytes;
  if (spec.stripe_bytes == 0 && (!std::has_single_bit(unit) || unit < 16_KiB || unit > 1_MiB)) unit = 64_KiB;
  if (!std::has_single_bit(unit) || unit < 16_KiB || unit > 1_MiB)
    return failure(errc::invalid_argument, "a stripe unit is a power of two from 16 KiB to 1 MiB");
  return std::min(unit, extent_bytes);
}

// What a type of several groups, or with parity, asks of the number of drives.
struct rule {
  lun_type type;
  std::size_t least_members, most_members, least_groups, preferred_drives;
};
constexpr rule rules[] = {
    {lun_type::parity, 3, 64, 1, 9},  {lun_type::raid6, 4, 64, 1, 12},  {lun_type::raid10, 2, 32, 2, 16},
    {lun_type::raid50, 3, 64, 2, 24}, {lun_type::raid60, 4, 64, 2, 24},
};

// Groups that so many drives make: as few as possible, each of at most nine members if that can be. 0: they make none.
std::size_t groups_of(const rule& r, std::size_t drives, std::size_t copies) {
  if (r.type == lun_type::raid10)
    return drives % copies == 0 && drives / copies >= r.least_groups ? drives / copies : 0;
  if (r.least_groups == 1) return drives >= r.least_members && drives <= r.most_members ? 1 : 0;
  std::size_t best = 0;
  for (std::size_t g = r.least_groups; drives / g >= r.least_members; ++g) {
    if (drives % g != 0 || drives / g > r.most_members) continue;
    if (drives / g <= 9) return g;
    best = g;
  }
  return best;
}

result<plan> grouped(const lun_spec& spec, const rule& r, rooms from, std::uint32_t extent_bytes) {
  auto unit = stripe_unit(spec, extent_bytes);
  if (!unit) return std::move(unit).error();
  const unsigned parity = parity_of(spec.type);
  const std::size_t copies = spec.plexes == 0 ? 2 : spec.plexes;
  if (r.type == lun_type::raid10 && (copies < 2 || copies > 32))
    return failure(errc::invalid_argument, "a mirror has 2 to 32 plexes");
  if (parity != 0)
    for (auto& d : from) d.free -= std::min(d.free, d.journal);
  from = spec.drives.empty() ? most_space_first(std::move(from)) : from;
  const auto with = [&](std::size_t drives) -> std::optional<plan> {
    const std::size_t groups = groups_of(r, drives, copies);
    if (groups == 0) return std::nullopt;
    const std::size_t members = drives / groups, data = parity == 0 ? 1 : members - parity;
    const std::uint64_t row = std::uint64_t{*unit} * data * groups;
    const std::uint64_t rows = spec.size.n / row + (spec.size.n % row != 0 ? 1 : 0);
    const std::uint64_t extents = extents_for(rows * *unit, extent_bytes);
    for (std::size_t i = 0; i < drives; ++i)
      if (from[i].free < extents) return std::nullopt;
    plan p{spec.type, *unit, {}, 1};
    if (parity != 0) {
      p.groups = static_cast<std::uint32_t>(groups);
      p.plexes.resize(1);
      for (std::size_t i = 0; i < drives; ++i) p.plexes[0].push_back({{from[i].slot, extents}});
    } else {
      p.plexes.resize(members);
      for (std::size_t i = 0; i < drives; ++i) p.plexes[i % members].push_back({{from[i].slot, extents}});
    }
    return p;
  };
  const std::size_t least = r.least_members * r.least_groups;
  if (from.size() < least)
    return failure(errc::unavailable, fmt::format("{} needs {} drives", to_string(r.type), least));
  if (!spec.drives.empty()) {
    if (groups_of(r, from.size(), copies) == 0)
      return failure(errc::invalid_argument,
                     fmt::format("{} drives cannot be divided into groups for {}", from.size(), to_string(r.type)));
    if (auto p = with(from.size())) return std::move(*p);
    return no_room(extents_for(spec.size.n, extent_bytes), extent_bytes);
  }
  std::size_t most = from.size();
  if (spec.hints.maximum_drives != 0) most = std::min<std::size_t>(most, spec.hints.maximum_drives);
  const std::size_t preferred = std::min(most, r.preferred_drives);
  for (std::size_t n = preferred; n >= least; --n)
    if (auto p = with(n)) return std::move(*p);
  for (std::size_t n = preferred + 1; n <= most; ++n)
    if (auto p = with(n)) return std::move(*p);
  if (most < least) return failure(errc::unavailable, fmt::format("{} needs {} drives", to_string(r.type), least));
  return no_room(extents_for(spec.size.n, extent_bytes), extent_bytes);
}

result<plan> stripe(const lun_spec& spec, const rooms& from, std::uint32_t extent_bytes) {
  auto wanted = stripe_unit(spec, extent_bytes);
  if (!wanted) return std::move(wanted).error();
  const std::uint32_t unit = *wanted;
  const bool chosen = spec.drives.empty();
  std::size_t width = from.size();
  if (chosen && spec.hints.maximum_drives != 0) width = std::min<std::size_t>(width, spec.hints.maximum_drives);
  if (width < 2) return failure(errc::unavailable, "a stripe needs two drives");
  for (;; --width) {
    const std::uint64_t stripes = extents_for(spec.size.n, static_cast<std::uint32_t>(unit * width));
    const std::uint64_t extents = extents_for(stripes * unit, extent_bytes);
    const bool fits = std::all_of(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(width),
                                  [&](auto& d) { return d.free >= extents; });
    if (fits) {
      plan p{lun_type::stripe, unit, {{}}};
      for (std::size_t i = 0; i < width; ++i) p.plexes[0].push_back({{from[i].slot, extents}});
      return p;
    }
    if (!chosen || width == 2) return no_room(extents, extent_bytes);
  }
}

result<plan> mirror(const lun_spec& spec, const rooms& from, std::uint64_t extents, std::uint32_t extent_bytes) {
  const std::size_t count = spec.plexes == 0 ? 2 : spec.plexes;
  if (count < 2 || count > 32) return failure(errc::invalid_argument, "a mirror has 2 to 32 plexes");
  if (from.size() < count)
    return failure(errc::unavailable, fmt::format("a mirror of {} plexes needs as many drives", count));
  plan p{lun_type::mirror, 0, std::vector<std::vector<std::vector<plan::share>>>(count, {{}})};
  std::vector<std::uint64_t> left(count, extents);
  for (std::size_t i = 0; i < from.size(); ++i) {
    // One drive for each, then whoever lacks most.
    const auto lacking = std::max_element(left.begin(), left.end());
    const std::size_t plex = i < count ? i : static_cast<std::size_t>(lacking - left.begin());
    const std::uint64_t n = std::min(left[plex], from[i].free);
    if (n > 0) p.plexes[plex][0].push_back({from[i].slot, n});
    left[plex] -= n;
  }
  if (std::any_of(left.begin(), left.end(), [](auto n) { return n > 0; })) return no_room(extents, extent_bytes);
  return p;
}

}  // namespace

result<plan> plan_lun(const lun_spec& spec, const rooms& given, const rooms& all, std::uint32_t extent_bytes) {
  const std::uint64_t extents = extents_for(spec.size.n, extent_bytes);
  rooms from = given;
  if (given.empty()) from = most_space_first(all);
  switch (spec.type) {
    case lun_type::simple:
      return simple(spec, from, extents, extent_bytes);
    case lun_type::span:
      return span(spec, from, extents, extent_bytes);
    case lun_type::stripe:
      return stripe(spec, from, extent_bytes);
    case lun_type::mirror: {
      const std::size_t count = spec.plexes == 0 ? 2 : spec.plexes;
      if (!given.empty() && given.size() < count) {  // partly given: the rest is chosen
        for (const auto& d : most_space_first(all))
          if (std::none_of(given.begin(), given.end(), [&d](auto& g) { return g.slot == d.slot; })) from.push_back(d);
      }
      return mirror(spec, from, extents, extent_bytes);
    }
    case lun_type::parity:
    case lun_type::raid6:
    case lun_type::raid10:
    case lun_type::raid50:
    case lun_type::raid60:
      return grouped(spec,
                     *std::find_if(std::begin(rules), std::end(rules), [&](auto& r) { return r.type == spec.type; }),
                     from, extent_bytes);
    case lun_type::automatic:
    case lun_type::automatic_fault_tolerant:
    case lun_type::automatic_plain:
      break;
    default:
      return failure(errc::not_supported, fmt::format("LUNs of type {}", to_string(spec.type)));
  }
  // Two copies unless the hints speak against it, parity where those have no room: an array is for keeping data. Who
  // mostly reads gets parity at once: it reads as fast, and leaves more room.
  const auto with = [&](lun_type type) {
    lun_spec s = spec;
    s.type = type;
    return plan_lun(s, given, all, extent_bytes);
  };
  const bool must = spec.type == lun_type::automatic_fault_tolerant;
  const bool fast = spec.hints.stripe_bytes != 0 || spec.hints.wants(lun_hints::sequential_reads) ||
                    spec.hints.wants(lun_hints::sequential_writes);
  const bool may_mirror = spec.type != lun_type::automatic_plain && spec.hints.maximum_drives != 1;
  if (must || (may_mirror && (spec.hints.wants(lun_hints::fast_crash_recovery) || !fast))) {
    const bool reads = spec.hints.wants(lun_hints::mostly_reads) && !spec.hints.wants(lun_hints::fast_crash_recovery);
    auto p = with(reads ? lun_type::parity : lun_type::mirror);
    if (!p) {
      if (auto other = with(reads ? lun_type::mirror : lun_type::parity)) return other;
    }
    if (p || must) return p;
  }
  if (fast && !spec.hints.wants(lun_hints::yankable) && spec.hints.maximum_drives != 1) {
    if (auto p = with(lun_type::stripe)) return p;
  }
  if (auto p = with(lun_type::simple)) return p;
  return with(lun_type::span);
}

}  // namespace vds::array::layout
