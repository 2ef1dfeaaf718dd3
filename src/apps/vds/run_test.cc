// Whole command lines against a service in memory: what is printed where, and the exit status.
#include "apps/vds/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "apps/vds/commands.h"
#include "apps/vds/testing/command_line.h"

namespace vds::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(command_line, a_created_lun_is_shown_with_exactly_the_documented_keys) {
  const auto got = vds("--json lun create --size 1G --type mirror --name data --unmask *");
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(keys(got.out),
              ElementsAre("id", "name", "type", "size_bytes", "status", "health", "transition_state", "unmasking_list",
                          "serial", "iscsi_url", "plexes", "drives", "survives_drive_losses"));
  const auto doc = nlohmann::json::parse(got.out);
  EXPECT_EQ(doc["name"], "data");
  EXPECT_EQ(doc["type"], "mirror");
  EXPECT_EQ(doc["size_bytes"], 1ull << 30);
  EXPECT_EQ(doc["unmasking_list"], "*");
  EXPECT_EQ(doc["status"], "online");
}

TEST_F(command_line, documents_of_drives_and_operations_have_exactly_the_documented_keys) {
  EXPECT_THAT(keys(nlohmann::ordered_json::parse(vds("drive list --json").out)[0].dump()),
              ElementsAre("id", "name", "path", "size_bytes", "free_bytes", "status", "health", "flags"));
  store.operations_end_at_once = false;
  ASSERT_EQ(vds("lun create --size 1G --no-wait").status, 0);
  const auto list = nlohmann::ordered_json::parse(vds("op list --json").out);
  EXPECT_THAT(keys(list[0].dump()),
              ElementsAre("id", "kind", "object", "state", "percent", "phase", "hresult", "owner", "begun", "ended",
                          "bytes_done", "bytes_total", "bytes_per_second", "seconds_left", "waiting_for"));
  EXPECT_EQ(list[0]["state"], "running");
  EXPECT_EQ(list[0]["hresult"], nullptr);
  EXPECT_EQ(list[0]["begun"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(list[0]["ended"], nullptr);
}

TEST_F(command_line, no_wait_prints_the_operations_id_and_nothing_else) {
  store.operations_end_at_once = false;
  const auto got = vds("lun create --size 1G --no-wait");
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, to_string(test_id(1, 0xe0)) + "\n");
}

TEST_F(command_line, the_same_key_is_the_same_operation_id_and_another_key_another) {
  ASSERT_EQ(vds("lun create --size 1G --key backup-7").status, 0);
  const guid first = fake_gateway::last_request.operation;
  ASSERT_EQ(vds("lun create --size 1G --key backup-7").status, 0);
  EXPECT_EQ(fake_gateway::last_request.operation, first);
  ASSERT_EQ(vds("lun create --size 1G --key backup-8").status, 0);
  EXPECT_NE(fake_gateway::last_request.operation, first);
  ASSERT_EQ(vds("lun create --size 1G").status, 0);
  EXPECT_EQ(fake_gateway::last_request.operation, guid{});
}

TEST_F(command_line, a_mirror_of_three_plexes_gets_the_three_roomiest_drives) {
  ASSERT_EQ(vds("lun create --size 1G --plexes 3").status, 0);
  EXPECT_EQ(fake_gateway::last_request.type, 13u);
  EXPECT_THAT(fake_gateway::last_request.drives, ElementsAre(test_id(1, 0xd0), test_id(2, 0xd0), test_id(3, 0xd0)));
  EXPECT_EQ(vds("lun create --size 1G --plexes 5").status, 1);
}

TEST_F(command_line, a_lun_is_named_at_birth_where_the_array_can_and_afterwards_where_it_cannot) {
  ASSERT_EQ(vds("lun create --size 1G --name one --no-wait").status, 0);
  store.names_at_birth = false;
  EXPECT_EQ(vds_json("lun create --size 1G --name two")["name"], "two");
  EXPECT_EQ(vds("lun create --size 1G --name three --no-wait").status, 2);
  EXPECT_EQ(vds_json("lun show one")["name"], "one");
}

TEST_F(command_line, size_max_is_what_the_array_says_it_has) {
  ASSERT_EQ(vds("lun create --size max --type span").status, 0);
  EXPECT_EQ(fake_gateway::last_request.size_bytes, 3ull << 30);
}

TEST_F(command_line, hints_and_drives_reach_the_request_in_order) {
  ASSERT_EQ(vds("lun create --size 1G --type stripe --drives drive3,drive1 --hint stripe_size=64K --hint mostly_reads")
                .status,
            0);
  const auto& r = fake_gateway::last_request;
  EXPECT_THAT(r.drives, ElementsAre(test_id(3, 0xd0), test_id(1, 0xd0)));
  EXPECT_EQ(r.hints.at("stripe_size"), 65536u);
  EXPECT_EQ(r.hints.at("mostly_reads"), 1u);
}

TEST_F(command_line, wrong_usage_is_refused_before_anything_is_asked) {
  store.reachable = false;
  for (const char* words :
       {"lun create", "lun create --size", "lun create --size 1X", "lun create --size 0", "lun crate --size 1G",
        "lum list", "lun", "lun list --jsn", "lun show", "lun show a b", "lun create --size 1G --type blob",
        "lun create --size 1G --hint x=1", "lun create --size 1G --type simple --plexes 2",
        "lun create --size 1G --drives a", "--color maybe lun list", "drive add", "op wait x --timeout -1"})
    EXPECT_EQ(vds(words).status, 2) << words;
}

TEST_F(command_line, a_wrong_word_is_answered_with_the_near_one) {
  EXPECT_THAT(vds("lum list").err, HasSubstr("did you mean 'vds lun'?"));
  EXPECT_THAT(vds("lun crate").err, HasSubstr("did you mean 'vds lun create'?"));
  EXPECT_THAT(vds("lun list --jsno").err, HasSubstr("did you mean '--json'?"));
  EXPECT_THAT(vds("frobnicate").err, HasSubstr("commands are: service, provider"));
  EXPECT_THAT(vds("lun").err, HasSubstr("one of: list, show, create"));
}

TEST_F(command_line, a_service_that_is_not_there_is_exit_status_3_with_what_to_do) {
  store.reachable = false;
  const auto got = vds("lun list");
  EXPECT_EQ(got.status, 3);
  EXPECT_EQ(got.out, "");
  EXPECT_THAT(got.err, HasSubstr("RPC_S_SERVER_UNAVAILABLE"));
  EXPECT_THAT(got.err, HasSubstr("is vdsd running?"));
}

TEST_F(command_line, an_operation_that_fails_is_exit_status_1_with_its_name_on_standard_error) {
  store.next_result = hresult_of(0x8004240f);
  store.next_result_name = "VDS_E_NOT_ENOUGH_SPACE";
  const auto got = vds("lun create --size 100T");
  EXPECT_EQ(got.status, 1);
  EXPECT_EQ(got.out, "");
  EXPECT_THAT(got.err, HasSubstr("(VDS_E_NOT_ENOUGH_SPACE, 0x8004240f)"));
  EXPECT_THAT(got.err, HasSubstr("vds drive add"));
}

TEST_F(command_line, errors_are_documents_too_with_json) {
  store.add_lun(1, "a");
  const auto got = vds("lun shrink a --by 1M --json");
  EXPECT_EQ(got.status, 1);
  EXPECT_EQ(got.out, "");
  const auto doc = nlohmann::json::parse(got.err)["error"];
  EXPECT_EQ(doc["name"], "VDS_E_NOT_SUPPORTED");
  EXPECT_EQ(doc["hresult"], "0x80042400");
  EXPECT_EQ(doc["message"], "the array cannot do this");
  EXPECT_EQ(doc["exit_status"], 1);
  EXPECT_EQ(nlohmann::json::parse(vds("lun crate --json").err)["error"]["exit_status"], 2);
}

TEST_F(command_line, denied_is_exit_status_4) {
  EXPECT_EQ(exit_status_of(hresult_of(0x80070005)), exit_status::denied);
  EXPECT_EQ(exit_status_of(hresult_of(0x80042427)), exit_status::denied);
}

TEST_F(command_line, a_service_that_goes_away_while_waiting_is_found_again_by_the_operations_id) {
  store.gone_waits = 2;
  const auto got = vds("--json lun create --size 1G");
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(store.calls, ElementsAre("open operation", "open operation"));
}

TEST_F(command_line, a_wait_that_takes_too_long_ends_and_says_so) {
  store.operations_end_at_once = false;
  const auto got = vds("lun create --size 1G --timeout 0.05");
  EXPECT_EQ(got.status, 1);
  EXPECT_THAT(got.err, HasSubstr("VDS_E_TIMEOUT"));
}

TEST_F(command_line, ctrl_c_detaches_and_says_how_to_come_back) {
  store.operations_end_at_once = false;
  stop.raise();
  const auto got = vds("lun create --size 1G");
  EXPECT_EQ(got.status, 130);
  EXPECT_THAT(got.err, HasSubstr("vds op wait " + to_string(test_id(1, 0xe0))));
  EXPECT_THAT(store.calls, Not(::testing::Contains("cancel")));
}

TEST_F(command_line, deleting_asks_on_a_terminal_unless_yes_is_given) {
  store.add_lun(1, "precious");
  where.interactive = true;
  EXPECT_EQ(vds("lun delete precious").status, 1);
  EXPECT_THAT(asked, HasSubstr("precious (256 MiB)"));
  EXPECT_TRUE(store.calls.empty());
  EXPECT_EQ(vds("lun rm precious --yes").status, 0);
  EXPECT_THAT(store.calls, ElementsAre("delete c001"));
  answer = true;
  EXPECT_EQ(vds("lun delete precious").status, 0);
  where.interactive = false;
  answer = false;
  EXPECT_EQ(vds("lun delete precious").status, 0);
}

TEST_F(command_line, a_typing_error_in_the_second_name_deletes_nothing) {
  store.add_lun(1, "a");
  EXPECT_EQ(vds("lun delete a b --yes").status, 1);
  EXPECT_TRUE(store.calls.empty());
}

TEST_F(command_line, objects_are_found_by_id_prefix_and_name) {
  store.add_lun(1, "alpha");
  store.add_lun(2, "beta");
  for (const char* text :
       {"alpha", "c001", "C0010101", "c0010101-0000-0000-0000-000000000001", "{c0010101-0000-0000-0000-000000000001}"})
    EXPECT_EQ(vds_json(std::string("lun show ") + text)["name"], "alpha") << text;
  EXPECT_EQ(vds("lun show c00").status, 1);  // too short to be a prefix
  store.luns[1].id.bytes[1] = store.luns[0].id.bytes[1];
  const auto got = vds("lun show c001");
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("names more than one LUN"));
  EXPECT_THAT(vds("lun show gamma").err, HasSubstr("VDS_E_OBJECT_NOT_FOUND"));
}

TEST_F(command_line, masking_adds_to_and_takes_from_the_list) {
  store.add_lun(1, "a");
  EXPECT_EQ(vds_json("lun unmask a iqn.x:one iqn.x:two")["unmasking_list"], "iqn.x:one;iqn.x:two");
  EXPECT_EQ(vds_json("lun unmask a iqn.x:two")["unmasking_list"], "iqn.x:one;iqn.x:two");
  EXPECT_EQ(vds_json("lun mask a iqn.x:one")["unmasking_list"], "iqn.x:two");
  EXPECT_EQ(vds("lun mask a iqn.x:one").status, 2);
  EXPECT_EQ(vds_json("lun unmask a *")["unmasking_list"], "*");
  EXPECT_EQ(vds("lun mask a iqn.x:two").status, 2);
  EXPECT_EQ(vds_json("lun mask a --all")["unmasking_list"], "");
  EXPECT_EQ(vds("lun mask a").status, 2);
}

TEST_F(command_line, a_list_for_people_and_for_scripts) {
  store.add_lun(1, "alpha");
  store.add_lun(2, "b");
  EXPECT_EQ(vds("lun list -o name,size_bytes,status").out,
            "NAME      SIZE  STATUS\n"
            "alpha  256 MiB  online\n"
            "b      256 MiB  online\n");
  EXPECT_EQ(vds("lun ls -H -p -o name,size_bytes --sort -name").out, "b\t268435456\nalpha\t268435456\n");
  EXPECT_EQ(vds("lun ls -b -o size_bytes,name -H").out, "268435456  alpha\n268435456  b\n");
  EXPECT_EQ(vds("lun ls -o nonsense").status, 2);
  EXPECT_THAT(vds("lun ls").out, StartsWith("ID                                    NAME"));
}

TEST_F(command_line, ids_are_short_on_a_terminal_but_long_enough_to_tell_apart) {
  store.add_lun(1, "alpha");
  where.out_is_terminal = true;
  where.columns = 200;
  EXPECT_THAT(vds("lun ls -o id -H").out, "c0010101\n");
}

TEST_F(command_line, an_empty_list_is_an_empty_document_and_a_word_to_people) {
  EXPECT_EQ(vds("lun list --json").out, "[]\n");
  const auto got = vds("lun list");
  EXPECT_EQ(got.status, 0);
  EXPECT_EQ(got.out, "");
  EXPECT_THAT(got.err, HasSubstr("vds lun create"));
  EXPECT_EQ(vds("lun list -H").err, "");
}

TEST_F(command_line, names_from_a_provider_cannot_drive_the_terminal) {
  store.add_lun(1, "evil\x1b[2Jname");
  EXPECT_THAT(vds("lun list").out, HasSubstr("evil\\x1b[2Jname"));
  EXPECT_THAT(vds("lun show evil\x1b[2Jname").out, HasSubstr("evil\\x1b[2Jname"));
  EXPECT_EQ(vds_json("lun list")[0]["name"], "evil\x1b[2Jname");  // escaped by JSON itself
}

TEST_F(command_line, a_path_is_made_absolute_before_it_leaves_for_the_service) {
  ASSERT_EQ(vds("drive add some/../file.img --create 1G --force").status, 0);
  ASSERT_EQ(store.calls.size(), 1u);
  EXPECT_THAT(store.calls[0], StartsWith("add /"));
  EXPECT_THAT(store.calls[0], ::testing::EndsWith("/file.img 1073741824 force"));
}

TEST_F(command_line, events_are_lines_or_one_document) {
  store.events = {{1, 1'700'000'000'000'000'000, 108, 33, test_id(1, 0xc0)},
                  {2, 1'700'000'001'000'000'000, 107, 32, test_id(1, 0xd0)}};
  EXPECT_THAT(vds("events --no-follow").out, HasSubstr("lun_arrive"));
  EXPECT_EQ(vds_json("events")[1]["event"], "drive_modify");
  const auto lines = vds("events --json-lines --since 1 --no-follow").out;
  EXPECT_EQ(nlohmann::json::parse(lines)["sequence"], 2);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1);
  EXPECT_EQ(vds("events --since 0 --max 1").status, 0);
}

TEST_F(command_line, events_that_are_no_longer_kept_are_said_to_be_lost) {
  store.events = {{5, 1'700'000'000'000'000'000, 108, 33, test_id(1, 0xc0)}};
  EXPECT_THAT(vds("events --since 2 --no-follow").err, HasSubstr("no longer kept"));
  const auto lines = vds("events --json-lines --since 2 --no-follow").out;
  const auto first = nlohmann::json::parse(lines.substr(0, lines.find('\n')));
  EXPECT_EQ(first["lost"], true);
  EXPECT_EQ(first["since"], 2);
  EXPECT_EQ(vds("events --since 4 --no-follow").err, "");
}

TEST_F(command_line, a_drive_is_lit_to_be_found_and_an_array_gets_a_name) {
  EXPECT_EQ(vds("drive locate drive1").status, 0);
  EXPECT_EQ(vds("drive locate drive1 off").status, 0);
  EXPECT_EQ(vds("drive locate drive1 green").status, 2);
  store.drives.front().locating = true;
  EXPECT_EQ(vds_json("drive list")[0]["flags"].back(), "locating");
  EXPECT_THAT(vds("drive list").out, HasSubstr("locating"));
  EXPECT_EQ(vds("subsystem rename " + to_string(store.subsystems.front().id) + " rack7").status, 0);
  EXPECT_THAT(store.calls, ElementsAre("light on", "light off", "rename subsystem rack7"));
}

TEST_F(command_line, drives_are_safe_to_take_while_every_lun_on_them_keeps_enough) {
  store.add_lun(1, "mirror");  // on drive1 and drive2, one may go
  EXPECT_EQ(vds("drive safe drive3").status, 0);
  EXPECT_EQ(vds("drive safe drive1").status, 0);
  EXPECT_EQ(vds("drive safe drive1 drive1").status, 0);  // named twice is one
  const auto both = vds("--json drive safe drive1 drive2");
  EXPECT_EQ(both.status, 1);
  const auto doc = nlohmann::json::parse(both.out);
  EXPECT_EQ(doc["safe"], false);
  EXPECT_EQ(doc["luns"][0]["name"], "mirror");
  EXPECT_EQ(doc["luns"][0]["drives"], 2);
  store.luns[0].survives_drive_losses = 0;  // degraded
  EXPECT_THAT(vds("drive safe drive1").err, HasSubstr("not safe"));
  store.luns[0].drives.clear();  // a provider that does not say
  EXPECT_EQ(vds("drive safe drive3").status, 1);
  EXPECT_TRUE(store.calls.empty());
}

TEST_F(command_line, service_status_says_how_the_providers_are) {
  const auto doc = vds_json("service status");
  EXPECT_EQ(doc["ready"], true);
  EXPECT_EQ(doc["providers"][0]["state"], "ready");
  EXPECT_THAT(vds("service status").out, HasSubstr("VDS array"));
}

TEST_F(command_line, help_and_version_need_no_service) {
  store.reachable = false;
  EXPECT_THAT(vds("--help").out, HasSubstr("lun"));
  EXPECT_THAT(vds("lun create --help").out, HasSubstr("--plexes"));
  EXPECT_THAT(vds("--version").out, StartsWith("vds "));
}

TEST_F(command_line, completion_offers_nouns_verbs_options_and_living_names) {
  store.add_lun(1, "alpha");
  EXPECT_THAT(vds_words({"__complete", "l"}).out, "lun\n");
  EXPECT_THAT(vds_words({"__complete", "lun", "cr"}).out, "create\n");
  EXPECT_THAT(vds_words({"__complete", "lun", "create", "--pl"}).out, "--plexes\n");
  EXPECT_THAT(vds_words({"__complete", "lun", "show", ""}).out, "alpha\n");
  EXPECT_THAT(vds_words({"__complete", "lun", "create", "--type", "mi"}).out, "mirror\n");
  store.reachable = false;
  const auto got = vds_words({"__complete", "lun", "show", ""});
  EXPECT_EQ(got.out + got.err, "");
}

TEST_F(command_line, every_verb_of_the_table_answers_help) {
  for (const auto& c : all_commands()) {
    std::vector<std::string> words{std::string(c.noun)};
    if (!c.verb.empty()) words.emplace_back(c.verb);
    words.emplace_back("--help");
    EXPECT_EQ(vds_words(words).status, 0) << c.noun << " " << c.verb;
  }
}

TEST_F(command_line, a_target_is_made_with_a_group_that_has_the_portals) {
  store.portals.push_back({test_id(1, 0xf1), test_id(1, 0xb0), "127.0.0.1:3260", 1, {}});
  const auto doc = vds_json("target create tank --iqn iqn.2026-01.test:tank");
  EXPECT_EQ(doc["iscsi_name"], "iqn.2026-01.test:tank");
  EXPECT_EQ(doc["friendly_name"], "tank");
  ASSERT_EQ(store.portal_groups.size(), 1u);
  EXPECT_EQ(store.portal_groups[0].portals, std::vector<guid>{test_id(1, 0xf1)});
  vds("target create bare --no-portals");
  EXPECT_EQ(store.portal_groups.size(), 1u);
  EXPECT_THAT(vds("target list").out, HasSubstr("iqn.2026-01.test:tank"));
  EXPECT_THAT(vds("target show iqn.2026-01.test:tank").out, HasSubstr("CHAP:"));
  EXPECT_EQ(vds("target show nothing").status, 1);
}

TEST_F(command_line, luns_are_associated_with_targets_or_expressly_with_none) {
  store.add_lun(1, "data");
  store.targets.push_back({test_id(1, 0xf0), test_id(1, 0xb0), "iqn.a:a", "a", false, {}, {}, {}});
  EXPECT_EQ(vds("target associate data a").status, 0);
  EXPECT_EQ(vds("target associate data --none").status, 0);
  EXPECT_THAT(store.calls, ElementsAre("associate c001 with 1", "associate c001 with 0"));
  EXPECT_EQ(vds("target associate data").status, 2);
  EXPECT_EQ(vds("target associate data a --none").status, 2);
}

TEST_F(command_line, a_portal_is_added_to_the_groups_that_are_named) {
  store.portal_groups.push_back({test_id(1, 0xf2), test_id(1, 0xf0), "tank", 3, {}});
  const auto got = vds("portal add [fd00::1]:3260 --group tank:3");
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("[fd00::1]:3260"));
  EXPECT_EQ(store.portal_groups[0].portals.size(), 1u);
  EXPECT_EQ(vds("portal add 10.0.0.1:3260 --group tank:4").status, 1);
  EXPECT_EQ(store.portals.size(), 1u);
  EXPECT_EQ(vds("portal status [fd00::1]:3260 offline").status, 0);
  EXPECT_EQ(store.calls.back(), "portal status 4");
  EXPECT_THAT(vds("portal-group list").out, HasSubstr("[fd00::1]:3260"));
}

TEST_F(command_line, secrets_are_read_from_a_file_and_never_said) {
  store.targets.push_back({test_id(1, 0xf0), test_id(1, 0xb0), "iqn.a:a", "a", false, {}, {}, {}});
  const std::string file = ::testing::TempDir() + "vds-secret-" + std::to_string(::getpid());
  const auto keep = [&](const std::string& text) { std::ofstream(file) << text; };
  keep("twelve bytes and more\n");
  const auto got = vds("chap set a --secret-file " + file);
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out + got.err, Not(HasSubstr("twelve")));
  EXPECT_EQ(vds("chap set a --initiator iqn.i:i --mutual --secret-file " + file).status, 0);
  EXPECT_EQ(vds("chap clear a --initiator iqn.i:i").status, 0);
  EXPECT_THAT(store.calls, ElementsAre("secret of everybody is twelve bytes and more",
                                       "secret for iqn.i:i is twelve bytes and more", "secret of iqn.i:i is none"));
  keep("short");
  EXPECT_EQ(vds("chap set a --secret-file " + file).status, 1);
  EXPECT_EQ(vds("chap set a --mutual --secret-file " + file).status, 2);
  EXPECT_EQ(vds("chap set a --secret-file /nowhere").status, 1);
  std::remove(file.c_str());
}

}  // namespace
}  // namespace vds::cli
