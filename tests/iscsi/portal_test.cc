// Portals, portal groups, and units that several targets show.
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

const guid first{{1}}, second{{2}};

struct portals : ::testing::Test {
  portals() {
    unit = make_unit(rig::description(0, d.drive), test_iqn).value();
    EXPECT_TRUE(t.attach(unit, {true, {}}));
    std::vector<portal> list;
    for (const auto& [id, at] : {std::pair{first, "10.0.0.1:3260"}, {second, "10.0.1.1:3260"}}) {
      auto l = std::make_unique<io::memory_listener>(ex, at);
      listeners[id] = l.get();
      list.push_back({ex, std::move(l), id});
    }
    server = std::make_unique<portal_server>(std::move(list));
    EXPECT_TRUE(server->add(t));
    t.set_groups({{1, {first}}, {2, {second}}});
    server->start();
  }
  ~portals() override {
    ex.run(server->stop());
    ex.run(close_unit(unit));
  }
  std::unique_ptr<initiator> connect(const guid& at) {
    return std::make_unique<initiator>(listeners.at(at)->connect("10.0.0.2:1000", 1 << 20));
  }
  std::uint16_t log_in(initiator& i, const std::string& target = test_iqn) {
    login_options o;
    o.target = target;
    return ex.run(i.login(o));
  }
  std::string discover(const guid& at) {
    auto i = connect(at);
    EXPECT_EQ(log_in(*i, ""), 0);
    text_request_pdu ask;
    ask.flags = 0x80;
    ask.task_tag = 5u;
    ask.transfer_tag = no_tag;
    ask.cmd_sn = i->cmd_sn;
    const std::string said = text({"SendTargets=All"});
    const auto* raw = reinterpret_cast<const std::byte*>(said.data());
    ex.run(i->send(generic(ask), bytes(raw, raw + said.size())));
    const pdu p = ex.run(i->receive(opcode::text_response));
    return std::string(reinterpret_cast<const char*>(p.data.data()), p.data.size());
  }
  rt::manual_executor ex;
  seeded_random random{1};
  rig::device d{ex, random, 64};
  target t{{test_iqn, ""}};
  std::shared_ptr<lun> unit;
  std::map<guid, io::memory_listener*> listeners;
  std::unique_ptr<portal_server> server;
};

TEST_F(portals, login_tells_the_group_of_the_portal_that_was_taken) {
  for (const auto& [at, tag] : {std::pair{first, "1"}, {second, "2"}}) {
    auto i = connect(at);
    const pdu p = ex.run(i->login_step(i->login_request(0, 1, false),
                                       text({"InitiatorName=iqn.2026-01.test:i", "TargetName=" + test_iqn})));
    EXPECT_EQ(value_of(p, "TargetPortalGroupTag"), tag);
  }
}

TEST_F(portals, one_initiator_port_has_a_session_in_each_group_and_one_only) {
  auto a = connect(first), b = connect(second);
  EXPECT_EQ(log_in(*a), 0);
  EXPECT_EQ(log_in(*b), 0);
  EXPECT_EQ(t.sessions(), 2u);
  auto c = connect(second);
  EXPECT_EQ(log_in(*c), 0);  // reinstates b
  EXPECT_EQ(t.sessions(), 2u);
  EXPECT_TRUE(ex.run(b->receive()).gone);
  EXPECT_EQ(ex.run(a->run(0, {0x12, 0, 0, 0, 96, 0}, {}, 96)).status, 0);
}

TEST_F(portals, a_target_is_there_only_through_the_portals_of_its_groups) {
  t.set_groups({{7, {second}}});
  auto a = connect(first), b = connect(second);
  EXPECT_EQ(log_in(*a), 0x0203);
  EXPECT_EQ(log_in(*b), 0);
  EXPECT_EQ(discover(first), "");
  EXPECT_EQ(discover(second), text({"TargetName=" + test_iqn, "TargetAddress=10.0.1.1:3260,7"}));
  t.set_groups({});
  EXPECT_EQ(discover(second), "");
}

TEST_F(portals, discovery_shows_every_portal_of_the_target_the_one_that_was_taken_first) {
  EXPECT_EQ(discover(second),
            text({"TargetName=" + test_iqn, "TargetAddress=10.0.1.1:3260,2", "TargetAddress=10.0.0.1:3260,1"}));
}

TEST_F(portals, a_loopback_address_is_told_only_to_those_who_came_by_one) {
  const guid inside{{3}};
  auto l = std::make_unique<io::memory_listener>(ex, "127.0.0.1:3260");
  listeners[inside] = l.get();
  std::vector<portal> more;
  more.push_back({ex, std::move(l), inside});
  server->add_portal(std::move(more));
  t.set_groups({{1, {first, inside}}, {2, {second}}});
  ex.run_ready();
  EXPECT_EQ(discover(first).find("127."), std::string::npos);
  EXPECT_NE(discover(inside).find("TargetAddress=127.0.0.1:3260,1"), std::string::npos);
}

TEST_F(portals, taking_a_portal_from_a_group_ends_the_sessions_that_came_by_it) {
  auto a = connect(first), b = connect(second);
  EXPECT_EQ(log_in(*a), 0);
  EXPECT_EQ(log_in(*b), 0);
  t.set_groups({{2, {second}}});
  EXPECT_EQ(ex.run(a->receive()).as<async_message_pdu>().event, 1);  // it is asked to log out, in vain
  ex.advance(4s);
  EXPECT_EQ(t.sessions(), 1u);
  EXPECT_EQ(ex.run(a->receive()).as<async_message_pdu>().event, 2);
  EXPECT_TRUE(ex.run(a->receive()).gone);
  EXPECT_EQ(ex.run(b->run(0, {0x12, 0, 0, 0, 96, 0}, {}, 96)).status, 0);
}

TEST_F(portals, come_and_go_while_initiators_are_at_work) {
  auto a = connect(first);
  EXPECT_EQ(log_in(*a), 0);
  const guid third{{3}};
  auto l = std::make_unique<io::memory_listener>(ex, "127.0.0.1:3260");
  listeners[third] = l.get();
  std::vector<portal> more;
  more.push_back({ex, std::move(l), third});
  server->add_portal(std::move(more));
  t.set_groups({{1, {first, third}}});
  auto c = connect(third);
  EXPECT_EQ(log_in(*c), 0);  // the same group and the same ISID: reinstates
  EXPECT_TRUE(ex.run(a->receive()).gone);
  // The loopback is nobody's business elsewhere.
  EXPECT_EQ(discover(first), text({"TargetName=" + test_iqn, "TargetAddress=10.0.0.1:3260,1"}));
  ex.run(server->remove_portal(third));
  EXPECT_EQ(ex.run(c->receive()).as<async_message_pdu>().event, 1);  // it is asked to log out, in vain
  EXPECT_EQ(ex.run(c->receive()).as<async_message_pdu>().event, 2);
  EXPECT_TRUE(ex.run(c->receive()).gone);
  EXPECT_EQ(server->addresses().size(), 2u);
  auto again = connect(first);
  EXPECT_EQ(log_in(*again), 0);
}

TEST_F(portals, a_unit_is_shown_by_several_targets_and_taken_from_one_of_them) {
  target other({"iqn.2026-01.test:other", ""});
  ASSERT_TRUE(other.attach(unit, {true, {}}));
  ASSERT_TRUE(server->add(other));
  auto a = connect(first), b = connect(first);
  EXPECT_EQ(log_in(*a), 0);
  EXPECT_EQ(log_in(*b, "iqn.2026-01.test:other"), 0);
  ex.run(a->clear_attentions(0));
  ex.run(b->clear_attentions(0));
  EXPECT_EQ(ex.run(a->write(0, 0, pattern(512, 7))).status, 0);
  EXPECT_EQ(ex.run(b->read(0, 0, 1)).data, pattern(512, 7));
  // A reservation through one target holds against the other.
  EXPECT_EQ(ex.run(a->run(0, {0x16, 0, 0, 0, 0, 0})).status, 0);
  EXPECT_EQ(ex.run(b->write(0, 0, pattern(512, 8))).status, 0x18);
  EXPECT_EQ(ex.run(a->run(0, {0x17, 0, 0, 0, 0, 0})).status, 0);
  ASSERT_TRUE(ex.run(other.detach(0)));
  EXPECT_EQ(ex.run(b->read(0, 0, 1)).code(), 0x2500);
  EXPECT_EQ(ex.run(a->read(0, 0, 1)).status, 0);
  ASSERT_TRUE(other.attach(unit, {true, {}}));
  ex.run(b->clear_attentions(0));
  EXPECT_EQ(ex.run(b->read(0, 0, 1)).status, 0);
  b.reset();
  ex.run(server->remove(other));
}

}  // namespace
}  // namespace vds::iscsi::testing
