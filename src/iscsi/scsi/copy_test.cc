// EXTENDED COPY and what it must not reach; SANITIZE; what MODE SELECT saves; ALUA.
#include "iscsi/scsi/testing/unit.h"

namespace vds::iscsi {
namespace {

using namespace testing;

struct copying : unit {
  static bytes target(std::uint16_t number) {
    bytes d(32);
    d[0] = std::byte{0xe4};
    d[4] = std::byte{1};
    d[5] = std::byte{3};
    d[7] = std::byte{8};
    const auto naa = naa_of(number);
    std::memcpy(&d[8], naa.data(), naa.size());
    d[30] = std::byte{2};
    return d;
  }
  static bytes segment(int from, int to, int count, int source, int destination) {
    bytes d(28);
    d[0] = std::byte{2};
    d[3] = std::byte{24};
    d[5] = static_cast<std::byte>(from);
    d[7] = static_cast<std::byte>(to);
    store(&d[10], be16(static_cast<std::uint16_t>(count)));
    store(&d[12], be64(static_cast<std::uint64_t>(source)));
    store(&d[20], be64(static_cast<std::uint64_t>(destination)));
    return d;
  }
  static bytes list(const std::vector<bytes>& targets, const std::vector<bytes>& segments, int id = 1) {
    bytes all(16);
    all[0] = static_cast<std::byte>(id);
    store(&all[2], be16(static_cast<std::uint16_t>(32 * targets.size())));
    store(&all[8], be32(static_cast<std::uint32_t>(28 * segments.size())));
    for (const auto& part : targets) all.insert(all.end(), part.begin(), part.end());
    for (const auto& part : segments) all.insert(all.end(), part.begin(), part.end());
    return all;
  }
  const plain& copy(nexus& by, const bytes& l) {
    return run(by,
               {0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<int>(l.size() >> 8),
                static_cast<int>(l.size() & 255), 0, 0},
               l);
  }
  void fill(io::memory_device& of, std::uint64_t at, std::uint64_t count, int value) {
    of.poke(lba{at}, bytes(count * 512, static_cast<std::byte>(value)));
  }
};

TEST_F(copying, blocks_go_from_one_lun_to_another) {
  ready();
  fill(device, 10, 20, 0x41);
  EXPECT_EQ(copy(a, list({target(5), target(6)}, {segment(0, 1, 20, 10, 100)})).status, scsi_status::good);
  EXPECT_EQ(medium(other, 100, 20), bytes(20 * 512, std::byte{0x41}));
  EXPECT_EQ(medium(other, 120, 1), bytes(512));
  const plain& result = run(a, {0x84, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0});
  ASSERT_EQ(result.reply.size(), 12u);
  EXPECT_EQ(std::to_integer<int>(result.reply[4]), 1);
  EXPECT_EQ(std::uint32_t{load<be32>(&result.reply[8])}, 10u);
  EXPECT_EQ(run(a, {0x84, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0}).problem->code, senses::invalid_field_in_cdb);
}

TEST_F(copying, overlapping_copies_are_as_if_all_were_read_first) {
  ready();
  bytes before(3000 * 512);  // more than is copied at a time
  for (std::size_t i = 0; i < before.size(); i += 4) store(&before[i], be32(static_cast<std::uint32_t>(i)));
  for (const int to : {7, 2500, 0}) {
    const int from = to == 0 ? 9 : 0;
    other.poke(lba{static_cast<std::uint64_t>(from)}, before);
    EXPECT_EQ(copy(a, list({target(6)}, {segment(0, 0, 3000, from, to)})).status, scsi_status::good);
    EXPECT_TRUE(medium(other, static_cast<std::uint64_t>(to), 3000) == before) << to;
  }
}

// CVE-2020-28374: EXTENDED COPY named any backstore by its NAA id, masked or not.
TEST_F(copying, a_masked_lun_cannot_be_named_and_looks_like_one_that_is_not_there) {
  ready();
  fill(other, 0, 10, 0x55);
  luns.hidden_from[6] = "iqn.a:a";
  const auto answer = [this](std::uint16_t number, int from, int to) {
    const plain& c = copy(a, list({target(5), target(number)}, {segment(from, to, 10, 0, 0)}));
    EXPECT_EQ(c.status, scsi_status::check_condition);
    return encode(*c.problem, false);
  };
  EXPECT_EQ(answer(6, 1, 0), answer(99, 1, 0));
  EXPECT_EQ(answer(6, 0, 1), answer(99, 0, 1));
  EXPECT_EQ(medium(device, 0, 10), bytes(10 * 512));
  EXPECT_EQ(medium(other, 0, 10), bytes(10 * 512, std::byte{0x55}));
  EXPECT_EQ(copy(b, list({target(5), target(6)}, {segment(1, 0, 10, 0, 0)})).status, scsi_status::good);
}

TEST_F(copying, another_luns_reservation_and_write_protection_hold) {
  ready();
  run(b, {0x16, 0, 0, 0, 0, 0}, {}, luns.all[6]);  // RESERVE(6) by b
  EXPECT_EQ(copy(a, list({target(5), target(6)}, {segment(0, 1, 10, 0, 0)})).problem->key, sense_key::copy_aborted);
  run(b, {0x17, 0, 0, 0, 0, 0}, {}, luns.all[6]);
  EXPECT_EQ(copy(a, list({target(5), target(6)}, {segment(0, 1, 10, 0, 0)})).status, scsi_status::good);
}

TEST_F(copying, an_ordered_copy_does_not_wait_for_itself) {
  ready();
  const bytes l5 = list({target(5)}, {segment(0, 0, 10, 0, 50)});
  plain c;
  begin(c, a, {0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<int>(l5.size()), 0, 0}, l5, *l);
  c.attribute = task_attribute::ordered;
  ex.run(l->run(c));
  EXPECT_EQ(c.status, scsi_status::good);
}

TEST_F(copying, results_are_those_of_the_nexus_that_asked) {
  ready();
  copy(a, list({target(5)}, {segment(0, 0, 1, 0, 50)}, 3));
  EXPECT_EQ(run(b, {0x84, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0}).problem->code, senses::invalid_field_in_cdb);
}

TEST_F(copying, lists_that_lie_are_refused) {
  ready();
  const bytes good = list({target(5)}, {segment(0, 0, 1, 0, 50)});
  for (std::size_t cut = 1; cut < good.size(); ++cut)
    EXPECT_EQ(copy(a, bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut))).problem->code,
              senses::parameter_list_length)
        << cut;
  EXPECT_EQ(copy(a, list({target(5)}, {segment(0, 9, 1, 0, 50)})).problem->key, sense_key::copy_aborted);
  EXPECT_EQ(copy(a, list({target(5)}, {segment(0, 0, 2, 999, 0)})).problem->key, sense_key::copy_aborted);
  EXPECT_EQ(copy(a, list(std::vector<bytes>(9, target(5)), {})).problem->code, senses::too_many_targets);
  EXPECT_EQ(copy(a, list({target(5)}, std::vector<bytes>(17, segment(0, 0, 1, 0, 50)))).problem->code,
            senses::too_many_segments);
  EXPECT_EQ(copy(a, list(std::vector<bytes>(90, target(5)), {})).problem->code, senses::parameter_list_length);
}

TEST_F(unit, sanitize_overwrites_every_block_and_the_lun_is_not_ready_meanwhile) {
  ready();
  bytes order(4 + 2);
  order[0] = std::byte{1};
  order[3] = std::byte{2};
  order[4] = std::byte{0xab};
  order[5] = std::byte{0xcd};
  drive.set_latency(1ms);
  EXPECT_EQ(code(a, {0x48, 0x81, 0, 0, 0, 0, 0, 0, 6, 0}, order), 0);
  EXPECT_EQ(code(a, {0, 0, 0, 0, 0, 0}), senses::sanitizing);
  EXPECT_EQ(code(b, read10(0, 1)), senses::sanitizing);
  EXPECT_EQ(code(b, write10(0, 1), bytes(512)), senses::sanitizing);
  EXPECT_EQ(code(b, {0x12, 0, 0, 0, 96, 0}), 0);
  const auto as_data = run(b, {0x03, 0, 0, 0, 18, 0}).reply;
  EXPECT_EQ(std::to_integer<int>(as_data[12]) << 8 | std::to_integer<int>(as_data[13]), senses::sanitizing);
  ex.advance(5s);
  EXPECT_EQ(code(a, {0, 0, 0, 0, 0, 0}), 0);
  for (const std::uint64_t at : {0, 999}) {
    const bytes now = medium(device, at, 1);
    EXPECT_EQ(now[0], std::byte{0xab}) << at;
    EXPECT_EQ(now[511], std::byte{0xcd}) << at;
  }
}

TEST_F(unit, a_sanitize_goes_on_in_the_next_life) {
  ready();
  bytes order(5);
  order[0] = std::byte{1};
  order[3] = std::byte{1};
  order[4] = std::byte{0x77};
  drive.set_latency(1ms);
  EXPECT_EQ(code(a, {0x48, 0x81, 0, 0, 0, 0, 0, 0, 5, 0}, order), 0);
  const bytes kept = keeps.kept;
  EXPECT_FALSE(kept.empty());
  ex.advance(5s);
  keeps.kept = kept;  // the process ended before it was done
  device.poke(lba{500}, bytes(512));
  restart();
  EXPECT_EQ(code(a, {0, 0, 0, 0, 0, 0}), senses::power_on);
  ex.advance(5s);
  EXPECT_EQ(code(a, {0, 0, 0, 0, 0, 0}), 0);
  EXPECT_EQ(medium(device, 500, 1), bytes(512, std::byte{0x77}));
}

TEST_F(unit, a_sanitize_that_fails_leaves_the_lun_closed_until_it_is_let_off) {
  ready();
  bytes order(5);
  order[0] = std::byte{1};
  order[3] = std::byte{1};
  drive.set_rule([](const auto& call) {
    return call.what == io::faulty_device::request::write ? io::fault::fail : io::fault::none;
  });
  EXPECT_EQ(code(a, {0x48, 0x21, 0, 0, 0, 0, 0, 0, 5, 0}, order), senses::sanitize_failed);
  EXPECT_EQ(code(a, read10(0, 1)), senses::sanitize_failed);
  restart();
  run(a, {0, 0, 0, 0, 0, 0});  // power on
  EXPECT_EQ(code(a, read10(0, 1)), senses::sanitize_failed);
  EXPECT_EQ(code(a, {0x48, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0}), 0);
  EXPECT_EQ(code(a, read10(0, 1)), 0);
}

TEST_F(unit, saved_write_cache_outlives_the_process_and_others_hear_of_the_change) {
  ready();
  bytes list(4 + 20);
  list[4] = std::byte{0x08};
  list[5] = std::byte{18};  // WCE=0
  EXPECT_EQ(code(a, {0x15, 0x11, 0, 0, 24, 0}, list), 0);
  EXPECT_EQ(code(b, {0, 0, 0, 0, 0, 0}), senses::mode_parameters_changed);
  EXPECT_EQ(code(b, {0, 0, 0, 0, 0, 0}), 0);
  EXPECT_EQ(code(a, {0, 0, 0, 0, 0, 0}), 0);
  const auto wce = [this](int control) {
    return std::to_integer<int>(run(a, {0x1a, 8, control << 6 | 8, 0, 255, 0}).reply[4 + 2]) >> 2 & 1;
  };
  EXPECT_EQ(wce(0), 0);
  EXPECT_EQ(wce(2), 1);  // default
  EXPECT_EQ(wce(3), 0);  // saved
  restart();
  ready();
  EXPECT_EQ(wce(0), 0);
  EXPECT_EQ(code(a, write10(0, 1), bytes(512, std::byte{1})), 0);
  EXPECT_EQ(drive.unflushed(), 0u);  // GOOD means durable
  // Changed without being saved: until the LUN is reset.
  list[6] = std::byte{0x04};
  EXPECT_EQ(code(a, {0x15, 0x10, 0, 0, 24, 0}, list), 0);
  EXPECT_EQ(wce(0), 1);
  ex.run(l->reset());
  EXPECT_EQ(code(a, {0, 0, 0, 0, 0, 0}), senses::device_reset);
  EXPECT_EQ(wce(0), 0);
  keeps.refuse = true;
  EXPECT_NE(code(a, {0x15, 0x11, 0, 0, 24, 0}, list), 0);
  EXPECT_EQ(wce(0), 0);
}

TEST_F(unit, port_groups_are_those_of_the_target_and_standby_is_told) {
  ready();
  auto report = [this] { return run(a, {0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}).reply; };
  auto groups = report();
  ASSERT_EQ(groups.size(), 4u + 12 * 2);
  EXPECT_EQ(std::uint16_t{load<be16>(&groups[4 + 2])}, 1);
  EXPECT_EQ(std::uint16_t{load<be16>(&groups[16 + 2])}, 7);
  bytes set(8);
  set[4] = std::byte{2};
  store(&set[6], be16(1));
  EXPECT_EQ(code(a, {0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, set), 0);
  EXPECT_EQ(code(b, {0, 0, 0, 0, 0, 0}), senses::asymmetric_access_changed);
  EXPECT_EQ(code(b, read10(0, 1)), senses::standby);
  EXPECT_EQ(code(a, read10(0, 1)), senses::standby);
  nexus c;
  c.id = 3;
  c.initiator = "iqn.a:a";
  c.portal_group = 7;
  run(c, {0, 0, 0, 0, 0, 0});
  EXPECT_EQ(code(c, read10(0, 1)), 0);
  EXPECT_EQ(std::to_integer<int>(report()[4]) & 15, 2);
  set[4] = std::byte{0};
  EXPECT_EQ(code(a, {0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, set), 0);
  EXPECT_EQ(code(b, {0, 0, 0, 0, 0, 0}), senses::asymmetric_access_changed);
  EXPECT_EQ(code(b, read10(0, 1)), 0);
  store(&set[6], be16(3));
  EXPECT_EQ(code(a, {0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, set), senses::invalid_field_in_list);
}

TEST_F(unit, every_vital_product_page_that_is_listed_is_there_and_names_the_port_it_was_asked_through) {
  const auto list = run(a, {0x12, 1, 0, 1, 0, 0}).reply;
  std::vector<int> codes;
  for (std::size_t i = 4; i < list.size(); ++i) codes.push_back(std::to_integer<int>(list[i]));
  EXPECT_EQ(codes, (std::vector<int>{0, 0x80, 0x83, 0x85, 0x86, 0x87, 0x88, 0x8f, 0xb0, 0xb1, 0xb2}));
  for (const int page : codes) {
    const auto data = run(a, {0x12, 1, page, 4, 0, 0}).reply;
    ASSERT_GE(data.size(), 4u);
    EXPECT_EQ(std::to_integer<int>(data[1]), page);
    EXPECT_EQ(std::size_t{std::uint16_t{load<be16>(&data[2])}}, data.size() - 4) << page;
  }
  a.portal_group = 7;
  const auto id = run(a, {0x12, 1, 0x83, 4, 0, 0}).reply;
  EXPECT_NE(std::string(reinterpret_cast<const char*>(id.data()), id.size()).find("iqn.a:t,t,0x0007"),
            std::string::npos);
}

TEST_F(unit, or_write_adds_bits_and_write_atomic_is_there_only_where_it_is_true) {
  ready();
  device.poke(lba{4}, bytes(512, std::byte{0x0f}));
  EXPECT_EQ(code(a, {0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0}, bytes(512, std::byte{0xa0})), 0);
  EXPECT_EQ(medium(device, 4, 1), bytes(512, std::byte{0x0f}));  // still in the cache
  EXPECT_EQ(code(a, {0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 0);
  EXPECT_EQ(medium(device, 4, 1), bytes(512, std::byte{0xaf}));
  EXPECT_EQ(code(a, {0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0}, bytes(512)), senses::invalid_opcode);
}

}  // namespace
}  // namespace vds::iscsi
