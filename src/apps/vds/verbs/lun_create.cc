// `vds lun create`.
#include <fmt/format.h>

#include <algorithm>

#include "apps/vds/command_error.h"
#include "apps/vds/hints.h"
#include "apps/vds/names.h"
#include "apps/vds/verbs/common.h"
#include "apps/vds/verbs/lun.h"
#include "apps/vds/verbs/plan.h"
#include "apps/vds/verbs/verbs.h"
#include "apps/vds/wait.h"

namespace vds::cli {
namespace {

// Keys of --key live in a space of their own: version 5 ids under this one.
constexpr guid key_space{
    {0x9d, 0x1c, 0x3f, 0x52, 0x6e, 0x0b, 0x4d, 0x36, 0x9a, 0x41, 0x27, 0x5e, 0x88, 0xc4, 0x10, 0xf7}};

constexpr std::uint32_t lt_auto = 1, lt_fault_tolerant = 2, lt_non_fault_tolerant = 3, lt_mirror = 13;  // VDS_LUN_TYPE
constexpr std::uint32_t drs_online = 1, drf_any_spare = 0x1 | 0x8 | 0x10;  // VDS_DRIVE_STATUS, _FLAG

std::uint32_t type_of(const options& o) {
  std::string name = o.type;
  std::replace(name.begin(), name.end(), '-', '_');
  if (name == "auto" && o.plexes > 1) return lt_mirror;
  const auto type = value_of(words::lun_type, name);
  if (!type || *type == 0) {
    std::vector<std::string> known;
    for (const word& w : words_of(words::lun_type))
      if (w.value != 0) known.emplace_back(w.name);
    throw command_error(exit_status::usage, fmt::format("'{}' is no type of LUN", o.type),
                        "types are: " + joined(known, ", "));
  }
  return *type;
}

// A mirror with one plex on each drive takes as many drives as it has plexes: those with most room, never a spare.
std::vector<guid> drives_for_plexes(context& c, const options& o, const guid& subsystem) {
  std::vector<drive_view> usable;
  for (auto& d : c.service(o).drives())
    if (d.subsystem == subsystem && d.status == drs_online && (d.flags & drf_any_spare) == 0) usable.push_back(d);
  if (usable.size() < o.plexes)
    throw command_error(fmt::format("choosing drives for {} plexes", o.plexes), hresult_of(0x80042410),
                        "VDS_E_NOT_ENOUGH_DRIVE", fmt::format("only {} drives can be used", usable.size()));
  std::stable_sort(usable.begin(), usable.end(),
                   [](const auto& a, const auto& b) { return a.free_bytes > b.free_bytes; });
  std::vector<guid> out;
  for (std::size_t i = 0; i < o.plexes; ++i) out.push_back(usable[i].id);
  return out;
}

}  // namespace

lun_request request_of(context& c, const options& o) {
  lun_request r;
  r.type = type_of(o);
  const bool as_large_as_possible = o.size == "max";
  if (!as_large_as_possible) r.size_bytes = size_option(o.size, "--size");
  if (!as_large_as_possible && r.size_bytes == 0)
    throw command_error(exit_status::usage, "--size: a LUN has at least one byte");
  for (const auto& h : o.hints) r.hints.insert_or_assign(parse_hint(h).first, parse_hint(h).second);
  r.unmask = o.unmask;
  r.name = o.name;
  if (!o.key.empty()) r.operation = name_guid(key_space, o.key);
  const bool automatic = r.type == lt_auto || r.type == lt_fault_tolerant || r.type == lt_non_fault_tolerant;
  if (automatic && !o.drives.empty())
    throw command_error(exit_status::usage, "--drives says where, so --type must say what",
                        "for example: --type mirror");
  if (o.plexes > 1 && r.type != lt_mirror)
    throw command_error(exit_status::usage, fmt::format("a LUN of type {} has one plex", o.type),
                        "--plexes is for --type mirror");
  if (o.plexes > 1 && !o.drives.empty() && o.drives.size() != o.plexes)
    throw command_error(exit_status::usage,
                        fmt::format("{} plexes want {} drives, not {}", o.plexes, o.plexes, o.drives.size()));
  r.subsystem = find_subsystem(c, o);
  if (!o.drives.empty()) {
    const auto all = names(c.service(o).drives());
    for (const auto& text : o.drives) r.drives.push_back(find_object(text, all, "drive"));
  } else if (o.plexes > 1) {
    r.drives = drives_for_plexes(c, o, r.subsystem);
  }
  if (as_large_as_possible) {
    r.size_bytes = c.service(o).max_lun_size(r);
    if (r.size_bytes == 0)
      throw command_error("looking for room", hresult_of(0x8004240f), "VDS_E_NOT_ENOUGH_SPACE",
                          "there is none for such a LUN");
  }
  return r;
}

void lun_create(context& c, const options& o) {
  const lun_request request = request_of(c, o);
  if (o.dry_run) return show_plan(c, o, c.service(o).plan_create(request), "creating the LUN");
  if (o.no_wait && !o.name.empty() && !c.service(o).can_name_at_birth(request.subsystem))
    throw command_error(exit_status::usage, "with this array --name needs to wait: a LUN gets its name when it exists",
                        "leave out --no-wait, or use 'vds lun rename' when the operation is done");
  operation_ptr op = c.service(o).create_lun(request);
  if (o.no_wait) {
    print_begun(c, o, *op);
    return;
  }
  const guid lun = wait_for(c, o, std::move(op));
  if (!o.name.empty() && c.service(o).lun(lun).name != o.name) c.service(o).set_lun_name(lun, o.name);
  show_lun(c, o, lun);
}

}  // namespace vds::cli
