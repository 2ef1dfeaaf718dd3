// Attacks and accidents of other targets that no other test of this folder has; docs/iscsi.md lists all of them.
#include <gtest/gtest-spi.h>

#include <set>

#include "chap_rig.h"

namespace vds::iscsi::testing {
namespace {

bytes raw_header(const bhs& h) {
  bytes raw(sizeof h);
  std::memcpy(raw.data(), &h, sizeof h);
  return raw;
}

// A new login is served and works.
void expect_served(rig& r, const std::string& name = "iqn.2026-01.test:next") {
  login_options o;
  o.initiator = name;
  auto next = r.log_in(o);
  EXPECT_EQ(r.run(next->read(0, 0, 1)).status, 0);
}

TEST(attack, sixteen_megabytes_announced_by_any_opcode_end_the_connection_before_they_are_read) {  // CVE-2026-53176
  rig r;
  r.add_lun(0);
  for (int op = 0; op < 64; ++op) {
    auto i = r.log_in();
    bhs h;
    h.opcode_byte = static_cast<std::uint8_t>(0x40 | op);
    h.flags = final_bit;
    h.task_tag = 5u;
    h.data_length = 0xffffff;
    r.run(i->send_raw(raw_header(h)));
    EXPECT_TRUE(r.run(i->receive()).gone) << op;
  }
  expect_served(r);
}

TEST(attack, additional_headers_that_lie_are_refused_and_the_session_goes_on) {
  rig r;
  r.add_lun(0);
  auto i = r.log_in();
  // Words of AHS, the length that the first one claims, its type.
  for (const auto& [words, length, type] :
       {std::tuple{1, 0, 1}, {1, 0xffff, 1}, {2, 6, 1}, {2, 4, 2}, {2, 5, 9}, {4, 5, 2}}) {
    auto c = i->command(0, {0, 0, 0, 0, 0, 0}, 0, 0);
    c.ahs_words = static_cast<std::uint8_t>(words);
    bytes raw = raw_header(generic(c));
    raw.resize(raw.size() + static_cast<std::size_t>(words) * 4);
    store(&raw[48], be16(static_cast<std::uint16_t>(length)));
    raw[50] = static_cast<std::byte>(type);
    r.run(i->send_raw(raw));
    EXPECT_EQ(r.run(i->receive(opcode::reject)).as<reject_pdu>().reason, 0x09) << words << ' ' << length << ' ' << type;
  }
  EXPECT_EQ(r.run(i->run(0, {0, 0, 0, 0, 0, 0})).status, 0);
  auto c = i->command(0, {0, 0, 0, 0, 0, 0}, 0, 0);
  c.ahs_words = 255;
  r.run(i->send_raw(raw_header(generic(c))));
  EXPECT_TRUE(r.run(i->receive()).gone);
}

TEST(attack, a_window_full_of_promised_writes_asks_for_no_more_than_there_is_room_for) {  // MS14-028
  rig r;
  r.add_lun(0, {true, {}}, 1 << 20);
  login_options o;
  o.initial_r2t = true;
  auto i = r.log_in(o);
  for (int n = 0; n < 120; ++n)  // 8 MiB each, and nothing ever comes
    r.run(i->send(generic(i->command(0, {0x8a, 0, 0, 0, 0, 0, 0, n, 0, 0, 0, 0, 0x40, 0, 0, 0}, 8 << 20, 0))));
  r.ex().run_ready();
  nop_out ping;
  ping.opcode_byte = 0x40;
  ping.task_tag = 0x7777u;
  ping.transfer_tag = no_tag;
  ping.cmd_sn = i->cmd_sn;
  r.run(i->send(generic(ping)));
  int asked = 0;
  for (pdu p = r.run(i->receive()); p.op() == opcode::r2t; p = r.run(i->receive())) ++asked;
  EXPECT_EQ(asked, 4);  // of the 32 MiB that a connection may hold
  expect_served(r);
  i.reset();
  r.ex().run_ready();
  EXPECT_EQ(r.target.sessions(), 0u);
}

TEST(attack, send_targets_comes_in_pieces_of_what_the_initiator_takes) {  // SPDK #1442, CVE-2023-53676
  rig r;
  r.add_lun(0);
  std::vector<std::unique_ptr<target>> many;
  for (int n = 0; n < 200; ++n) {
    many.push_back(std::make_unique<target>(target_options{"iqn.2026-01.test:number." + std::to_string(n), ""}));
    ASSERT_TRUE(many.back()->publish(rig::description(0, r.devices[0]->slow), {true, {}}));
    ASSERT_TRUE(r.server->add(*many.back()));
  }
  auto i = r.connect();
  login_options o;
  o.max_recv = 512;
  ASSERT_EQ(r.run(i->login(o)), 0);
  text_request_pdu t;
  t.opcode_byte = 0x44;
  t.flags = final_bit;
  t.task_tag = 5u;
  t.transfer_tag = no_tag;
  t.cmd_sn = i->cmd_sn;
  r.run(i->send(generic(t), bytes_of(text({"SendTargets=All"}))));
  std::string all;
  for (;;) {
    const pdu p = r.run(i->receive(opcode::text_response));
    ASSERT_FALSE(p.gone);
    EXPECT_LE(p.data.size(), 512u);
    all.append(reinterpret_cast<const char*>(p.data.data()), p.data.size());
    if (p.header.final()) break;
    t.transfer_tag = p.as<text_response_pdu>().transfer_tag;
    r.run(i->send(generic(t)));
  }
  std::set<std::string> names;
  for (std::size_t at = 0; (at = all.find("TargetName=", at)) != std::string::npos; ++at)
    names.insert(all.substr(at, all.find('\0', at) - at));
  EXPECT_EQ(names.size(), 201u);
  for (auto& one : many) r.run(r.server->remove(*one));
  for (auto& one : many) ASSERT_TRUE(r.run(one->unpublish(0)));
}

TEST(attack, the_targets_own_chap_name_proves_nothing) {  // UNH-IOL: CHAP_N reflected
  rig r;
  r.add_lun(0);
  target_secrets s;
  s.everybody = secret("a secret of ours");
  ASSERT_TRUE(r.target.set_secrets(std::move(s)));
  chap_client c;
  c.name = test_iqn;
  auto i = r.connect();
  EXPECT_EQ(r.run(c.run(*i)).status, 0x0201);
  auto j = r.connect();
  EXPECT_EQ(r.run(chap_client().run(*j)).status, 0);
}

// The initiator of these tests is held to the same: what a target says about lengths and tags is not believed.
TEST(test_initiator, believes_no_length_and_no_tag) {  // CVE-2026-74556, -74557, -99153, -99154
  rt::manual_executor ex;
  const auto hears = [&ex](bhs h, std::size_t there, std::uint16_t sense_length) {
    auto ends = io::memory_stream::make_pair(ex);
    initiator i(std::move(ends.first));
    i.agreed.max_recv = 8192;
    const std::uint32_t tag = ex.run(i.begin(0, {0, 0, 0, 0, 0, 0}));
    if (h.task_tag == 1u) h.task_tag = tag;
    bytes all = raw_header(h);
    all.resize(all.size() + there);
    if (h.data_length >= 2) store(&all[48], be16(sense_length));
    const io::const_buffer list[] = {all};
    EXPECT_TRUE(ex.run(ends.second->write_all(list)));
    ends.second->close();
    return ex.run(i.finish(tag));
  };
  scsi_response_pdu r;
  r.status = 2;
  r.task_tag = 1u;
  for (const std::uint32_t there : {0u, 1u, 2u, 3u, 15u, 16u, 20u})  // sense data that is shorter than it says
    for (const int says : {0, 2, 18, 65535}) {
      r.data_length = there;
      const outcome o = hears(generic(r), padded(there), static_cast<std::uint16_t>(says));
      EXPECT_EQ(o.status, 2);
      EXPECT_EQ(o.sense.size(), there < 3 ? 0 : there - 2);
      (void)o.key(), (void)o.code();
    }
  static decltype(hears)* play;  // what is expected to fail takes no locals
  static bhs lie;
  play = &hears;
  r.data_length = 8193;
  lie = generic(r);
  EXPECT_NONFATAL_FAILURE((*play)(lie, 16, 0), "");
  r.data_length = 0;
  r.task_tag = 0xfffffffeu;
  lie = generic(r);
  EXPECT_NONFATAL_FAILURE((*play)(lie, 0, 0), "aborted or never sent");
  reject_pdu refused;
  lie = generic(refused);
  EXPECT_NONFATAL_FAILURE((*play)(lie, 0, 0), "unexpected PDU");
  data_in_pdu d;
  d.task_tag = 1u;
  d.buffer_offset = 0xfffffff0u;
  d.data_length = 16;
  lie = generic(d);
  EXPECT_NONFATAL_FAILURE((*play)(lie, 16, 0), "");
}

}  // namespace
}  // namespace vds::iscsi::testing
