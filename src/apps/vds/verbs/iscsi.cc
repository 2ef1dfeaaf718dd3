// The verbs of `vds target`, `vds portal` and `vds portal-group`; secrets are in chap.cc.
#include "apps/vds/verbs/iscsi.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/verbs/verbs.h"
#include "apps/vds/wait.h"

namespace vds::cli {
namespace {

template <class View>
const View& with_id(const std::vector<View>& all, const guid& id) {
  const auto at = std::find_if(all.begin(), all.end(), [&](const View& v) { return v.id == id; });
  if (at == all.end()) throw command_error(exit_status::failed, "it has just gone");
  return *at;
}

std::vector<named> portal_names(const std::vector<portal_view>& all) {
  std::vector<named> out;
  for (const auto& p : all) out.push_back({p.id, p.address});
  return out;
}

// A portal group is called by its target and tag: "tank:1".
std::string called(const portal_group_view& g) { return fmt::format("{}:{}", g.target_name, g.tag); }

portal_view one_portal(context& c, const options& o, std::string_view text) {
  const auto all = c.service(o).iscsi().portals();
  return with_id(all, find_object(text, portal_names(all), "portal"));
}

portal_group_view one_group(context& c, const options& o, std::string_view text) {
  const auto all = c.service(o).iscsi().portal_groups();
  std::vector<named> known;
  for (const auto& g : all) known.push_back({g.id, called(g)});
  return with_id(all, find_object(text, known, "portal group"));
}

// Waits for (or prints) an operation, then says what was done.
void finish(context& c, const options& o, operation_ptr op, const std::string& done, const json& doc) {
  if (o.no_wait) {
    print_begun(c, o, *op);
    return;
  }
  wait_for(c, o, std::move(op));
  say_done(c, o, done, doc);
}

json id_of(const guid& id) { return {{"id", to_string(id)}}; }

void show_target(context& c, const options& o, const guid& id) {
  const auto all = c.service(o).iscsi().targets();
  const target_view& t = with_id(all, id);
  std::map<guid, std::string> lun_names;
  for (const auto& l : c.service(o).luns()) lun_names[l.id] = l.name;
  std::vector<std::string> luns, groups;
  for (const guid& l : t.luns) luns.push_back(lun_names[l].empty() ? to_string(l) : lun_names[l]);
  const auto portals = c.service(o).iscsi().portals();
  for (const auto& g : c.service(o).iscsi().portal_groups()) {
    if (g.target != id) continue;
    std::vector<std::string> at;
    for (const auto& p : portals)
      if (std::find(g.portals.begin(), g.portals.end(), p.id) != g.portals.end()) at.push_back(p.address);
    groups.push_back(fmt::format("{} ({})", g.tag, at.empty() ? "no portal" : joined(at, ", ")));
  }
  show_one(c, o,
           {{"id", to_string(t.id)},
            {"iSCSI name", t.iqn},
            {"name", t.name},
            {"CHAP", t.chap ? "required" : "no"},
            {"portal groups", joined(groups, "; ")},
            {"LUNs", joined(luns, ", ")},
            {"initiators logged in", joined(t.initiators, ", ")}},
           document(t));
}

}  // namespace

target_view one_target(context& c, const options& o, std::string_view text) {
  const auto all = c.service(o).iscsi().targets();
  for (const auto& t : all)
    if (t.iqn == text) return t;
  return with_id(all, find_object(text, names(all), "target"));
}

void target_list(context& c, const options& o) {
  const auto all = c.service(o).iscsi().targets();
  table t({{"id", "ID"},
           {"name", "NAME"},
           {"iqn", "ISCSI NAME"},
           {"chap_enabled", "CHAP"},
           {"portal_groups", "GROUPS", true},
           {"luns", "LUNS", true},
           {"initiators", "INITIATORS", true}});
  std::vector<guid> ids;
  for (const auto& v : all) ids.push_back(v.id);
  const id_cells id(c, o, ids);
  for (const auto& v : all)
    t.add({id(v.id), text_cell(v.name), text_cell(v.iqn), text_cell(v.chap ? "required" : "no"),
           number_cell(v.portal_groups.size()), number_cell(v.luns.size()), number_cell(v.initiators.size())});
  show_list(c, o, t, all.empty(), "there are no targets; 'vds target create NAME' makes one", document(all));
}

void target_show(context& c, const options& o) { show_target(c, o, one_target(c, o, o.objects.front()).id); }

void target_create(context& c, const options& o) {
  const guid subsystem = find_subsystem(c, o);
  auto& iscsi = c.service(o).iscsi();
  auto op = iscsi.create_target(subsystem, o.iqn, o.objects.front());
  if (o.no_wait) {
    print_begun(c, o, *op);
    return;
  }
  const guid id = wait_for(c, o, std::move(op));
  // A target without portals is reached by nobody.
  if (!o.no_portals) {
    const guid group = wait_for(c, o, iscsi.create_portal_group(id));
    for (const auto& p : iscsi.portals())
      if (p.subsystem == subsystem) wait_for(c, o, iscsi.join_portal(group, p.id));
  }
  if (o.json)
    show_target(c, o, id);
  else if (o.quiet)
    c.out << to_string(id) << "\n";
  else
    say_done(c, o, fmt::format("target {} is {}", o.objects.front(), one_target(c, o, to_string(id)).iqn), {});
}

void target_delete(context& c, const options& o) {
  const target_view t = one_target(c, o, o.objects.front());
  confirm(c, o, fmt::format("Delete target {}?", t.iqn));
  finish(c, o, c.service(o).iscsi().delete_target(t.id), fmt::format("target {} is deleted", t.iqn), id_of(t.id));
}

void target_rename(context& c, const options& o) {
  const target_view t = one_target(c, o, o.objects[0]);
  c.service(o).iscsi().rename_target(t.id, o.objects[1]);
  say_done(c, o, fmt::format("target {} is called {}", t.iqn, o.objects[1]),
           {{"id", to_string(t.id)}, {"name", o.objects[1]}});
}

void target_associate(context& c, const options& o) {
  if (o.none == (o.objects.size() > 1))
    throw command_error(exit_status::usage, "say which targets are to show the LUN, or --none");
  const guid lun = find_lun(c, o, o.objects.front());
  std::vector<guid> targets;
  std::vector<std::string> said;
  for (std::size_t i = 1; i < o.objects.size(); ++i) {
    const target_view t = one_target(c, o, o.objects[i]);
    targets.push_back(t.id);
    said.push_back(t.name.empty() ? t.iqn : t.name);
  }
  c.service(o).iscsi().associate(lun, targets);
  json ids = json::array();
  for (const guid& t : targets) ids.push_back(to_string(t));
  say_done(c, o, fmt::format("{} is a LUN of {}", o.objects.front(), said.empty() ? "no target" : joined(said, ", ")),
           {{"id", to_string(lun)}, {"targets", ids}});
}

void portal_list(context& c, const options& o) {
  const auto all = c.service(o).iscsi().portals();
  table t({{"id", "ID"}, {"address", "ADDRESS"}, {"status", "STATUS"}, {"portal_groups", "GROUPS", true}});
  std::vector<guid> ids;
  for (const auto& v : all) ids.push_back(v.id);
  const id_cells id(c, o, ids);
  for (const auto& v : all) {
    const std::string status = name_of(words::lun_status, v.status);
    t.add({id(v.id), text_cell(v.address), text_cell(status, tone_of_status(status)),
           number_cell(v.portal_groups.size())});
  }
  show_list(c, o, t, all.empty(), "there are no portals", document(all));
}

void portal_show(context& c, const options& o) {
  const portal_view p = one_portal(c, o, o.objects.front());
  std::vector<std::string> groups;
  for (const auto& g : c.service(o).iscsi().portal_groups())
    if (std::find(p.portal_groups.begin(), p.portal_groups.end(), g.id) != p.portal_groups.end())
      groups.push_back(called(g));
  show_one(c, o,
           {{"id", to_string(p.id)},
            {"address", p.address},
            {"status", name_of(words::lun_status, p.status)},
            {"portal groups", joined(groups, ", ")}},
           document(p));
}

void portal_add(context& c, const options& o) {
  const guid subsystem = find_subsystem(c, o);
  std::vector<portal_group_view> groups;  // found before the portal is made: a typing error makes none
  for (const auto& text : o.groups) groups.push_back(one_group(c, o, text));
  auto& iscsi = c.service(o).iscsi();
  const guid id = iscsi.add_portal(subsystem, o.objects.front());
  for (const auto& g : groups) wait_for(c, o, iscsi.join_portal(g.id, id));
  const portal_view p = one_portal(c, o, to_string(id));
  say_done(c, o, fmt::format("portal {} is open{}", p.address, groups.empty() ? "; it is in no portal group yet" : ""),
           document(p));
}

void portal_remove(context& c, const options& o) {
  const portal_view p = one_portal(c, o, o.objects.front());
  confirm(c, o, fmt::format("Close portal {} and every session that came by it?", p.address));
  auto& iscsi = c.service(o).iscsi();
  if (o.force)
    for (const guid& g : p.portal_groups) wait_for(c, o, iscsi.leave_portal(g, p.id));
  iscsi.remove_portal(p.subsystem, p.id);
  say_done(c, o, fmt::format("portal {} is closed", p.address), id_of(p.id));
}

void portal_status(context& c, const options& o) {
  const portal_view p = one_portal(c, o, o.objects[0]);
  if (o.objects[1] != "online" && o.objects[1] != "offline")
    throw command_error(exit_status::usage, fmt::format("'{}' is no status to set", o.objects[1]),
                        "it is online or offline");
  c.service(o).iscsi().set_portal_status(p.id, *value_of(words::lun_status, o.objects[1]));
  say_done(c, o, fmt::format("portal {} is {}", p.address, o.objects[1]),
           {{"id", to_string(p.id)}, {"status", o.objects[1]}});
}

void portal_group_list(context& c, const options& o) {
  auto all = c.service(o).iscsi().portal_groups();
  if (!o.objects.empty()) {
    const guid target = one_target(c, o, o.objects.front()).id;
    std::erase_if(all, [&](const auto& g) { return g.target != target; });
  }
  const auto portals = c.service(o).iscsi().portals();
  table t({{"id", "ID"}, {"name", "NAME"}, {"target", "TARGET"}, {"tag", "TAG", true}, {"portals", "PORTALS"}});
  std::vector<guid> ids;
  for (const auto& v : all) {
    ids.push_back(v.id);
    ids.push_back(v.target);
  }
  const id_cells id(c, o, ids);
  for (const auto& v : all) {
    std::vector<std::string> at;
    for (const auto& p : portals)
      if (std::find(v.portals.begin(), v.portals.end(), p.id) != v.portals.end()) at.push_back(p.address);
    t.add({id(v.id), text_cell(called(v)), id(v.target), number_cell(v.tag), text_cell(joined(at, ","))});
  }
  show_list(c, o, t, all.empty(), "there are no portal groups; 'vds portal-group create TARGET' makes one",
            document(all));
}

void portal_group_create(context& c, const options& o) {
  const target_view t = one_target(c, o, o.objects.front());
  auto op = c.service(o).iscsi().create_portal_group(t.id);
  if (o.no_wait) {
    print_begun(c, o, *op);
    return;
  }
  const guid id = wait_for(c, o, std::move(op));
  const portal_group_view g = one_group(c, o, to_string(id));
  say_done(c, o, fmt::format("portal group {} is made", called(g)), document(g));
}

void portal_group_delete(context& c, const options& o) {
  const portal_group_view g = one_group(c, o, o.objects.front());
  finish(c, o, c.service(o).iscsi().delete_portal_group(g.id), fmt::format("portal group {} is deleted", called(g)),
         id_of(g.id));
}

void portal_group_add_portal(context& c, const options& o) {
  const portal_group_view g = one_group(c, o, o.objects[0]);
  const portal_view p = one_portal(c, o, o.objects[1]);
  finish(c, o, c.service(o).iscsi().join_portal(g.id, p.id),
         fmt::format("portal {} is in group {}", p.address, called(g)), id_of(g.id));
}

void portal_group_remove_portal(context& c, const options& o) {
  const portal_group_view g = one_group(c, o, o.objects[0]);
  const portal_view p = one_portal(c, o, o.objects[1]);
  finish(c, o, c.service(o).iscsi().leave_portal(g.id, p.id),
         fmt::format("portal {} is no longer in group {}", p.address, called(g)), id_of(g.id));
}

}  // namespace vds::cli
