// The verbs of `vds plex`: the copies that a mirror is made of.
#include <fmt/format.h>

#include <algorithm>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/size.h"
#include "apps/vds/verbs/common.h"
#include "apps/vds/verbs/lun.h"
#include "apps/vds/verbs/verbs.h"
#include "apps/vds/wait.h"

namespace vds::cli {
namespace {

constexpr std::uint32_t lt_simple = 10, lt_span = 11, lt_stripe = 12, lt_raid10 = 23;  // VDS_LUN_TYPE
constexpr std::uint32_t drs_online = 1, drf_any_spare = 0x1 | 0x8 | 0x10;              // VDS_DRIVE_STATUS, _FLAG

// The drive with most room that the LUN is not on.
guid drive_for_copy(context& c, const options& o, const lun_view& l) {
  const auto all = c.service(o).drives();
  const drive_view* best = nullptr;
  for (const auto& d : all) {
    const bool usable = d.subsystem == l.subsystem && d.status == drs_online && (d.flags & drf_any_spare) == 0;
    if (!usable || std::find(l.drives.begin(), l.drives.end(), d.id) != l.drives.end()) continue;
    if (best == nullptr || d.free_bytes > best->free_bytes) best = &d;
  }
  if (best == nullptr || best->free_bytes < l.size_bytes)
    throw command_error("choosing a drive for the copy", hresult_of(0x8004240f), "VDS_E_NOT_ENOUGH_SPACE",
                        "no drive that the LUN is not on has room for it");
  return best->id;
}

// A LUN of its own that nobody sees, to become the plex.
guid make_source(context& c, const options& o, const lun_view& l) {
  lun_request r;
  r.subsystem = l.subsystem;
  r.size_bytes = l.size_bytes;
  for (const auto& d : o.drives) r.drives.push_back(find_drive(c, o, d));
  if (r.drives.empty()) r.drives.push_back(drive_for_copy(c, o, l));
  r.type = r.drives.size() == 1 ? lt_simple : lt_span;
  if (l.type == lt_stripe || l.type == lt_raid10) {
    r.type = lt_stripe;
    const auto plexes = c.service(o).plexes(l.id);
    if (!plexes.empty()) r.hints["stripe_size"] = plexes.front().stripe_bytes;
  }
  options quietly = o;
  quietly.json = true;  // its progress is not what is asked about
  return wait_for(c, quietly, c.service(o).create_lun(r));
}

}  // namespace

void plex_list(context& c, const options& o) {
  const auto all = c.service(o).plexes(find_lun(c, o, o.objects.front()));
  table t({{"id", "ID"},
           {"type", "TYPE"},
           {"size_bytes", "SIZE", true},
           {"stripe_bytes", "STRIPE", true},
           {"status", "STATUS"},
           {"health", "HEALTH"},
           {"drives", "DRIVES"}});
  std::vector<guid> ids;
  for (const auto& p : all) {
    ids.push_back(p.id);
    ids.insert(ids.end(), p.drives.begin(), p.drives.end());
  }
  const id_cells id(c, o, ids);
  for (const auto& p : all) {
    std::vector<std::string> drives;
    for (const guid& d : p.drives) drives.push_back(id(d).text);
    t.add({id(p.id), text_cell(name_of(words::lun_type, p.type)), size_cell(p.size_bytes, o),
           p.stripe_bytes == 0 ? text_cell("") : size_cell(p.stripe_bytes, o),
           text_cell(name_of(words::lun_status, p.status)), health_cell(p.health), text_cell(joined(drives, ","))});
  }
  show_list(c, o, t, all.empty(), "this LUN has no plexes", document(all));
}

void plex_add(context& c, const options& o) {
  const lun_view l = c.service(o).lun(find_lun(c, o, o.objects[0]));
  if (o.objects.size() == 2) {
    if (!o.drives.empty())
      throw command_error(exit_status::usage, "a LUN that becomes a plex, or drives for a new one; not both");
    const guid source = find_lun(c, o, o.objects[1]);
    confirm(c, o,
            fmt::format("Overwrite {} with the data of {}? It ends as a LUN of its own.", o.objects[1], o.objects[0]));
    return run_on_lun(c, o, l.id, c.service(o).add_plex(l.id, source), "has a further plex");
  }
  const guid source = make_source(c, o, l);
  operation_ptr begun;
  try {
    begun = c.service(o).add_plex(l.id, source);
  } catch (const command_error&) {
    c.service(o).delete_lun(source);
    throw;
  }
  run_on_lun(c, o, l.id, std::move(begun), "has a further plex");
}

void plex_remove(context& c, const options& o) {
  const guid lun = find_lun(c, o, o.objects[0]);
  std::vector<named> all;
  for (const auto& p : c.service(o).plexes(lun)) all.push_back({p.id, ""});
  const guid plex = find_object(o.objects[1], all, "plex");
  confirm(c, o, fmt::format("Take plex {} from {}, and wipe that copy?", o.objects[1], o.objects[0]));
  run_on_lun(c, o, lun, c.service(o).remove_plex(lun, plex), "has one plex less");
}

}  // namespace vds::cli
