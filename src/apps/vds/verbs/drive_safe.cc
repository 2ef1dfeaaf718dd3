// `vds drive safe`: what would become of the LUNs if these drives were taken away now. It asks and changes nothing.
#include <fmt/format.h>

#include <algorithm>

#include "apps/vds/command_error.h"
#include "apps/vds/verbs/common.h"
#include "apps/vds/verbs/verbs.h"

namespace vds::cli {
namespace {

enum class fate { kept, lost, unknown };

std::string_view words_for(fate f) {
  constexpr std::string_view words[] = {"keeps its data", "may be lost", "unknown"};
  return words[static_cast<std::size_t>(f)];
}

}  // namespace

void drive_safe(context& c, const options& o) {
  const auto all = c.service(o).drives();
  std::vector<guid> asked, subsystems;
  for (const std::string& text : o.objects) {
    const guid id = find_object(text, names(all), "drive");
    if (std::find(asked.begin(), asked.end(), id) == asked.end()) asked.push_back(id);
    for (const drive_view& d : all)
      if (d.id == id) subsystems.push_back(d.subsystem);
  }
  table t({{"id", "ID"},
           {"name", "NAME"},
           {"drives", "DRIVES HERE", true},
           {"survives", "SURVIVES", true},
           {"fate", "THEN IT"}});
  const auto luns = c.service(o).luns();
  std::vector<guid> ids;
  for (const lun_view& l : luns) ids.push_back(l.id);
  const id_cells id(c, o, ids);
  json rows = json::array();
  std::size_t unsafe = 0;
  for (const lun_view& l : luns) {
    const auto here = std::count_if(l.drives.begin(), l.drives.end(), [&](const guid& d) {
      return std::find(asked.begin(), asked.end(), d) != asked.end();
    });
    // A provider that does not say what a LUN stands on leaves it open whether it stands on these.
    const bool told = !l.drives.empty();
    const bool near = std::find(subsystems.begin(), subsystems.end(), l.subsystem) != subsystems.end();
    if (told ? here == 0 : !near) continue;
    const fate f = !told ? fate::unknown : here <= l.survives_drive_losses ? fate::kept : fate::lost;
    unsafe += f != fate::kept;
    t.add({id(l.id), text_cell(l.name), number_cell(static_cast<std::uint64_t>(here)),
           number_cell(static_cast<std::uint64_t>(std::max(0, l.survives_drive_losses))),
           text_cell(std::string(words_for(f)), f == fate::kept ? tone::plain : tone::bad)});
    rows.push_back({{"id", to_string(l.id)},
                    {"name", l.name},
                    {"drives", here},
                    {"survives_drive_losses", l.survives_drive_losses},
                    {"keeps_its_data", f == fate::kept}});
  }
  json drives = json::array();
  for (const guid& d : asked) drives.push_back(to_string(d));
  show_list(c, o, t, rows.empty(), "no LUN stands on it", {{"safe", unsafe == 0}, {"drives", drives}, {"luns", rows}});
  if (unsafe != 0)
    throw command_error(exit_status::failed, fmt::format("not safe: {} of the LUNs would have too few drives", unsafe),
                        "recover or delete them, or take the drives one after the other");
}

}  // namespace vds::cli
