// Sessions that are asked to log out (RFC 7143 11.9): those who do, those who do not, and those who cannot be asked.
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

constexpr std::uint8_t logout_requested = 1, connection_dropped = 2;
const std::vector<int> inquiry{0x12, 0, 0, 0, 96, 0};

// What the administrator does, beside the initiators.
struct beside {
  beside(rt::manual_executor& ex, rt::task<void> t) {
    rt::start([](rt::task<void> inner, bool& over) -> rt::task<void> {
      co_await std::move(inner);
      over = true;
    }(std::move(t), done));
    ex.run_ready();
  }
  bool done = false;
};

struct leaving : ::testing::Test {
  leaving() : d(r.add_lun(0)) {}
  async_message_pdu hears(initiator& i) {
    const pdu p = r.run(i.receive());
    EXPECT_FALSE(p.gone);
    EXPECT_EQ(p.op(), opcode::async_message);
    EXPECT_TRUE(p.data.empty());
    const auto m = p.as<async_message_pdu>();
    EXPECT_EQ(m.flags, final_bit);
    EXPECT_EQ(m.task_tag, no_tag);
    EXPECT_EQ(m.lun, lun_field{});
    return m;
  }
  void is_asked(initiator& i) {
    const auto m = hears(i);
    EXPECT_EQ(m.event, logout_requested);
    EXPECT_EQ(m.parameter1, 0);
    EXPECT_EQ(m.parameter2, 0);
    EXPECT_EQ(m.parameter3, 3);  // seconds
  }
  pdu log_out(initiator& i) {
    logout_request_pdu out;
    out.opcode_byte = 0x46;
    out.task_tag = 99u;
    out.cid = 1;
    out.cmd_sn = i.cmd_sn;
    out.exp_stat_sn = i.exp_stat_sn;
    r.run(i.send(generic(out)));
    return r.run(i.receive(opcode::logout_response));
  }
  monotonic::time_point now() { return static_cast<rt::executor&>(r.ex()).now(); }
  static login_options port(std::uint8_t number) {
    login_options o;
    o.target = test_iqn;
    o.isid[5] = number;
    return o;
  }
  rig r;
  rig::device& d;
};

TEST_F(leaving, whoever_is_asked_logs_out_and_its_commands_are_seen_through) {
  auto i = r.log_in();
  d.slow.stall([](stalling_device::request q) { return q == stalling_device::request::write; });
  const auto write = r.run(i->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{7})));
  const auto before = now();
  beside removal(r.ex(), r.server->remove(r.target));
  is_asked(*i);
  // It is served until it goes.
  EXPECT_EQ(r.run(i->run(0, inquiry, {}, 96)).status, 0);
  EXPECT_FALSE(removal.done);
  d.slow.let_go();
  EXPECT_EQ(r.run(i->finish(write)).status, 0);
  EXPECT_EQ(log_out(*i).as<logout_response_pdu>().response, 0);
  i.reset();
  r.ex().run_ready();
  EXPECT_TRUE(removal.done);
  EXPECT_EQ(now(), before);  // nobody waited for the clock
  std::vector<std::byte> there(512);
  const io::buffer place[] = {there};
  ASSERT_TRUE(r.run(d.medium.read(lba{5}, place)));
  EXPECT_EQ(there, bytes(512, std::byte{7}));
}

TEST_F(leaving, whoever_does_not_log_out_in_time_is_told_and_dropped) {
  auto i = r.log_in();
  d.slow.stall([](stalling_device::request q) { return q == stalling_device::request::read; });
  r.run(i->begin(0, {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, {}, 512));
  beside removal(r.ex(), r.server->remove(r.target));
  is_asked(*i);
  r.ex().advance(2900ms);
  EXPECT_EQ(r.run(i->run(0, inquiry, {}, 96)).status, 0);
  r.ex().advance(200ms);
  const auto notice = hears(*i);
  EXPECT_EQ(notice.event, connection_dropped);
  EXPECT_EQ(notice.parameter1, 1);  // the CID it logged in with
  EXPECT_EQ(notice.parameter2, 2);  // Time2Wait
  EXPECT_EQ(notice.parameter3, 0);  // nothing can be reassigned
  d.slow.let_go();                  // the answer comes too late: nothing follows the notice
  EXPECT_TRUE(r.run(i->receive()).gone);
  r.ex().run_ready();
  EXPECT_TRUE(removal.done);
}

TEST_F(leaving, a_peer_that_does_not_read_is_not_waited_for) {
  login_options o = port(1);
  auto i = r.connect("10.0.0.2:1000", 4096);
  ASSERT_EQ(r.run(i->login(o)), 0);
  r.run(i->clear_attentions(0));
  for (int n = 0; n < 4; ++n) r.run(i->begin(0, {0x28, 0, 0, 0, 0, 0, 0, 0, 64, 0}, {}, 32768));
  beside removal(r.ex(), r.server->remove(r.target));
  r.ex().advance(3500ms);
  EXPECT_FALSE(removal.done);
  r.ex().advance(1s);
  EXPECT_TRUE(removal.done);
  EXPECT_EQ(r.target.sessions(), 0u);
}

TEST_F(leaving, a_stop_asks_everybody_at_once_and_only_once) {
  std::vector<portal> more;
  auto l = std::make_unique<io::memory_listener>(r.ex(), "10.0.1.1:3260");
  auto* second = l.get();
  more.push_back({r.ex(), std::move(l), guid{{2}}});
  r.server->add_portal(std::move(more));
  r.ex().run_ready();
  auto a = r.log_in(port(1)), polite = r.log_in(port(2));
  auto b = std::make_unique<initiator>(second->connect("10.0.0.3:1", 1 << 20));
  ASSERT_EQ(r.run(b->login(port(3))), 0);
  beside removal(r.ex(), r.server->remove(r.target));
  beside stop(r.ex(), r.server->stop());
  is_asked(*a);
  is_asked(*b);
  is_asked(*polite);
  EXPECT_EQ(log_out(*polite).as<logout_response_pdu>().response, 0);
  polite->stream->close();
  r.ex().advance(3100ms);  // one after the other would take twice as long
  EXPECT_EQ(hears(*a).event, connection_dropped);
  EXPECT_EQ(hears(*b).event, connection_dropped);
  EXPECT_TRUE(r.run(a->receive()).gone);
  EXPECT_TRUE(r.run(b->receive()).gone);
  r.ex().run_ready();
  EXPECT_TRUE(removal.done);
  EXPECT_TRUE(stop.done);
  EXPECT_EQ(r.server->connections(), 0u);
}

TEST_F(leaving, whoever_has_logged_out_and_stays_connected_is_dropped_in_time) {
  auto i = r.log_in();
  EXPECT_EQ(log_out(*i).as<logout_response_pdu>().response, 0);
  beside removal(r.ex(), r.server->remove(r.target));
  r.ex().advance(3100ms);
  EXPECT_TRUE(removal.done);
  EXPECT_TRUE(r.run(i->receive()).gone);  // and hears of nothing else
}

TEST_F(leaving, whoever_has_no_session_is_dropped_at_once) {
  auto halfway = r.connect(), asking = r.connect(), silent = r.connect();
  r.run(halfway->login_step(halfway->login_request(0, 1, false),
                            text({"InitiatorName=iqn.2026-01.test:i", "TargetName=" + test_iqn})));
  EXPECT_EQ(r.run(asking->login({})), 0);
  const auto before = now();
  r.run(r.server->stop());
  EXPECT_EQ(now(), before);
  for (auto* i : {halfway.get(), asking.get(), silent.get()}) EXPECT_TRUE(r.run(i->receive()).gone);
}

TEST_F(leaving, those_who_came_by_another_portal_are_not_asked) {
  const guid other{{2}};
  std::vector<portal> more;
  auto l = std::make_unique<io::memory_listener>(r.ex(), "10.0.1.1:3260");
  auto* second = l.get();
  more.push_back({r.ex(), std::move(l), other});
  r.server->add_portal(std::move(more));
  r.ex().run_ready();
  auto stays = r.log_in(port(1));
  auto goes = std::make_unique<initiator>(second->connect("10.0.0.3:1", 1 << 20));
  ASSERT_EQ(r.run(goes->login(port(2))), 0);
  EXPECT_EQ(r.run(goes->run(0, inquiry, {}, 96)).status, 0);
  beside removal(r.ex(), r.server->remove_portal(other));
  is_asked(*goes);
  EXPECT_EQ(r.run(stays->run(0, inquiry, {}, 96)).status, 0);
  EXPECT_EQ(log_out(*goes).as<logout_response_pdu>().response, 0);
  goes.reset();
  r.ex().run_ready();
  EXPECT_TRUE(removal.done);
  EXPECT_EQ(r.run(stays->run(0, inquiry, {}, 96)).status, 0);
}

// Whatever the order: a login that is under way while its target goes ends refused, dropped or asked to leave; the
// request never comes before the login's answer nor without the digests that were agreed on (initiator.h checks them).
TEST(leaving_in_any_order, a_login_under_way_is_never_asked_too_early) {
  int asked = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    rig r({}, seed);
    r.add_lun(0);
    auto i = r.connect();
    login_options o;
    o.target = test_iqn;
    o.header_digest = o.data_digest = true;
    bool removed = false;
    rt::start([](initiator& who, login_options how, int& heard) -> rt::task<void> {
      if (co_await who.login(how) != 0) co_return;
      for (;;) {
        const pdu p = co_await who.receive();
        if (p.gone) co_return;
        if (p.op() != opcode::async_message) {
          ADD_FAILURE() << "unexpected PDU " << static_cast<int>(p.op());
          co_return;
        }
        if (p.as<async_message_pdu>().event == logout_requested) ++heard;
      }
    }(*i, o, asked));
    for (std::uint64_t steps = seed % 40; steps != 0 && r.ex().step(); --steps) {
    }
    rt::start([](rig& on, bool& done) -> rt::task<void> {
      co_await on.server->remove(on.target);
      done = true;
    }(r, removed));
    r.ex().advance(4100ms);
    EXPECT_TRUE(removed);
    EXPECT_EQ(r.target.sessions(), 0u);
  }
  EXPECT_GT(asked, 20);  // some were through in time, or the test shows nothing
  EXPECT_LT(asked, 380);
}

}  // namespace
}  // namespace vds::iscsi::testing
