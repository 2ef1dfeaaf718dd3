// The verbs of `vds lun` that look at LUNs or change one; lun_create.cc makes them, plex.cc has those of `vds plex`.
#include "apps/vds/verbs/lun.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/vds/command_error.h"
#include "apps/vds/masking.h"
#include "apps/vds/names.h"
#include "apps/vds/size.h"
#include "apps/vds/verbs/common.h"
#include "apps/vds/verbs/plan.h"
#include "apps/vds/verbs/verbs.h"
#include "apps/vds/wait.h"

namespace vds::cli {
namespace {

std::string called(const lun_view& l) { return l.name.empty() ? to_string(l.id) : l.name; }

json id_document(const guid& id) { return {{"id", to_string(id)}}; }

void set_mask(context& c, const options& o, const lun_view& l, const std::string& list) {
  c.service(o).set_lun_mask(l.id, list);
  if (o.json)
    show_lun(c, o, l.id);
  else
    say_done(c, o,
             fmt::format("{}: {}", called(l),
                         list.empty()  ? "nobody sees it"
                         : list == "*" ? "everybody sees it"
                                       : list + " see it"),
             {});
}

}  // namespace

void run_on_lun(context& c, const options& o, const guid& lun, operation_ptr op, std::string_view done) {
  if (o.no_wait) {
    print_begun(c, o, *op);
    return;
  }
  wait_for(c, o, std::move(op));
  if (o.json)
    show_lun(c, o, lun);
  else
    say_done(c, o, fmt::format("LUN {} {}", to_string(lun), done), {});
}

void show_lun(context& c, const options& o, const guid& id) {
  const lun_view l = c.service(o).lun(id);
  if (o.json) {
    c.out << dump(document(l));
    return;
  }
  std::map<guid, std::string> drive_names;
  for (const auto& d : c.service(o).drives()) drive_names[d.id] = d.name;
  std::vector<std::string> drives;
  for (const guid& d : l.drives) drives.push_back(drive_names[d].empty() ? to_string(d) : drive_names[d]);
  const std::string survives = l.survives_drive_losses <= 0 ? "the loss of no drive"
                               : l.survives_drive_losses == 1
                                   ? "the loss of any one drive"
                                   : fmt::format("the loss of any {} drives", l.survives_drive_losses);
  show_one(c, o,
           {{"id", to_string(l.id)},
            {"name", l.name},
            {"type", name_of(words::lun_type, l.type)},
            {"size", o.bytes ? std::to_string(l.size_bytes) : print_size(l.size_bytes)},
            {"status", name_of(words::lun_status, l.status)},
            {"health", name_of(words::health, l.health)},
            {"transition state", name_of(words::transition_state, l.transition_state)},
            {"unmasked to", l.unmasking_list == "*"    ? "everybody"
                            : l.unmasking_list.empty() ? "nobody"
                                                       : l.unmasking_list},
            {"serial", l.serial},
            {"iSCSI URL", l.iscsi_url},
            {"plexes", std::to_string(l.plexes)},
            {"drives", joined(drives, ", ")},
            {"survives", survives}},
           document(l));
}

void lun_list(context& c, const options& o) {
  const auto all = c.service(o).luns();
  table t({{"id", "ID"},
           {"name", "NAME"},
           {"type", "TYPE"},
           {"size_bytes", "SIZE", true},
           {"status", "STATUS"},
           {"health", "HEALTH"},
           {"transition_state", "TRANSITION", false, false},
           {"unmasking_list", "UNMASKED TO", false, false},
           {"serial", "SERIAL", false, false},
           {"plexes", "PLEXES", true, false},
           {"survives_drive_losses", "SURVIVES", true, false},
           {"iscsi_url", "ISCSI URL"}});
  std::vector<guid> ids;
  for (const auto& l : all) ids.push_back(l.id);
  const id_cells id(c, o, ids);
  for (const auto& l : all) {
    const std::string status = name_of(words::lun_status, l.status);
    t.add({id(l.id), text_cell(l.name), text_cell(name_of(words::lun_type, l.type)), size_cell(l.size_bytes, o),
           text_cell(status, tone_of_status(status)), health_cell(l.health),
           text_cell(name_of(words::transition_state, l.transition_state)), text_cell(l.unmasking_list),
           text_cell(l.serial), number_cell(l.plexes),
           number_cell(static_cast<std::uint64_t>(std::max(0, l.survives_drive_losses))), text_cell(l.iscsi_url)});
  }
  show_list(c, o, t, all.empty(), "there are no LUNs; 'vds lun create --size SIZE' makes one", document(all));
}

void lun_show(context& c, const options& o) { show_lun(c, o, find_lun(c, o, o.objects.front())); }

void lun_delete(context& c, const options& o) {
  const auto all = c.service(o).luns();
  std::vector<lun_view> doomed;  // found before the first is deleted: a typing error deletes nothing
  for (const auto& text : o.objects) {
    const guid id = find_object(text, names(all), "LUN");
    const auto at = std::find_if(all.begin(), all.end(), [&](const auto& l) { return l.id == id; });
    if (std::none_of(doomed.begin(), doomed.end(), [&](const auto& l) { return l.id == id; })) doomed.push_back(*at);
  }
  if (o.dry_run) {
    if (doomed.size() != 1) throw command_error(exit_status::usage, "--dry-run looks at one LUN at a time");
    return show_plan(c, o, c.service(o).plan_delete(doomed.front().subsystem, doomed.front().id), "deleting the LUN");
  }
  std::vector<std::string> said;
  for (const auto& l : doomed) said.push_back(fmt::format("{} ({})", called(l), print_size(l.size_bytes)));
  confirm(c, o, fmt::format("Delete {} and all data on {}?", joined(said, ", "), doomed.size() == 1 ? "it" : "them"));
  json done = json::array();
  for (const auto& l : doomed) {
    c.service(o).delete_lun(l.id);
    if (!o.json) say_done(c, o, fmt::format("LUN {} is deleted", called(l)), {});
    done.push_back(id_document(l.id));
  }
  if (o.json) c.out << dump(done.size() == 1 ? done.front() : done);
}

void lun_extend(context& c, const options& o) {
  const std::uint64_t by = size_option(o.size, "--by");
  const guid id = find_lun(c, o, o.objects.front());
  std::vector<guid> drives;
  for (const auto& d : o.drives) drives.push_back(find_drive(c, o, d));
  if (o.dry_run)
    return show_plan(c, o, c.service(o).plan_extend(c.service(o).lun(id).subsystem, id, by, drives),
                     "extending the LUN");
  run_on_lun(c, o, id, c.service(o).extend_lun(id, by, drives), "is larger");
}

void lun_shrink(context& c, const options& o) {
  const std::uint64_t by = size_option(o.size, "--by");
  const lun_view l = c.service(o).lun(find_lun(c, o, o.objects.front()));
  confirm(c, o, fmt::format("Cut the last {} off {}, with the data there?", print_size(by), called(l)));
  run_on_lun(c, o, l.id, c.service(o).shrink_lun(l.id, by), "is smaller");
}

void lun_rename(context& c, const options& o) {
  const guid id = find_lun(c, o, o.objects[0]);
  c.service(o).set_lun_name(id, o.objects[1]);
  say_done(c, o, fmt::format("LUN {} is called {}", to_string(id), o.objects[1]),
           {{"id", to_string(id)}, {"name", o.objects[1]}});
}

void lun_unmask(context& c, const options& o) {
  const lun_view l = c.service(o).lun(find_lun(c, o, o.objects.front()));
  if (o.objects.size() < 2)
    throw command_error(exit_status::usage, "say which initiators may see the LUN",
                        "name them, or '*' for all of them");
  set_mask(c, o, l, unmasked(l.unmasking_list, {o.objects.begin() + 1, o.objects.end()}));
}

void lun_mask(context& c, const options& o) {
  const lun_view l = c.service(o).lun(find_lun(c, o, o.objects.front()));
  if (o.all == (o.objects.size() > 1))
    throw command_error(exit_status::usage, "say which initiators to shut out, or --all");
  set_mask(c, o, l, o.all ? std::string() : masked(l.unmasking_list, {o.objects.begin() + 1, o.objects.end()}));
}

void lun_recover(context& c, const options& o) {
  const guid id = find_lun(c, o, o.objects.front());
  run_on_lun(c, o, id, c.service(o).recover_lun(id), "is in step again");
}

namespace {

// One after the other: two at once would only make the drives seek. Whatever becomes of one, the others are read, too.
void scrub_all(context& c, const options& o) {
  if (o.no_wait)
    throw command_error(exit_status::usage, "--all waits for each LUN before the next", "leave out --no-wait");
  json results = json::array();
  std::size_t failed = 0;
  for (const lun_view& l : c.service(o).luns()) {
    json one = {{"id", to_string(l.id)}, {"name", l.name}};
    try {
      const guid job = c.service(o).scrub_lun(l.id);
      wait_for(c, o, c.service(o).open_operation(job));
      const std::string found = c.service(o).operation_status(job).phase;
      one["found"] = found;
      if (!o.json) say_done(c, o, fmt::format("LUN {}: {}", called(l), found), {});
    } catch (const service_gone&) {
      throw;
    } catch (const command_error& e) {
      if (e.status() == exit_status::detached) throw;
      ++failed;
      one["error"] = e.why();
      if (!o.json) c.err << fmt::format("LUN {}: {}\n", called(l), e.why());
    }
    results.push_back(std::move(one));
  }
  if (o.json) c.out << dump(results);
  if (failed != 0)
    throw command_error(exit_status::failed,
                        fmt::format("{} of {} LUNs were not read to the end", failed, results.size()));
}

}  // namespace

void lun_scrub(context& c, const options& o) {
  if (o.all == !o.objects.empty()) throw command_error(exit_status::usage, "say which LUN to scrub, or --all");
  if (o.all) return scrub_all(c, o);
  const guid id = find_lun(c, o, o.objects.front());
  const guid job = c.service(o).scrub_lun(id);
  run_on_lun(c, o, id, c.service(o).open_operation(job), "has been read and compared");
}

void lun_status(context& c, const options& o) {
  const lun_view l = c.service(o).lun(find_lun(c, o, o.objects.front()));
  if (o.objects.size() == 1) {
    const json doc = {{"id", to_string(l.id)},
                      {"status", name_of(words::lun_status, l.status)},
                      {"health", name_of(words::health, l.health)},
                      {"transition_state", name_of(words::transition_state, l.transition_state)}};
    show_one(c, o,
             {{"status", name_of(words::lun_status, l.status)},
              {"health", name_of(words::health, l.health)},
              {"transition state", name_of(words::transition_state, l.transition_state)}},
             doc);
    return;
  }
  const auto status = value_of(words::lun_status, o.objects[1]);
  if (o.objects[1] != "online" && o.objects[1] != "offline")
    throw command_error(exit_status::usage, fmt::format("'{}' is no status to set", o.objects[1]),
                        "it is online or offline");
  c.service(o).set_lun_status(l.id, *status);
  say_done(c, o, fmt::format("LUN {} is {}", called(l), o.objects[1]),
           {{"id", to_string(l.id)}, {"status", o.objects[1]}});
}

}  // namespace vds::cli
