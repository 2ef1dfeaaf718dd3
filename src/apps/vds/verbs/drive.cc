// The verbs of `vds subsystem` and `vds drive`.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/size.h"
#include "apps/vds/verbs/common.h"
#include "apps/vds/verbs/plan.h"
#include "apps/vds/verbs/verbs.h"

namespace vds::cli {
namespace {

drive_view one_drive(context& c, const options& o, std::string_view text) {
  const auto all = c.service(o).drives();
  const guid id = find_object(text, names(all), "drive");
  return *std::find_if(all.begin(), all.end(), [&](const auto& d) { return d.id == id; });
}

void show_drive(context& c, const options& o, const drive_view& d) {
  show_one(c, o,
           {{"id", to_string(d.id)},
            {"name", d.name},
            {"path", d.path},
            {"size", o.bytes ? std::to_string(d.size_bytes) : print_size(d.size_bytes)},
            {"free", o.bytes ? std::to_string(d.free_bytes) : print_size(d.free_bytes)},
            {"status", name_of(words::drive_status, d.status)},
            {"health", name_of(words::health, d.health)},
            {"flags", joined(flags_of(d), ", ")},
            {"subsystem", to_string(d.subsystem)}},
           document(d));
}

}  // namespace

void subsystem_list(context& c, const options& o) {
  const auto all = c.service(o).subsystems();
  table t({{"id", "ID"},
           {"name", "NAME"},
           {"identification", "IDENTIFICATION", false, false},
           {"status", "STATUS"},
           {"health", "HEALTH"},
           {"provider", "PROVIDER", false, false}});
  std::vector<guid> ids;
  for (const auto& s : all) ids.push_back(s.id);
  const id_cells id(c, o, ids);
  for (const auto& s : all) {
    const std::string status = name_of(words::subsystem_status, s.status);
    t.add({id(s.id), text_cell(s.name), text_cell(s.identification), text_cell(status, tone_of_status(status)),
           health_cell(s.health), id(s.provider)});
  }
  show_list(c, o, t, all.empty(), "there is no subsystem; 'vds provider list' says whether a provider runs",
            document(all));
}

void subsystem_show(context& c, const options& o) {
  const auto all = c.service(o).subsystems();
  const guid id = find_object(o.objects.front(), names(all), "subsystem");
  const auto& s = *std::find_if(all.begin(), all.end(), [&](const auto& v) { return v.id == id; });
  show_one(c, o,
           {{"id", to_string(s.id)},
            {"name", s.name},
            {"identification", s.identification},
            {"status", name_of(words::subsystem_status, s.status)},
            {"health", name_of(words::health, s.health)},
            {"provider", to_string(s.provider)},
            {"can", joined(flags_of(words::subsystem_flag, s.flags), ", ")}},
           document(s));
}

void subsystem_rename(context& c, const options& o) {
  const guid id = find_object(o.objects[0], names(c.service(o).subsystems()), "subsystem");
  c.service(o).rename_subsystem(id, o.objects[1]);
  say_done(c, o,
           o.objects[1].empty() ? fmt::format("subsystem {} has the name it began with", to_string(id))
                                : fmt::format("subsystem {} is called {}", to_string(id), o.objects[1]),
           {{"id", to_string(id)}, {"name", o.objects[1]}});
}

void drive_list(context& c, const options& o) {
  const auto all = c.service(o).drives();
  table t({{"id", "ID"},
           {"name", "NAME"},
           {"path", "PATH"},
           {"size_bytes", "SIZE", true},
           {"free_bytes", "FREE", true},
           {"status", "STATUS"},
           {"health", "HEALTH"},
           {"flags", "FLAGS"},
           {"subsystem", "SUBSYSTEM", false, false}});
  std::vector<guid> ids;
  for (const auto& d : all) ids.push_back(d.id);
  const id_cells id(c, o, ids);
  for (const auto& d : all) {
    const std::string status = name_of(words::drive_status, d.status);
    t.add({id(d.id), text_cell(d.name), text_cell(d.path), size_cell(d.size_bytes, o), size_cell(d.free_bytes, o),
           text_cell(status, tone_of_status(status)), health_cell(d.health), text_cell(joined(flags_of(d), ",")),
           id(d.subsystem)});
  }
  show_list(c, o, t, all.empty(), "there are no drives; 'vds drive add PATH' takes one in", document(all));
}

void drive_show(context& c, const options& o) { show_drive(c, o, one_drive(c, o, o.objects.front())); }

void drive_add(context& c, const options& o) {
  const std::uint64_t create = o.create.empty() ? 0 : size_option(o.create, "--create");
  // The service runs in another directory.
  const std::string path = std::filesystem::absolute(o.objects.front()).lexically_normal().string();
  const guid subsystem = find_subsystem(c, o);
  const guid id = c.service(o).add_drive(subsystem, path, create, o.force);
  if (o.json)
    show_drive(c, o, one_drive(c, o, to_string(id)));
  else
    say_done(c, o, fmt::format("{} is drive {}", path, to_string(id)), {});
}

void drive_remove(context& c, const options& o) {
  const drive_view d = one_drive(c, o, o.objects.front());
  c.service(o).remove_drive(d.subsystem, d.id);
  say_done(c, o, fmt::format("drive {} is no longer part of the array", d.name.empty() ? to_string(d.id) : d.name),
           {{"id", to_string(d.id)}});
}

void drive_spare(context& c, const options& o) {
  const drive_view d = one_drive(c, o, o.objects.front());
  c.service(o).set_hot_spare(d.id, !o.off);
  say_done(c, o, fmt::format("drive {} is {} hot spare", to_string(d.id), o.off ? "no" : "a"),
           {{"id", to_string(d.id)}});
}

void drive_locate(context& c, const options& o) {
  const drive_view d = one_drive(c, o, o.objects.front());
  const std::string to = o.objects.size() > 1 ? o.objects[1] : "on";
  if (to != "on" && to != "off")
    throw command_error(exit_status::usage, fmt::format("'{}' is no state of a light", to), "it is on or off");
  c.service(o).locate_drive(d.id, to == "on");
  say_done(c, o, fmt::format("the locate light of drive {} is {}", to_string(d.id), to),
           {{"id", to_string(d.id)}, {"locating", to == "on"}});
}

void drive_fail(context& c, const options& o) {
  const drive_view d = one_drive(c, o, o.objects.front());
  std::vector<std::string> lost;
  for (const auto& l : c.service(o).luns())
    if (std::find(l.drives.begin(), l.drives.end(), d.id) != l.drives.end() && l.survives_drive_losses <= 0)
      lost.push_back(l.name.empty() ? to_string(l.id) : l.name);
  if (!lost.empty() && !o.force)
    throw command_error(exit_status::failed,
                        fmt::format("with drive {} the data of {} would be lost", d.name, joined(lost, ", ")),
                        "move or delete it first, or say --force");
  confirm(c, o, fmt::format("Treat drive {} ({}) as failed?", d.name, d.path));
  c.service(o).fail_drive(d.id);
  say_done(c, o, fmt::format("drive {} counts as failed", to_string(d.id)), {{"id", to_string(d.id)}});
}

void drive_online(context& c, const options& o) {
  const drive_view d = one_drive(c, o, o.objects.front());
  confirm(c, o,
          fmt::format("Overwrite what is on drive {} ({}), and rebuild there what LUNs have lost?", d.name, d.path));
  c.service(o).use_drive_again(d.id);
  for (const auto& now : c.service(o).drives()) {
    if (now.path != d.path || now.subsystem != d.subsystem || now.id == d.id) continue;
    return say_done(c, o, fmt::format("{} is used again, as drive {}", d.path, to_string(now.id)),
                    {{"id", to_string(now.id)}, {"replaced", to_string(d.id)}});
  }
  say_done(c, o, fmt::format("drive {} is online", to_string(d.id)), {{"id", to_string(d.id)}});
}

void drive_replace(context& c, const options& o) {
  const drive_view from = one_drive(c, o, o.objects[0]);
  const drive_view to = one_drive(c, o, o.objects[1]);
  if (o.dry_run)
    return show_plan(c, o, c.service(o).plan_replace(from.subsystem, from.id, to.id), "replacing the drive");
  c.service(o).replace_drive(from.subsystem, from.id, to.id);
  say_done(c, o, fmt::format("drive {} takes the place of {}", to_string(to.id), to_string(from.id)),
           {{"id", to_string(to.id)}, {"replaced", to_string(from.id)}});
}

}  // namespace vds::cli
