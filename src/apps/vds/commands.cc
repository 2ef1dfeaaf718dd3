#include "apps/vds/commands.h"

#include <array>
#include <utility>

#include "apps/vds/verbs/verbs.h"

namespace vds::cli {
namespace {

// Shared pieces of the rows below.
void subsystem_option(CLI::App& app, options& o) {
  app.add_option("--subsystem", o.subsystem, "the subsystem; may be left out when there is one")->type_name("S");
}
void drives_option(CLI::App& app, options& o) {
  app.add_option("--drives,--drive", o.drives, "drives to use, in this order, separated by commas")
      ->delimiter(',')
      ->type_name("D,...");
}
void operation_options(CLI::App& app, options& o) {
  app.add_flag("--no-wait", o.no_wait, "print the operation's id and return at once");
  app.add_flag_callback(
      "--wait", [&o] { o.no_wait = false; }, "wait for the end (this is the default)");
  app.add_option("--timeout", o.timeout_s, "wait this long at most; the operation goes on")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
}
template <int Least, int Most>
void objects(CLI::App& app, options& o, const char* name, const char* what) {
  app.add_option(name, o.objects, what)->required()->expected(Least, Most)->type_name("");
}
void dry_run_option(CLI::App& app, options& o) {
  app.add_flag("-n,--dry-run", o.dry_run, "show what would be done, and do nothing");
}
void yes_option(CLI::App& app, options& o) { app.add_flag("-y,--yes", o.yes, "do not ask"); }

void lun_create_options(CLI::App& app, options& o) {
  subsystem_option(app, o);
  app.add_option("--size", o.size, "how large, like 10G or 512MiB; 'max' for all there is")
      ->required()
      ->type_name("SIZE");
  app.add_option(
         "--type", o.type,
         "simple, span, stripe, mirror, parity, raid6, raid10, raid50, raid60; auto (the default), fault_tolerant "
         "and non_fault_tolerant leave the choice to the provider")
      ->type_name("TYPE");
  drives_option(app, o);
  app.add_option("--plexes", o.plexes, "copies of a mirror")->type_name("N")->check(CLI::Range(1, 64));
  app.add_option("--name", o.name, "its name")->type_name("NAME");
  app.add_option("--unmask", o.unmask, "initiators that may see it, separated by ';'; '*' for all; nobody if left out")
      ->type_name("LIST");
  app.add_option("--hint", o.hints, "a wish, like stripe_size=64K; may be given more than once")
      ->type_name("K=V")
      ->expected(1)
      ->take_all();
  app.add_option("--key", o.key, "a name for this request: repeated with the same key it joins the first one")
      ->type_name("K");
  operation_options(app, o);
  dry_run_option(app, o);
}

void one_lun(CLI::App& app, options& o) { objects<1, 1>(app, o, "LUN", "id, prefix of the id, or name"); }
void lun_delete_options(CLI::App& app, options& o) {
  objects<1, 10000>(app, o, "LUN", "ids, prefixes of ids, or names");
  yes_option(app, o);
  dry_run_option(app, o);
}
void lun_resize_options(CLI::App& app, options& o) {
  one_lun(app, o);
  app.add_option("--by", o.size, "how much, like 10G")->required()->type_name("SIZE");
  drives_option(app, o);
  operation_options(app, o);
}
void lun_extend_options(CLI::App& app, options& o) {
  lun_resize_options(app, o);
  dry_run_option(app, o);
}
void lun_shrink_options(CLI::App& app, options& o) {
  lun_resize_options(app, o);
  yes_option(app, o);
}
void lun_and_operation(CLI::App& app, options& o) {
  one_lun(app, o);
  operation_options(app, o);
}
void lun_scrub_options(CLI::App& app, options& o) {
  app.add_option("LUN", o.objects, "id, prefix of the id, or name")->expected(0, 1)->type_name("");
  app.add_flag("--all", o.all, "every LUN, one after the other");
  operation_options(app, o);
}
void lun_unmask_options(CLI::App& app, options& o) {
  objects<1, 10000>(app, o, "LUN [INITIATOR]...", "the LUN, then the initiators to admit; '*' admits all");
}
void lun_mask_options(CLI::App& app, options& o) {
  objects<1, 10000>(app, o, "LUN [INITIATOR]...", "the LUN, then the initiators to shut out");
  app.add_flag("--all", o.all, "shut everybody out");
}
void lun_status_options(CLI::App& app, options& o) {
  objects<1, 2>(app, o, "LUN [STATUS]", "the LUN, and 'online' or 'offline' to change its status");
}
void lun_rename_options(CLI::App& app, options& o) { objects<2, 2>(app, o, "LUN NAME", "the LUN and its new name"); }
void one_subsystem(CLI::App& app, options& o) { objects<1, 1>(app, o, "SUBSYSTEM", "id, prefix of the id, or name"); }
void one_drive(CLI::App& app, options& o) { objects<1, 1>(app, o, "DRIVE", "id, prefix of the id, or name"); }
void drive_add_options(CLI::App& app, options& o) {
  objects<1, 1>(app, o, "PATH", "a file or a block device, as the service sees it");
  subsystem_option(app, o);
  app.add_option("--create", o.create, "create a sparse file of this size first")->type_name("SIZE");
  app.add_flag("--force", o.force, "take it although it carries somebody else's signature");
}
void drive_safe_options(CLI::App& app, options& o) {
  objects<1, 10000>(app, o, "DRIVE", "the drives that would be taken away together: ids, prefixes of ids, or names");
}
void drive_spare_options(CLI::App& app, options& o) {
  one_drive(app, o);
  app.add_flag("--off", o.off, "no longer a hot spare");
}
void drive_locate_options(CLI::App& app, options& o) {
  objects<1, 2>(app, o, "DRIVE [on|off]", "the drive, and whether its light is to be on (it is, if left out)");
}
void subsystem_rename_options(CLI::App& app, options& o) {
  objects<2, 2>(app, o, "SUBSYSTEM NAME", "the array and its new name; '': the one it began with");
}
void drive_fail_options(CLI::App& app, options& o) {
  one_drive(app, o);
  app.add_flag("--force", o.force, "although LUNs lose data with it");
  yes_option(app, o);
}
void drive_online_options(CLI::App& app, options& o) {
  one_drive(app, o);
  yes_option(app, o);
}
void drive_replace_options(CLI::App& app, options& o) {
  objects<2, 2>(app, o, "OLD NEW", "the drive to replace and the one that takes its place");
  dry_run_option(app, o);
}
void plex_list_options(CLI::App& app, options& o) { one_lun(app, o); }
void plex_add_options(CLI::App& app, options& o) {
  objects<1, 2>(app, o, "LUN [SOURCE]",
                "the LUN, and a LUN whose plexes it takes over (which ends as a LUN of its own); without it a new "
                "copy is made");
  drives_option(app, o);
  operation_options(app, o);
  yes_option(app, o);
}
void plex_remove_options(CLI::App& app, options& o) {
  objects<2, 2>(app, o, "LUN PLEX", "the LUN, and the id of its plex");
  operation_options(app, o);
  yes_option(app, o);
}
void one_target(CLI::App& app, options& o) {
  objects<1, 1>(app, o, "TARGET", "id, prefix of the id, name, or iSCSI name");
}
void target_create_options(CLI::App& app, options& o) {
  objects<1, 1>(app, o, "NAME", "its friendly name, which initiators see as its alias");
  subsystem_option(app, o);
  app.add_option("--iqn", o.iqn, "its iSCSI name; made up if left out")->type_name("IQN");
  app.add_flag("--no-portals", o.no_portals, "do not put the portals there are into a group of it");
  operation_options(app, o);
}
void target_delete_options(CLI::App& app, options& o) {
  one_target(app, o);
  operation_options(app, o);
  yes_option(app, o);
}
void target_rename_options(CLI::App& app, options& o) {
  objects<2, 2>(app, o, "TARGET NAME", "the target, and its new friendly name");
}
void target_associate_options(CLI::App& app, options& o) {
  objects<1, 64>(app, o, "LUN [TARGET...]", "the LUN, and the targets that show it from now on, and no others");
  app.add_flag("--none", o.none, "no target shows it");
}
void one_portal(CLI::App& app, options& o) { objects<1, 1>(app, o, "PORTAL", "id, prefix of the id, or ADDR:PORT"); }
void portal_add_options(CLI::App& app, options& o) {
  objects<1, 1>(app, o, "ADDR:PORT", "where to listen: 10.0.0.1:3260, [fd00::1]:3260");
  subsystem_option(app, o);
  app.add_option("--group", o.groups, "put it into these portal groups")->delimiter(',')->type_name("G,...");
}
void portal_remove_options(CLI::App& app, options& o) {
  one_portal(app, o);
  app.add_flag("--force", o.force, "take it out of its portal groups first");
  yes_option(app, o);
}
void portal_status_options(CLI::App& app, options& o) {
  objects<2, 2>(app, o, "PORTAL STATUS", "the portal, and online or offline");
}
void portal_group_list_options(CLI::App& app, options& o) {
  app.add_option("TARGET", o.objects, "only those of this target")->expected(0, 1)->type_name("");
}
void portal_group_create_options(CLI::App& app, options& o) {
  one_target(app, o);
  operation_options(app, o);
}
void one_group(CLI::App& app, options& o) {
  objects<1, 1>(app, o, "GROUP", "id, prefix of the id, or TARGET:TAG");
  operation_options(app, o);
}
void group_and_portal(CLI::App& app, options& o) {
  objects<2, 2>(app, o, "GROUP PORTAL", "the portal group, and the portal");
  operation_options(app, o);
}
void chap_options(CLI::App& app, options& o) {
  one_target(app, o);
  app.add_option("--initiator", o.initiator,
                 "the secret of this initiator; without it: of all that have none of their own")
      ->type_name("IQN");
  app.add_flag("--mutual", o.mutual, "the secret with which the target proves itself to --initiator");
}
void chap_set_options(CLI::App& app, options& o) {
  chap_options(app, o);
  app.add_option("--secret-file", o.secret_file, "read the secret from here, '-': standard input; else you are asked")
      ->type_name("FILE");
}
void op_list_options(CLI::App& app, options& o) { app.add_flag("--all", o.all, "also those that have ended"); }
void one_op(CLI::App& app, options& o) { objects<1, 1>(app, o, "OPERATION", "id or prefix of the id"); }
void op_wait_options(CLI::App& app, options& o) {
  one_op(app, o);
  app.add_option("--timeout", o.timeout_s, "wait this long at most; the operation goes on")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
}
void provider_register_options(CLI::App& app, options& o) {
  objects<2, 10000>(app, o, "NAME PROGRAM [ARGUMENT]...",
                    "its name, and what the service starts for it; arguments that begin with '-' after a '--'");
  app.add_option("--id", o.id, "the provider's id; made from the name if left out")->type_name("GUID");
  app.add_option("--clsid", o.class_id, "the class to activate in it, for one that is particular about it")
      ->type_name("GUID");
  app.add_option("--provider-version", o.version, "its version, like 1.0")->type_name("V");
  app.add_option("--version-id", o.version_id, "a GUID that is new for each version; made from the version if left out")
      ->type_name("GUID");
  app.add_flag("--no-wait", o.no_wait, "do not wait until it is ready");
}
void one_provider(CLI::App& app, options& o) { objects<1, 1>(app, o, "PROVIDER", "id, prefix of the id, or name"); }
void events_options(CLI::App& app, options& o) {
  app.add_option("--since", o.since, "begin after this sequence number; 0: with the oldest kept")->type_name("N");
  app.add_option("--max", o.most, "end after this many")->type_name("N");
  app.add_flag("--no-follow", o.no_follow, "print what there is and end");
  app.add_flag("--json-lines", o.json_lines, "one JSON document a line, as they happen");
}

constexpr auto commands = std::to_array<command>({
    {"service", "status", "", "whether the service runs, and how its providers are", nullptr, service_status, ""},
    {"provider", "list", "ls", "the providers and what happened to them", nullptr, provider_list, ""},
    {"provider", "register", "", "make a provider known to the service", provider_register_options, provider_register,
     ""},
    {"provider", "unregister", "", "forget a provider", one_provider, provider_unregister, "provider"},
    {"subsystem", "list", "ls", "the arrays", nullptr, subsystem_list, ""},
    {"subsystem", "show", "", "one array and what it can do", one_subsystem, subsystem_show, "subsystem"},
    {"subsystem", "rename", "", "give an array another name", subsystem_rename_options, subsystem_rename, "subsystem"},
    {"drive", "list", "ls", "the drives", nullptr, drive_list, ""},
    {"drive", "show", "", "one drive", one_drive, drive_show, "drive"},
    {"drive", "add", "", "take a file or a block device into an array", drive_add_options, drive_add, "path"},
    {"drive", "remove", "rm", "let an unused drive go", one_drive, drive_remove, "drive"},
    {"drive", "safe", "", "whether drives can be taken away without a LUN losing its data", drive_safe_options,
     drive_safe, "drive"},
    {"drive", "spare", "", "make a drive a hot spare", drive_spare_options, drive_spare, "drive"},
    {"drive", "locate", "", "switch the light of a drive on or off, to find it", drive_locate_options, drive_locate,
     "drive"},
    {"drive", "fail", "", "treat a drive as failed", drive_fail_options, drive_fail, "drive"},
    {"drive", "online", "", "use a drive again that the array had left behind", drive_online_options, drive_online,
     "drive"},
    {"drive", "replace", "", "move what one drive holds to another", drive_replace_options, drive_replace, "drive"},
    {"lun", "list", "ls", "the LUNs", nullptr, lun_list, ""},
    {"lun", "show", "", "one LUN", one_lun, lun_show, "lun"},
    {"lun", "create", "", "make a LUN", lun_create_options, lun_create, ""},
    {"lun", "delete", "rm", "delete LUNs and their data", lun_delete_options, lun_delete, "lun"},
    {"lun", "extend", "", "make a LUN larger", lun_extend_options, lun_extend, "lun"},
    {"lun", "shrink", "", "make a LUN smaller, at its end", lun_shrink_options, lun_shrink, "lun"},
    {"lun", "rename", "", "give a LUN another name", lun_rename_options, lun_rename, "lun"},
    {"lun", "unmask", "", "let initiators see a LUN", lun_unmask_options, lun_unmask, "lun"},
    {"lun", "mask", "", "hide a LUN from initiators", lun_mask_options, lun_mask, "lun"},
    {"lun", "recover", "", "synchronise what is out of step", lun_and_operation, lun_recover, "lun"},
    {"lun", "scrub", "", "read all of a LUN on every drive and compare", lun_scrub_options, lun_scrub, "lun"},
    {"lun", "status", "", "show or change whether a LUN serves I/O", lun_status_options, lun_status, "lun"},
    {"plex", "list", "ls", "the plexes of a LUN", plex_list_options, plex_list, "lun"},
    {"plex", "add", "", "mirror a LUN onto further drives, or onto another LUN", plex_add_options, plex_add, "lun"},
    {"plex", "remove", "rm", "take a plex away; its room is wiped", plex_remove_options, plex_remove, "lun"},
    {"target", "list", "ls", "the iSCSI targets", nullptr, target_list, ""},
    {"target", "show", "", "one target", one_target, target_show, "target"},
    {"target", "create", "", "make a target", target_create_options, target_create, ""},
    {"target", "delete", "rm", "delete a target that shows no LUN", target_delete_options, target_delete, "target"},
    {"target", "rename", "", "give a target another friendly name", target_rename_options, target_rename, "target"},
    {"target", "associate", "", "say which targets show a LUN", target_associate_options, target_associate, "lun"},
    {"portal", "list", "ls", "where iSCSI initiators connect", nullptr, portal_list, ""},
    {"portal", "show", "", "one portal", one_portal, portal_show, "portal"},
    {"portal", "add", "", "listen on another address", portal_add_options, portal_add, ""},
    {"portal", "remove", "rm", "listen there no longer", portal_remove_options, portal_remove, "portal"},
    {"portal", "status", "", "open or close a portal", portal_status_options, portal_status, "portal"},
    {"portal-group", "list", "ls", "by which portals targets are reached", portal_group_list_options, portal_group_list,
     "target"},
    {"portal-group", "create", "", "make a portal group of a target", portal_group_create_options, portal_group_create,
     "target"},
    {"portal-group", "delete", "rm", "delete an empty portal group", one_group, portal_group_delete, "portal-group"},
    {"portal-group", "add-portal", "", "let a target be reached by a portal", group_and_portal, portal_group_add_portal,
     "portal-group"},
    {"portal-group", "remove-portal", "", "let it no longer", group_and_portal, portal_group_remove_portal,
     "portal-group"},
    {"chap", "set", "", "demand a secret of initiators, or give the target one", chap_set_options, chap_set, "target"},
    {"chap", "clear", "", "forget a secret", chap_options, chap_clear, "target"},
    {"op", "list", "ls", "the operations under way", op_list_options, op_list, ""},
    {"op", "show", "", "one operation", one_op, op_show, "op"},
    {"op", "wait", "", "wait for an operation's end", op_wait_options, op_wait, "op"},
    {"op", "cancel", "", "ask an operation to stop and undo", one_op, op_cancel, "op"},
    {"events", "", "", "what changes, as it changes", events_options, events, ""},
});

constexpr auto nouns = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"service", "the service itself"},
    {"provider", "the processes that drive arrays"},
    {"subsystem", "arrays"},
    {"drive", "the drives of arrays"},
    {"lun", "LUNs"},
    {"plex", "the copies that mirrors are made of"},
    {"target", "iSCSI targets"},
    {"portal", "where iSCSI initiators connect"},
    {"portal-group", "by which portals targets are reached"},
    {"chap", "the secrets of iSCSI targets"},
    {"op", "operations: long pieces of work"},
    {"events", "what changes, as it changes"},
});

}  // namespace

std::span<const command> all_commands() { return commands; }

std::string_view noun_summary(std::string_view noun) {
  for (const auto& [name, summary] : nouns)
    if (name == noun) return summary;
  return {};
}

}  // namespace vds::cli
