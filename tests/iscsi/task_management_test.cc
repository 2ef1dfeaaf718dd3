// Aborts, resets, reinstatement and lost connections: whatever was answered, nothing of it lands later.
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

std::byte first_byte(rig::device& d, std::uint64_t block) {
  bytes b(512);
  d.medium.peek(lba{block}, b);
  return b[0];
}

const std::vector<int> ready{0, 0, 0, 0, 0, 0};

// One coroutine of a test beside the others.
template <class T>
struct beside {
  beside(rt::manual_executor& ex, rt::task<T> t) {
    rt::start([](rt::task<T> inner, std::optional<T>& v) -> rt::task<void> { v.emplace(co_await std::move(inner)); }(
                                                             std::move(t), value));
    ex.run_ready();
  }
  std::optional<T> value;
};

struct hung : ::testing::Test {
  hung() : d(r.add_lun(0)) {}
  void hang_writes() {
    d.slow.stall([](stalling_device::request what) { return what == stalling_device::request::write; });
  }
  void let_go() { d.slow.let_go(); }
  rig r;
  rig::device& d;
};

TEST_F(hung, abort_task_is_answered_only_when_the_write_can_no_longer_land) {
  auto i = r.log_in();
  hang_writes();
  const auto tag = r.run(i->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{7})));
  r.ex().run_ready();
  beside<int> answer(r.ex(), i->manage(task_function::abort_task, 0, tag));
  EXPECT_FALSE(answer.value);
  let_go();
  r.ex().run_ready();
  ASSERT_TRUE(answer.value);
  EXPECT_EQ(*answer.value, 0);
  const std::byte then = first_byte(d, 5);
  r.ex().advance(5s);
  EXPECT_EQ(first_byte(d, 5), then);
  EXPECT_EQ(r.run(i->run(0, ready)).status, 0);
}

TEST_F(hung, abort_task_of_a_write_that_waits_for_data_is_answered_and_late_data_goes_nowhere) {
  login_options o;
  o.immediate_data = false;
  o.initial_r2t = true;
  auto i = r.log_in(o);
  const auto c = i->command(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, 512, 0);
  r.run(i->send(generic(c)));
  const auto r2t = r.run(i->receive(opcode::r2t)).as<r2t_pdu>();
  EXPECT_EQ(r.run(i->manage(task_function::abort_task, 0, c.task_tag)), 0);
  data_out_pdu late;
  late.flags = final_bit;
  late.task_tag = r2t.task_tag;
  late.transfer_tag = r2t.transfer_tag;
  r.run(i->send(generic(late), bytes(512, std::byte{9})));
  EXPECT_EQ(r.run(i->run(0, ready)).status, 0);
  EXPECT_EQ(first_byte(d, 5), std::byte{0});
  EXPECT_EQ(r.run(i->manage(task_function::abort_task, 0, c.task_tag)), 1);  // no such task
}

TEST_F(hung, a_reset_by_one_initiator_waits_for_the_writes_of_all) {
  auto a = r.log_in();
  login_options o;
  o.initiator = "iqn.2026-01.test:b";
  auto b = r.log_in(o);
  hang_writes();
  r.run(a->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{7})));
  r.ex().run_ready();
  beside<int> answer(r.ex(), b->manage(task_function::logical_unit_reset, 0));
  EXPECT_FALSE(answer.value);
  let_go();
  r.ex().run_ready();
  ASSERT_TRUE(answer.value);
  EXPECT_EQ(*answer.value, 0);
  EXPECT_EQ(r.run(b->run(0, ready)).code(), 0x2903);
  EXPECT_EQ(r.run(b->run(0, ready)).status, 0);
  EXPECT_EQ(r.run(a->run(0, ready)).code(), 0x2903);  // and it hears why its write was never answered
  EXPECT_EQ(r.run(a->run(0, ready)).status, 0);
}

TEST_F(hung, the_other_functions_answer_what_they_are) {
  auto i = r.log_in();
  EXPECT_EQ(r.run(i->manage(task_function::abort_task_set, 0)), 0);
  EXPECT_EQ(r.run(i->manage(task_function::clear_task_set, 0)), 0);
  EXPECT_EQ(r.run(i->manage(task_function::logical_unit_reset, 3)), 2);
  EXPECT_EQ(r.run(i->manage(task_function::clear_aca, 0)), 5);
  EXPECT_EQ(r.run(i->manage(task_function::task_reassign, 0)), 4);
  EXPECT_EQ(r.run(i->manage(task_function::target_warm_reset, 0)), 0);
  EXPECT_EQ(r.run(i->manage(task_function::target_cold_reset, 0)), 0);
  EXPECT_TRUE(r.run(i->receive()).gone);
}

TEST_F(hung, reinstatement_kills_the_old_session_and_its_write_before_it_answers) {
  auto old = r.log_in();
  hang_writes();
  r.run(old->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{7})));
  r.ex().run_ready();
  auto again = r.connect();
  login_options o;
  o.target = test_iqn;
  beside<std::uint16_t> login(r.ex(), again->login(o));
  EXPECT_FALSE(login.value);  // the write may still land
  EXPECT_TRUE(r.run(old->receive()).gone);
  let_go();
  r.ex().run_ready();
  ASSERT_TRUE(login.value);
  EXPECT_EQ(*login.value, 0);
  const std::byte then = first_byte(d, 5);
  r.run(again->clear_attentions(0));
  EXPECT_EQ(r.run(again->write(0, 5, bytes(512, std::byte{8}), true)).status, 0);
  r.ex().advance(5s);
  EXPECT_EQ(first_byte(d, 5), std::byte{8}) << "and not " << std::to_integer<int>(then);
  EXPECT_EQ(r.target.sessions(), 1u);
}

TEST_F(hung, another_isid_is_another_session) {
  auto a = r.log_in();
  login_options o;
  o.isid[5] = 99;
  auto b = r.log_in(o);
  EXPECT_EQ(r.target.sessions(), 2u);
  EXPECT_EQ(r.run(a->run(0, ready)).status, 0);
  EXPECT_EQ(r.run(b->run(0, ready)).status, 0);
}

TEST_F(hung, unpublish_waits_until_no_command_touches_the_device) {
  auto i = r.log_in();
  hang_writes();
  r.run(i->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{7})));
  r.ex().run_ready();
  beside<status> done(r.ex(), r.target.unpublish(0));
  EXPECT_FALSE(done.value);
  EXPECT_EQ(r.run(i->run(0, ready)).code(), 0x2500);  // gone for everybody at once
  let_go();
  r.ex().run_ready();
  ASSERT_TRUE(done.value);
  const auto requests = d.slow.begun;
  EXPECT_EQ(r.run(i->write(0, 5, bytes(512, std::byte{9}))).code(), 0x2500);
  EXPECT_EQ(d.slow.begun, requests);
}

TEST_F(hung, a_write_that_waits_for_data_when_its_lun_goes_is_answered_and_not_written) {
  login_options o;
  o.immediate_data = false;
  o.initial_r2t = true;
  auto i = r.log_in(o);
  const auto c = i->command(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, 512, 0);
  r.run(i->send(generic(c)));
  EXPECT_EQ(r.run(i->receive()).op(), opcode::r2t);
  EXPECT_TRUE(r.run(r.target.unpublish(0)));
  const pdu answer = r.run(i->receive());
  EXPECT_EQ(answer.op(), opcode::scsi_response);
  EXPECT_EQ(answer.as<scsi_response_pdu>().status, 2);
  EXPECT_EQ(d.slow.begun, 0u);
}

TEST_F(hung, a_target_that_goes_between_two_login_requests_ends_that_login) {
  auto other = std::make_unique<target>(target_options{"iqn.2026-01.test:other", ""});
  rig::device e(r.ex(), r.random, 64);
  ASSERT_TRUE(r.server->add(*other));
  ASSERT_TRUE(other->publish(rig::description(0, e.drive), {true, {}}));
  auto i = r.connect();
  const pdu first = r.run(i->login_step(
      i->login_request(0, 1), text({"InitiatorName=iqn.2026-01.test:initiator", "TargetName=iqn.2026-01.test:other"})));
  EXPECT_EQ(std::uint16_t{first.as<login_response_pdu>().status}, 0);
  r.run(r.server->remove(*other));
  other.reset();
  const pdu second = r.run(i->login_step(i->login_request(1, 3), ""));
  EXPECT_EQ(std::uint16_t{second.as<login_response_pdu>().status}, 0x0301);
}

TEST_F(hung, overlapping_writes_land_in_the_order_in_which_they_came) {
  auto i = r.log_in();
  hang_writes();
  const auto one = r.run(i->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 2, 0}, bytes(1024, std::byte{1})));
  const auto two = r.run(i->begin(0, {0x2a, 8, 0, 0, 0, 6, 0, 0, 2, 0}, bytes(1024, std::byte{2})));
  const auto beside_them = r.run(i->begin(0, {0x2a, 8, 0, 0, 0, 20, 0, 0, 1, 0}, bytes(512, std::byte{3})));
  r.ex().run_ready();
  EXPECT_EQ(d.slow.begun, 2u);  // the second waits for the first, the third for nobody
  let_go();
  for (const auto tag : {one, two, beside_them}) EXPECT_EQ(r.run(i->finish(tag)).status, 0);
  EXPECT_EQ(first_byte(d, 5), std::byte{1});
  EXPECT_EQ(first_byte(d, 6), std::byte{2});
}

TEST_F(hung, an_ordered_command_waits_for_all_before_it_and_holds_up_all_behind_it) {
  auto i = r.log_in();
  hang_writes();
  const auto one = r.run(i->begin(0, {0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, bytes(512, std::byte{1})));
  auto barrier = i->command(0, {0x28, 0, 0, 0, 0, 50, 0, 0, 1, 0}, 0, 512);
  barrier.flags = static_cast<std::uint8_t>((barrier.flags & 0xf8) | 2);
  r.run(i->send(generic(barrier)));
  const auto three = r.run(i->begin(0, {0x28, 0, 0, 0, 0, 60, 0, 0, 1, 0}, {}, 512));
  r.ex().run_ready();
  EXPECT_EQ(d.slow.begun, 1u);
  EXPECT_EQ(r.run(i->manage(task_function::abort_task, 0, barrier.task_tag)), 0);  // nobody waits for the dead
  EXPECT_EQ(r.run(i->finish(three)).status, 0);
  let_go();
  EXPECT_EQ(r.run(i->finish(one)).status, 0);
}

}  // namespace
}  // namespace vds::iscsi::testing
