#include "array/layout/shape.h"

#include <algorithm>

namespace vds::array::layout {

std::uint64_t group_shape::extents() const {
  std::uint64_t least = members.empty() ? 0 : UINT64_MAX;
  for (const auto& column : members) {
    std::uint64_t n = 0;
    for (const run& r : column) n += r.count;
    least = std::min(least, n);
  }
  return least;
}

std::uint64_t shape::extents_of_data() const {
  std::uint64_t least = groups.empty() ? 0 : UINT64_MAX;
  for (const auto& g : groups) least = std::min(least, g.extents_of_data());
  return least * groups.size();
}

unsigned parity_of(lun_type type) {
  switch (type) {
    case lun_type::parity:
    case lun_type::raid50:
      return 1;
    case lun_type::raid6:
    case lun_type::raid60:
      return 2;
    default:
      return 0;
  }
}

shape shape_of(lun_type type, const std::vector<plex>& plexes, std::uint32_t groups) {
  shape s;
  if (plexes.empty()) return s;
  const plex& first = plexes[0];
  if (const unsigned parity = parity_of(type); parity != 0) {
    const std::size_t per_group = groups == 0 ? 0 : first.columns.size() / groups;
    for (std::size_t g = 0; g < groups; ++g) {
      group_shape one{parity, first.stripe_bytes, {}};
      for (std::size_t m = 0; m < per_group; ++m) one.members.push_back(first.columns[g * per_group + m]);
      s.groups.push_back(std::move(one));
    }
    // A chunk is a whole row of its group, so that what fills a row also does so in the stripe over groups.
    if (groups > 1) s.chunk_bytes = std::uint64_t{first.stripe_bytes} * (per_group - parity);
    return s;
  }
  for (std::size_t g = 0; g < first.columns.size(); ++g) {
    group_shape one;
    for (const auto& p : plexes) one.members.push_back(p.columns[g]);
    s.groups.push_back(std::move(one));
  }
  if (s.groups.size() > 1) s.chunk_bytes = first.stripe_bytes;
  return s;
}

column_place place_of_member(lun_type type, std::size_t members_per_group, std::size_t group, std::size_t member) {
  if (parity_of(type) != 0) return {0, group * members_per_group + member};
  return {member, group};
}

std::vector<share> spread(const shape& s, std::uint64_t offset, std::uint64_t bytes) {
  std::vector<share> out;
  if (s.chunk_bytes == 0) {
    out.push_back({0, offset, bytes, {{0, bytes}}});
    return out;
  }
  const std::uint64_t chunk = s.chunk_bytes, width = s.groups.size();
  std::vector<std::size_t> of(width, SIZE_MAX);  // group -> its share
  for (std::uint64_t at = 0; at < bytes;) {
    const std::uint64_t place = offset + at, g = place / chunk % width;
    const std::uint64_t within = place % chunk, n = std::min(chunk - within, bytes - at);
    if (of[g] == SIZE_MAX) {
      of[g] = out.size();
      out.push_back({g, place / (chunk * width) * chunk + within, 0, {}});
    }
    share& one = out[of[g]];  // what comes next for a group continues it
    one.parts.push_back({at, n});
    one.bytes += n;
    at += n;
  }
  return out;
}

}  // namespace vds::array::layout
