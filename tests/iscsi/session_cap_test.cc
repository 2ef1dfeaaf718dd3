// How many sessions a target takes, and who keeps a place when there is no more.
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

server_limits at_most(std::size_t sessions) {
  server_limits l;
  l.sessions_per_target = sessions;
  return l;
}

login_options port(std::uint8_t number) {
  login_options o;
  o.target = test_iqn;
  o.isid[5] = number;
  return o;
}

constexpr std::uint16_t out_of_resources = 0x0302;  // 0206h would say: too many connections in this session

TEST(session_cap, a_login_beyond_it_is_refused_and_the_good_sessions_go_on) {
  rig r(at_most(3));
  r.add_lun(0);
  std::vector<std::unique_ptr<initiator>> good;
  for (std::uint8_t n = 0; n < 3; ++n) good.push_back(r.log_in(port(n)));
  for (std::uint8_t n = 3; n < 20; ++n) {
    auto late = r.connect();
    EXPECT_EQ(r.run(late->login(port(n))), out_of_resources);
    EXPECT_TRUE(r.run(late->receive()).gone);
  }
  EXPECT_EQ(r.target.sessions(), 3u);
  for (auto& i : good) EXPECT_EQ(r.run(i->read(0, 0, 1)).status, 0);

  good.pop_back();  // and who leaves makes room for one
  r.ex().run_ready();
  auto next = r.connect(), another = r.connect();
  EXPECT_EQ(r.run(next->login(port(7))), 0);
  EXPECT_EQ(r.run(another->login(port(8))), out_of_resources);
}

TEST(session_cap, a_full_target_does_not_fill_the_others_nor_stop_discovery) {
  rig r(at_most(1));
  r.add_lun(0);
  target other({"iqn.2026-01.test:other", ""});
  rig::device d(r.ex(), r.random, 64);
  ASSERT_TRUE(other.publish(rig::description(0, d.drive), {true, {}}));
  ASSERT_TRUE(r.server->add(other));
  auto first = r.log_in(port(1));
  auto o = port(1);
  o.target = other.iqn();
  auto elsewhere = r.connect(), asking = r.connect(), late = r.connect();
  EXPECT_EQ(r.run(elsewhere->login(o)), 0);
  o.target.clear();
  EXPECT_EQ(r.run(asking->login(o)), 0);
  EXPECT_EQ(r.run(late->login(port(2))), out_of_resources);
  elsewhere.reset();
  r.run(r.server->remove(other));
}

// In every order of what happens at the same time: somebody who waits for a place does not get that of a session which
// is only being reinstated.
TEST(session_cap, who_reinstates_a_session_keeps_its_place) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    rig r(at_most(2), seed);
    auto& d = r.add_lun(0);
    auto a = r.log_in(port(1)), b = r.log_in(port(2));
    d.slow.stall([](stalling_device::request q) { return q == stalling_device::request::write; });
    r.run(a->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{7})));
    r.ex().run_ready();

    auto again = r.connect(), stranger = r.connect();
    std::uint16_t came_back = 0xffff, came_late = 0xffff;
    const auto logs_in = [](initiator& i, std::uint8_t isid, std::uint16_t& status) -> rt::task<void> {
      status = co_await i.login(port(isid));
    };
    rt::start(logs_in(*again, 1, came_back));
    r.ex().run_ready();
    EXPECT_EQ(came_back, 0xffff);  // the old session's write may still land
    d.slow.let_go();
    rt::start(logs_in(*stranger, 3, came_late));
    r.ex().run_ready();
    EXPECT_EQ(came_back, 0);
    EXPECT_EQ(came_late, out_of_resources);
    EXPECT_EQ(r.run(b->read(0, 0, 1)).status, 0);
    EXPECT_EQ(r.target.sessions(), 2u);
  }
}

TEST(session_cap, a_place_that_was_kept_is_free_again_when_its_owner_has_gone) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    rig r(at_most(1), seed);
    auto& d = r.add_lun(0);
    auto a = r.log_in(port(1));
    d.slow.stall([](stalling_device::request q) { return q == stalling_device::request::write; });
    r.run(a->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{7})));
    auto again = r.connect();
    rt::start([](initiator& i) -> rt::task<void> { (void)co_await i.login(port(1)); }(*again));
    r.ex().run_ready();
    again->stream->close();
    d.slow.let_go();
    r.ex().run_ready();
    EXPECT_EQ(r.target.sessions(), 0u);
    auto next = r.connect();
    EXPECT_EQ(r.run(next->login(port(2))), 0);
  }
}

}  // namespace
}  // namespace vds::iscsi::testing
