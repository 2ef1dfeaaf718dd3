// Login, as it should be and as attackers do it.
#include "iscsi/session/login.h"

#include "rig.h"

namespace vds::iscsi::testing {
namespace {

std::uint16_t status_of(const pdu& p) { return p.gone ? 0xffff : std::uint16_t{p.as<login_response_pdu>().status}; }

std::string names() {
  return text({"InitiatorName=iqn.2026-01.test:initiator", "TargetName=" + test_iqn, "SessionType=Normal"});
}

struct login_rig : ::testing::Test {
  login_rig() { r.add_lun(0); }
  // One request on a connection of its own.
  pdu ask(login_request_pdu request, std::string said) {
    last = r.connect();
    return r.run(last->login_step(request, std::move(said)));
  }
  pdu ask(std::uint8_t current, std::uint8_t next, std::string said) {
    return ask(initiator(nullptr).login_request(current, next), std::move(said));
  }
  rig r;
  std::unique_ptr<initiator> last;
};

TEST_F(login_rig, every_way_through_the_stages_ends_in_full_feature_phase) {
  EXPECT_EQ(status_of(ask(0, 3, names())), 0);
  EXPECT_EQ(status_of(ask(1, 3, names())), 0);
  auto i = r.connect();
  EXPECT_EQ(status_of(r.run(i->login_step(i->login_request(0, 1, false), names()))), 0);
  EXPECT_EQ(status_of(r.run(i->login_step(i->login_request(0, 1), text({"AuthMethod=CHAP,None"})))), 0);
  EXPECT_EQ(status_of(r.run(i->login_step(i->login_request(1, 3, false), text({"ImmediateData=Yes"})))), 0);
  const pdu end = r.run(i->login_step(i->login_request(1, 3), ""));
  EXPECT_EQ(status_of(end), 0);
  EXPECT_NE(end.as<login_response_pdu>().tsih, 0);
}

TEST_F(login_rig, refusals_say_what_is_wrong) {
  EXPECT_EQ(status_of(ask(0, 1, text({"TargetName=" + test_iqn}))), 0x0207);
  EXPECT_EQ(status_of(ask(0, 1, text({"InitiatorName=iqn.2026-01.test:i"}))), 0x0207);
  EXPECT_EQ(status_of(ask(0, 1, text({"InitiatorName=not a name", "TargetName=" + test_iqn}))), 0x0200);
  EXPECT_EQ(status_of(ask(0, 1, names() + text({"AuthMethod=CHAP"}))), 0x0201);
  EXPECT_EQ(status_of(ask(0, 1, names() + text({"AuthMethod=None", "AuthMethod=None"}))), 0x0200);
  EXPECT_EQ(status_of(ask(0, 1, names() + text({"MaxBurstLength=1024"}))), 0x0200);  // in the wrong stage
  EXPECT_EQ(status_of(ask(0, 1, names() + text({"TargetPortalGroupTag=1"}))), 0x0200);
  auto request = initiator(nullptr).login_request(0, 1);
  request.version_min = 1;
  EXPECT_EQ(status_of(ask(request, names())), 0x0205);
  request = initiator(nullptr).login_request(0, 1);
  request.tsih = 7;
  EXPECT_EQ(status_of(ask(request, names())), 0x0208);
  request = initiator(nullptr).login_request(0, 1);
  request.flags |= 0x40;  // C and T
  EXPECT_EQ(status_of(ask(request, names())), 0x0200);
  for (const int flags : {0x82, 0x80, 0x86, 0x85, 0x8f, 0x0c}) {  // stages that do not exist, or go back
    request.flags = static_cast<std::uint8_t>(flags);
    EXPECT_EQ(status_of(ask(request, names())), 0x0200) << flags;
  }
}

TEST_F(login_rig, a_target_without_a_lun_for_this_initiator_looks_like_no_target) {
  ASSERT_TRUE(r.run(r.target.set_access(0, {false, {"iqn.2026-01.test:other"}})));
  const pdu masked = ask(0, 1, names());
  const pdu unknown = ask(0, 1, text({"InitiatorName=iqn.2026-01.test:initiator", "TargetName=iqn.2026-01.test:none"}));
  EXPECT_EQ(status_of(masked), 0x0203);
  EXPECT_EQ(std::memcmp(&masked.header, &unknown.header, sizeof masked.header), 0);
  EXPECT_EQ(masked.data, unknown.data);
}

TEST_F(login_rig, unknown_keys_are_bounded_in_number_and_in_answer) {  // CVE-2013-2850, CVE-2026-63887
  std::string many;
  for (int i = 0; i < 60; ++i) many += text({std::string(60, 'k') + std::to_string(i) + "=v"});
  const pdu answered = ask(0, 1, names() + many);
  EXPECT_EQ(status_of(answered), 0);
  EXPECT_LE(answered.data.size(), 8192u);
  std::string flood;
  for (int i = 0; i < 1900; ++i) flood += text({"a=b"});
  EXPECT_EQ(status_of(ask(0, 1, names() + flood)), 0x0200);
  EXPECT_EQ(status_of(ask(0, 1, names() + text({std::string(64, 'k') + "=v"}))), 0x0200);
  EXPECT_EQ(status_of(ask(0, 1, names() + text({"X-long=" + std::string(256, 'v')}))), 0x0200);
}

TEST_F(login_rig, eight_kibibytes_without_a_terminator_are_refused) {  // CVE-2026-90011
  EXPECT_EQ(status_of(ask(0, 1, "InitiatorName=" + std::string(8192 - 14, 'x'))), 0x0200);
  EXPECT_EQ(status_of(ask(0, 1, std::string(8192, 'x'))), 0x0200);
  EXPECT_EQ(status_of(ask(0, 1, std::string(8192, '\0'))), 0x0207);
}

TEST_F(login_rig, more_than_eight_kibibytes_end_the_connection_before_they_are_read) {
  EXPECT_TRUE(ask(0, 1, std::string(8193, 'x')).gone);
  auto i = r.connect();
  bhs claims = generic(i->login_request(0, 1));
  claims.data_length = 0xffffff;
  bytes raw(sizeof claims);
  std::memcpy(raw.data(), &claims, sizeof claims);
  r.run(i->send_raw(raw));
  EXPECT_TRUE(r.run(i->receive()).gone);
}

TEST_F(login_rig, a_text_that_continues_may_not_pass_the_limit_either) {
  auto i = r.connect();
  auto request = i->login_request(0, 1, false);
  request.flags = 0x40;
  EXPECT_EQ(status_of(r.run(i->login_step(request, std::string(5000, 'x')))), 0);
  EXPECT_EQ(status_of(r.run(i->login_step(request, std::string(5000, 'x')))), 0x0200);
  // And one that stays below it is read as one.
  auto j = r.connect();
  EXPECT_EQ(status_of(r.run(j->login_step(request, names().substr(0, 20)))), 0);
  EXPECT_EQ(status_of(r.run(j->login_step(j->login_request(0, 1), names().substr(20)))), 0);
}

TEST_F(login_rig, rounds_without_end_are_ended) {
  auto i = r.connect();
  std::uint16_t status = 0;
  int rounds = 0;
  for (; status == 0 && rounds < 1000; ++rounds)
    status = status_of(r.run(i->login_step(i->login_request(0, 1, false), rounds == 0 ? names() : "")));
  EXPECT_EQ(status, 0x0200);
  EXPECT_LE(rounds, 65);
}

TEST_F(login_rig, anything_but_a_login_request_ends_the_connection) {
  for (const int op : {0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x10, 0x20, 0x3f}) {
    auto i = r.connect();
    bhs h;
    h.opcode_byte = static_cast<std::uint8_t>(op);
    r.run(i->send(h));
    EXPECT_TRUE(r.run(i->receive()).gone) << op;
  }
  auto i = r.connect();
  bhs h = generic(i->login_request(0, 1));
  h.ahs_words = 4;
  r.run(i->send(h));
  EXPECT_TRUE(r.run(i->receive()).gone);
}

TEST_F(login_rig, a_login_that_dawdles_is_cut_off_after_fifteen_seconds) {
  auto i = r.connect();
  bytes one(1);
  for (int s = 0; s < 14; ++s) {
    r.run(i->send_raw(one));
    r.ex().advance(1s);
  }
  EXPECT_EQ(r.server->connections(), 1u);
  r.ex().advance(2s);
  EXPECT_EQ(r.server->connections(), 0u);
}

TEST_F(login_rig, a_thousand_half_open_connections_do_not_keep_a_good_login_out) {
  std::vector<std::unique_ptr<initiator>> flood;
  for (int n = 0; n < 1000; ++n) flood.push_back(r.connect("10.0.1." + std::to_string(n % 200) + ":5"));
  r.ex().run_ready();
  EXPECT_LE(r.server->connections(), 520u);
  auto good = r.log_in();
  EXPECT_EQ(r.run(good->read(0, 0, 1)).status, 0);
}

TEST(portal, connections_of_one_address_are_capped) {
  server_limits limits;
  limits.connections_per_address = 3;
  rig r(limits);
  r.add_lun(0);
  std::vector<std::unique_ptr<initiator>> mine;
  login_options o;
  o.target = test_iqn;
  for (int n = 0; n < 3; ++n) {
    o.isid[5] = static_cast<std::uint8_t>(n);
    mine.push_back(r.connect("10.0.0.9:" + std::to_string(n)));
    EXPECT_EQ(r.run(mine.back()->login(o)), 0);
  }
  auto fourth = r.connect("10.0.0.9:77");
  EXPECT_EQ(r.run(fourth->login(o)), 0xffff);
  auto other = r.connect("10.0.0.8:1");
  o.initiator = "iqn.2026-01.test:other";
  EXPECT_EQ(r.run(other->login(o)), 0);
}

TEST_F(login_rig, data_right_behind_the_last_login_request_waits_for_the_end_of_the_login) {  // CVE-2022-50350
  auto i = r.connect();
  i->agreed.target = test_iqn;
  const std::string said = names();
  const auto* raw = reinterpret_cast<const std::byte*>(said.data());
  r.run(i->send(generic(i->login_request(0, 3)), bytes(raw, raw + said.size())));
  const auto command = i->command(0, {0x12, 0, 0, 0, 96, 0}, 0, 96);
  r.run(i->send(generic(command)));
  EXPECT_EQ(r.run(i->receive()).op(), opcode::login_response);
  const pdu answer = r.run(i->receive());
  EXPECT_EQ(answer.op(), opcode::data_in);
  EXPECT_EQ(answer.data.size(), 96u);
}

TEST_F(login_rig, discovery_shows_only_what_the_initiator_may_use) {
  target other({"iqn.2026-01.test:secret", ""});
  ASSERT_TRUE(r.server->add(other));
  rig::device d(r.ex(), r.random, 64);
  ASSERT_TRUE(other.publish(rig::description(0, d.drive), {false, {"iqn.2026-01.test:friend"}}));
  auto targets = [&](const std::string& who, const std::string& which) {
    auto i = r.connect();
    login_options o;
    o.initiator = who;
    EXPECT_EQ(r.run(i->login(o)), 0);
    text_request_pdu t;
    t.flags = 0x80;
    t.task_tag = 5u;
    t.transfer_tag = no_tag;
    t.cmd_sn = i->cmd_sn;
    const std::string said = text({"SendTargets=" + which});
    const auto* raw = reinterpret_cast<const std::byte*>(said.data());
    r.run(i->send(generic(t), bytes(raw, raw + said.size())));
    const pdu p = r.run(i->receive(opcode::text_response));
    return std::string(reinterpret_cast<const char*>(p.data.data()), p.data.size());
  };
  EXPECT_EQ(targets("iqn.2026-01.test:initiator", "All"),
            text({"TargetName=" + test_iqn, "TargetAddress=10.0.0.1:3260,1"}));
  EXPECT_NE(targets("iqn.2026-01.TEST:Friend", "All").find("secret"), std::string::npos);
  EXPECT_EQ(targets("iqn.2026-01.test:initiator", "iqn.2026-01.test:secret"),
            targets("iqn.2026-01.test:initiator", "iqn.2026-01.test:nothing"));
  r.run(r.server->remove(other));
}

TEST_F(login_rig, a_required_digest_is_not_negotiated_away) {
  login_policy policy;
  policy.digests = digest_policy::required;
  login l(policy, [](const parameters&) { return login_facts{}; });
  const std::string said = names() + text({"HeaderDigest=None", "DataDigest=CRC32C,None"});
  const auto reply = l.take(initiator(nullptr).login_request(1, 3), std::as_bytes(std::span(said)));
  EXPECT_EQ(std::uint16_t{reply.header.status}, 0x0201);
  login silent(policy, [](const parameters&) { return login_facts{}; });
  const std::string quiet = names();
  const auto second = silent.take(initiator(nullptr).login_request(1, 3), std::as_bytes(std::span(quiet)));
  EXPECT_NE(std::uint16_t{second.header.status}, 0);
}

TEST(login_machine, whoever_must_authenticate_cannot_skip_the_security_stage) {  // CVE-2005-3327
  for (const int csg : {0, 1}) {
    login l({}, [](const parameters&) { return login_facts{.authenticate = true}; });
    const std::string said = names();
    const auto reply =
        l.take(initiator(nullptr).login_request(static_cast<std::uint8_t>(csg), 3), std::as_bytes(std::span(said)));
    EXPECT_EQ(std::uint16_t{reply.header.status}, 0x0201) << csg;
    EXPECT_EQ(l.state(), login_state::refused);
  }
}

}  // namespace
}  // namespace vds::iscsi::testing
