// Full feature phase: data in all its forms, the window, masks, unit attentions, and what attackers send.
#include "base/checksum.h"
#include "rig.h"

namespace vds::iscsi::testing {
namespace {

bytes on_medium(rig::device& d, std::uint64_t block, std::size_t blocks) {
  bytes b(blocks * 512);
  d.medium.peek(lba{block}, b);
  return b;
}

TEST(session, reads_back_what_was_written_in_every_combination_of_data_keys) {
  rig r;
  r.add_lun(0);
  int seed = 0;
  for (const bool immediate : {false, true})
    for (const bool initial_r2t : {false, true})
      for (const std::uint32_t first : {512u, 4096u, 65536u})
        for (const std::uint32_t burst : {4096u, 70000u, 262144u})
          for (const bool digests : {false, true}) {
            if (first > burst) continue;
            login_options o;
            o.immediate_data = immediate;
            o.initial_r2t = initial_r2t;
            o.first_burst = first;
            o.max_burst = burst;
            o.header_digest = o.data_digest = digests;
            o.max_recv = burst == 70000 ? 1000 : 65536;
            auto i = r.log_in(o);
            for (const std::size_t blocks : {1u, 9u, 300u}) {
              const bytes data = pattern(blocks * 512, ++seed);
              EXPECT_EQ(r.run(i->write(0, 5, data)).status, 0);
              const outcome back = r.run(i->read(0, 5, static_cast<std::uint32_t>(blocks)));
              EXPECT_EQ(back.status, 0);
              EXPECT_EQ(back.data, data);
              EXPECT_EQ(back.residual_flags, 0);
            }
          }
}

TEST(session, first_burst_is_never_more_than_max_burst) {
  rig r;
  r.add_lun(0);
  login_options o;
  o.first_burst = 262144;
  o.max_burst = 4096;
  auto i = r.log_in(o);
  EXPECT_EQ(i->agreed.first_burst, 4096u);
}

TEST(session, a_stream_that_gives_one_byte_at_a_time_is_read_right) {
  rig r;
  r.add_lun(0);
  auto both = io::memory_stream::make_pair(r.ex());
  auto i = r.log_in();
  static_cast<io::memory_stream&>(*i->stream).max_read = 1;
  const bytes data = pattern(4096, 3);
  EXPECT_EQ(r.run(i->write(0, 0, data)).status, 0);
  EXPECT_EQ(r.run(i->read(0, 0, 8)).data, data);
}

TEST(session, fua_and_synchronize_cache_answer_when_the_medium_has_it) {
  rig r;
  auto& d = r.add_lun(0);
  auto i = r.log_in();
  EXPECT_EQ(r.run(i->write(0, 1, pattern(512, 1))).status, 0);
  EXPECT_EQ(d.drive.unflushed(), 1u);
  EXPECT_EQ(r.run(i->write(0, 2, pattern(512, 2), true)).status, 0);
  EXPECT_EQ(on_medium(d, 2, 1), pattern(512, 2));
  EXPECT_EQ(r.run(i->run(0, {0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0})).status, 0);
  EXPECT_EQ(d.drive.unflushed(), 0u);
  EXPECT_EQ(on_medium(d, 1, 1), pattern(512, 1));
  // With the write cache turned off every write is durable when it is answered.
  bytes off(4 + 20);
  off[4] = std::byte{0x08};
  off[5] = std::byte{18};
  EXPECT_EQ(r.run(i->run(0, {0x15, 0x10, 0, 0, 24, 0}, off)).status, 0);
  EXPECT_EQ(r.run(i->write(0, 3, pattern(512, 3))).status, 0);
  EXPECT_EQ(on_medium(d, 3, 1), pattern(512, 3));
}

TEST(session, a_failed_flush_is_no_success) {
  rig r;
  auto& d = r.add_lun(0);
  auto i = r.log_in();
  d.drive.set_rule([](const io::faulty_device::call& c) {
    return c.what == io::faulty_device::request::flush ? io::fault::fail : io::fault::none;
  });
  const outcome o = r.run(i->run(0, {0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(o.status, 2);
  EXPECT_EQ(o.key(), 3);
}

TEST(session, commands_outside_the_window_are_ignored) {
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  auto high = i->command(0, {0, 0, 0, 0, 0, 0}, 0, 0);
  high.cmd_sn = i->max_cmd_sn + 1;
  auto low = i->command(0, {0, 0, 0, 0, 0, 0}, 0, 0);
  low.cmd_sn = 0u;
  i->cmd_sn -= 2;
  r.run(i->send(generic(high)));
  r.run(i->send(generic(low)));
  const outcome o = r.run(i->run(0, {0, 0, 0, 0, 0, 0}));  // the next thing that is answered
  EXPECT_EQ(o.status, 0);
}

TEST(session, a_tag_in_use_and_data_that_was_not_agreed_on_are_rejected) {
  rig r;
  auto& d = r.add_lun(0);
  login_options o;
  o.initial_r2t = true;
  o.immediate_data = true;
  o.first_burst = 1024;
  auto i = r.log_in(o);
  d.slow.stall([](auto) { return true; });
  const std::uint32_t tag = r.run(i->begin(0, {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, {}, 512));
  auto twice = i->command(0, {0, 0, 0, 0, 0, 0}, 0, 0);
  twice.task_tag = tag;
  r.run(i->send(generic(twice)));
  EXPECT_EQ(r.run(i->receive(opcode::reject)).as<reject_pdu>().reason, 0x07);
  auto too_much = i->command(0, {0x2a, 0, 0, 0, 0, 0, 0, 0, 4, 0}, 2048, 0);
  r.run(i->send(generic(too_much), bytes(2048)));
  EXPECT_EQ(r.run(i->receive(opcode::reject)).as<reject_pdu>().reason, 0x09);
  auto unsolicited = i->command(0, {0x2a, 0, 0, 0, 0, 0, 0, 0, 4, 0}, 2048, 0);
  unsolicited.flags &= 0x7f;  // more to come, although InitialR2T=Yes
  r.run(i->send(generic(unsolicited)));
  EXPECT_EQ(r.run(i->receive(opcode::reject)).as<reject_pdu>().reason, 0x09);
  d.slow.let_go();
  EXPECT_EQ(r.run(i->finish(tag)).status, 0);
}

TEST(session, data_out_of_order_ends_the_command_and_writes_nothing) {
  for (int wrong = 0; wrong < 4; ++wrong) {
    rig r;
    auto& d = r.add_lun(0);
    login_options o;
    o.immediate_data = false;
    o.initial_r2t = true;
    auto i = r.log_in(o);
    auto c = i->command(0, {0x2a, 0, 0, 0, 0, 0, 0, 0, 4, 0}, 2048, 0);
    r.run(i->send(generic(c)));
    const auto r2t = r.run(i->receive(opcode::r2t)).as<r2t_pdu>();
    data_out_pdu out;
    out.flags = final_bit;
    out.task_tag = r2t.task_tag;
    out.transfer_tag = r2t.transfer_tag;
    std::size_t size = 2048;
    if (wrong == 0) out.data_sn = 7u;
    if (wrong == 1) out.buffer_offset = 512u;
    if (wrong == 2) size = 2560;
    if (wrong == 3) out.transfer_tag = r2t.transfer_tag + 1;
    r.run(i->send(generic(out), bytes(size, std::byte{1})));
    const pdu answer = r.run(i->receive(opcode::scsi_response));
    EXPECT_EQ(answer.as<scsi_response_pdu>().status, 2) << wrong;
    EXPECT_EQ(d.drive.unflushed(), 0u);
    EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).status, 0);
  }
}

TEST(session, a_data_segment_above_what_was_declared_ends_the_connection) {
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  bhs h = generic(i->command(0, {0x2a, 0, 0, 0, 0, 0, 0, 0, 4, 0}, 2048, 0));
  h.data_length = 262145;
  bytes raw(48);
  std::memcpy(raw.data(), &h, 48);
  r.run(i->send_raw(raw));
  EXPECT_TRUE(r.run(i->receive()).gone);
}

TEST(session, a_wrong_digest_of_a_header_ends_the_session_and_of_data_the_command) {
  rig r;
  auto& d = r.add_lun(0);
  login_options o;
  o.header_digest = o.data_digest = true;
  auto i = r.log_in(o);
  const auto c = i->command(0, {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512, 0);
  bytes raw(48 + 4 + 512 + 4);
  std::memcpy(raw.data(), &c, 48);
  reinterpret_cast<bhs*>(raw.data())->data_length = 512;
  store(&raw[48], le32(crc32c({raw.data(), 48})));
  r.run(i->send_raw(raw));  // data digest is zero
  EXPECT_EQ(r.run(i->receive(opcode::reject)).as<reject_pdu>().reason, 0x02);
  EXPECT_EQ(r.run(i->receive(opcode::scsi_response)).as<scsi_response_pdu>().status, 2);
  EXPECT_EQ(d.drive.unflushed(), 0u);
  raw[48] ^= std::byte{1};
  r.run(i->send_raw(raw));
  EXPECT_TRUE(r.run(i->receive()).gone);
}

TEST(session, a_text_request_that_continues_without_data_is_answered) {  // SPDK
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  text_request_pdu t;
  t.opcode_byte = 0x44;
  t.flags = 0x40;
  t.task_tag = 77u;
  t.transfer_tag = no_tag;
  t.cmd_sn = i->cmd_sn;
  r.run(i->send(generic(t)));
  const auto go_on = r.run(i->receive(opcode::text_response)).as<text_response_pdu>();
  EXPECT_EQ(go_on.flags, 0);
  t.flags = 0x80;
  t.transfer_tag = go_on.transfer_tag;
  r.run(i->send(generic(t)));
  EXPECT_EQ(r.run(i->receive(opcode::text_response)).as<text_response_pdu>().flags, 0x80);
}

TEST(session, unknown_opcodes_and_snacks_are_rejected) {
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  for (const int op : {0x10, 0x1c, 0x1e, 0x20, 0x3f}) {
    bhs h;
    h.opcode_byte = static_cast<std::uint8_t>(0x40 | op);
    r.run(i->send(h));
    const pdu p = r.run(i->receive(opcode::reject));
    EXPECT_EQ(p.data.size(), 48u);
  }
  EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).status, 0);
}

TEST(session, pings_are_echoed_and_silence_ends_the_connection) {
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  nop_out ping;
  ping.opcode_byte = 0x40;
  ping.task_tag = 9u;
  ping.transfer_tag = no_tag;
  ping.cmd_sn = i->cmd_sn;
  r.run(i->send(generic(ping), pattern(100, 1)));
  const pdu pong = r.run(i->receive());
  EXPECT_EQ(pong.op(), opcode::nop_in);
  EXPECT_EQ(pong.data, pattern(100, 1));
  r.ex().advance(30s);
  EXPECT_EQ(r.server->connections(), 1u);
  EXPECT_EQ(r.run(i->receive()).op(), opcode::nop_in);  // not answered
  r.ex().advance(60s);
  EXPECT_EQ(r.server->connections(), 0u);
}

TEST(session, a_peer_that_does_not_read_is_bounded_and_dropped) {
  rig r;
  r.add_lun(0);
  login_options o;
  o.target = test_iqn;
  auto i = std::make_unique<initiator>(r.listener->connect("10.0.0.3:1", 4096));
  ASSERT_EQ(r.run(i->login(o)), 0);
  r.run(i->clear_attentions(0));
  nop_out ping;
  ping.opcode_byte = 0x40;
  ping.transfer_tag = no_tag;
  ping.cmd_sn = i->cmd_sn;
  std::size_t sent = 0;
  bool stuck = false;
  rt::start([](initiator& who, nop_out p, std::size_t& count, bool& waits) -> rt::task<void> {
    for (; count < 100000; ++count) {
      p.task_tag = static_cast<std::uint32_t>(count);
      waits = true;
      if (!co_await who.send(generic(p), bytes(4096))) break;
      waits = false;
    }
  }(*i, ping, sent, stuck));
  r.ex().run_ready();
  EXPECT_TRUE(stuck);
  EXPECT_LT(sent, 1000u);  // a megabyte of answers, and then nothing more is taken in
  r.ex().advance(120s);
  EXPECT_EQ(r.server->connections(), 0u);
}

TEST(masks, a_masked_lun_does_not_exist_for_any_command) {
  rig r;
  r.add_lun(0);
  r.add_lun(1, {false, {"iqn.2026-01.test:friend"}});
  auto i = r.log_in();
  const outcome luns = r.run(i->run(0, {0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, {}, 256));
  EXPECT_EQ(luns.data.size(), 16u);
  const outcome hidden = r.run(i->run(1, {0x12, 0, 0, 0, 96, 0}, {}, 96));
  const outcome absent = r.run(i->run(2, {0x12, 0, 0, 0, 96, 0}, {}, 96));
  EXPECT_EQ(hidden.data, absent.data);
  EXPECT_EQ(std::to_integer<int>(hidden.data[0]), 0x7f);
  for (int op = 0; op < 256; ++op) {
    if (op == 0x12 || op == 0xa0) continue;
    const outcome a = r.run(i->run(1, {op, 0, 0, 0, 0, 0, 0, 0, 1, 0})),
                  b = r.run(i->run(2, {op, 0, 0, 0, 0, 0, 0, 0, 1, 0}));
    EXPECT_EQ(a.status, b.status) << op;
    EXPECT_EQ(a.sense, b.sense) << op;
    if (op != 3) {
      EXPECT_EQ(a.code(), 0x2500) << op;
    }
  }
  EXPECT_EQ(r.run(i->manage(task_function::logical_unit_reset, 1)), 2);
  // Unmasked at run time: one unit attention, and there it is.
  ASSERT_TRUE(r.run(r.target.set_access(1, {true, {}})));
  EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).code(), 0x3f0e);
  EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).status, 0);
  r.run(i->clear_attentions(1));
  EXPECT_EQ(r.run(i->read(1, 0, 1)).status, 0);
  // And masked again.
  ASSERT_TRUE(r.run(r.target.set_access(1, {false, {}})));
  EXPECT_EQ(r.run(i->read(1, 0, 1)).code(), 0x2500);
}

TEST(masks, ten_thousand_luns_are_listed_and_found) {
  rig r;
  r.devices.push_back(std::make_unique<rig::device>(r.ex(), r.random, 64));
  for (int n = 0; n < 10000; ++n) {
    auto d = rig::description(static_cast<std::uint16_t>(n), r.devices[0]->drive);
    ASSERT_TRUE(r.target.publish(std::move(d), {true, {}}));
  }
  auto i = r.log_in();
  const outcome luns = r.run(i->run(0, {0xa0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0}, {}, 262144));
  ASSERT_EQ(luns.data.size(), 80008u);
  EXPECT_EQ(std::uint16_t{load<be16>(&luns.data[8 + 8 * 9999])}, 0x4000 | 9999);
  r.run(i->clear_attentions(9999));
  EXPECT_EQ(r.run(i->read(9999, 0, 1)).status, 0);
}

TEST(attentions, each_comes_exactly_once_to_each_nexus) {
  rig r;
  auto& d = r.add_lun(0);
  login_options o;
  o.target = test_iqn;
  auto a = r.connect(), b = r.connect();
  ASSERT_EQ(r.run(a->login(o)), 0);
  o.initiator = "iqn.2026-01.test:b";
  ASSERT_EQ(r.run(b->login(o)), 0);
  const std::vector<int> ready{0, 0, 0, 0, 0, 0};
  for (auto* i : {a.get(), b.get()}) {
    EXPECT_EQ(r.run(i->run(0, {0x12, 0, 0, 0, 96, 0}, {}, 96)).status, 0);  // INQUIRY does not take it
    EXPECT_EQ(r.run(i->run(0, ready)).code(), 0x2900);
    EXPECT_EQ(r.run(i->run(0, ready)).status, 0);
  }
  d.medium.resize(block_count{32768});
  ASSERT_TRUE(r.target.resized(0));
  ASSERT_TRUE(r.target.resized(0));
  for (auto* i : {a.get(), b.get()}) {
    EXPECT_EQ(r.run(i->run(0, ready)).code(), 0x2a09);
    EXPECT_EQ(r.run(i->run(0, ready)).status, 0);
  }
  const outcome capacity = r.run(a->run(0, {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, {}, 32));
  EXPECT_EQ(std::uint64_t{load<be64>(capacity.data.data())}, 32767u);
  bytes select(4 + 12);  // D_SENSE on: the other nexus hears of it
  select[4] = std::byte{0x0a};
  select[5] = std::byte{10};
  select[6] = std::byte{0x04};
  select[7] = std::byte{0x10};
  store(&select[12], be16(0xffff));
  EXPECT_EQ(r.run(a->run(0, {0x15, 0x10, 0, 0, 16, 0}, select)).status, 0);
  EXPECT_EQ(r.run(a->run(0, ready)).status, 0);
  const outcome changed = r.run(b->run(0, ready));
  ASSERT_GE(changed.sense.size(), 8u);
  EXPECT_EQ(std::to_integer<int>(changed.sense[0]), 0x72);
  EXPECT_EQ(std::uint16_t{load<be16>(&changed.sense[2])}, 0x2a01);
}

TEST(attentions, a_published_and_an_unpublished_lun_are_told_of) {
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  r.add_lun(7);
  EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).code(), 0x3f0e);
  EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).status, 0);
  ASSERT_TRUE(r.run(r.target.unpublish(7)));
  EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).code(), 0x3f0e);
  EXPECT_EQ(r.run(i->run(7, {0, 0, 0, 0, 0, 0})).code(), 0x2500);
}

TEST(responses, no_answer_holds_a_byte_that_nobody_put_there) {  // CVE-2024-8178
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  // Fill the pooled buffers with something, then ask for all that has reserved fields.
  EXPECT_EQ(r.run(i->write(0, 0, bytes(65536, std::byte{0xee}))).status, 0);
  for (const auto& cdb : std::vector<std::vector<int>>{{0x12, 0, 0, 1, 0, 0},
                                                       {0x12, 1, 0xb0, 1, 0, 0},
                                                       {0x12, 1, 0xb1, 1, 0, 0},
                                                       {0x12, 1, 0xb2, 1, 0, 0},
                                                       {0x12, 1, 0x86, 1, 0, 0},
                                                       {0x1a, 0, 0x3f, 0, 255, 0},
                                                       {0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0, 0},
                                                       {0x03, 0, 0, 0, 252, 0}}) {
    const outcome o = r.run(i->run(0, cdb, {}, 4096));
    EXPECT_EQ(o.status, 0);
    EXPECT_EQ(std::count(o.data.begin(), o.data.end(), std::byte{0xee}), 0);
    EXPECT_LE(o.data.size(), 256u);
  }
}

TEST(logout, is_answered_after_what_came_before_it) {
  rig r;
  auto& d = r.add_lun(0);
  auto i = r.log_in();
  d.slow.stall([](auto) { return true; });
  const std::uint32_t tag = r.run(i->begin(0, {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, {}, 512));
  logout_request_pdu out;
  out.opcode_byte = 0x46;
  out.task_tag = 99u;
  out.cmd_sn = i->cmd_sn;
  r.run(i->send(generic(out)));
  r.ex().run_ready();
  d.slow.let_go();
  EXPECT_EQ(r.run(i->finish(tag)).status, 0);
  EXPECT_EQ(r.run(i->receive()).op(), opcode::logout_response);
  i->stream->close();
  r.ex().run_ready();
  EXPECT_EQ(r.server->connections(), 0u);
  EXPECT_EQ(r.target.sessions(), 0u);
}

}  // namespace
}  // namespace vds::iscsi::testing
