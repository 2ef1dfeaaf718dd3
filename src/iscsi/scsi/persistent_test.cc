// Persistent reservations as initiators see them: types, persistence, and lists that lie.
#include "iscsi/scsi/persistence.h"
#include "iscsi/scsi/testing/unit.h"
#include "iscsi/scsi/transport_id.h"

namespace vds::iscsi {
namespace {

using namespace testing;

constexpr int reg = 0, reserve = 1, release = 2, clear = 3, preempt = 4, preempt_abort = 5, reg_ignore = 6, move = 7;
constexpr int conflict = -0x18;
constexpr int spec_i_pt = 8, all_tg_pt = 4, aptpl = 1;

struct reservations : unit {
  int out(nexus& n, int action, std::uint64_t key, std::uint64_t action_key, int type = 0, int flags = 0,
          bytes extra = {}) {
    bytes list(24);
    store(&list[0], be64(key));
    store(&list[8], be64(action_key));
    list[20] = static_cast<std::byte>(flags);
    if ((flags & spec_i_pt) != 0) {
      list.resize(28);
      store(&list[24], be32(static_cast<std::uint32_t>(extra.size())));
    }
    list.insert(list.end(), extra.begin(), extra.end());
    return raw(n, action, type, list);
  }
  int raw(nexus& n, int action, int type, const bytes& list) {
    return code(
        n, {0x5f, action, type, 0, 0, 0, 0, static_cast<int>(list.size() >> 8), static_cast<int>(list.size() & 255), 0},
        list);
  }
  int move_to(nexus& n, std::uint64_t key, std::uint64_t new_key, const std::string& port, std::uint16_t tag,
              int flags = 0) {
    bytes list(24);
    store(&list[0], be64(key));
    store(&list[8], be64(new_key));
    list[17] = static_cast<std::byte>(flags);
    store(&list[18], be16(tag));
    const auto id = encode_transport_id(port);
    store(&list[20], be32(static_cast<std::uint32_t>(id.size())));
    list.insert(list.end(), id.begin(), id.end());
    return raw(n, move, 0, list);
  }
  std::vector<std::uint64_t> keys() {
    const bytes data = run(a, {0x5e, 0, 0, 0, 0, 0, 0, 0x10, 0, 0}).reply;
    std::vector<std::uint64_t> out;
    for (std::size_t at = 8; at < data.size(); at += 8) out.push_back(load<be64>(&data[at]));
    return out;
  }
  int write(nexus& n) { return code(n, write10(0, 1), bytes(512)); }
  int read(nexus& n) { return code(n, read10(0, 1)); }
};

TEST_F(reservations, each_type_lets_in_whom_it_says) {
  struct row {
    int type;
    bool stranger_reads, registrant_writes, stranger_writes;
  };
  for (const row& r : {row{1, true, false, false}, row{3, false, false, false}, row{5, true, true, false},
                       row{6, false, true, false}, row{7, true, true, false}, row{8, false, true, false}}) {
    ready();
    EXPECT_EQ(out(a, reg, 0, 1), 0);
    EXPECT_EQ(out(a, reserve, 1, 0, r.type), 0);
    EXPECT_EQ(read(b), r.stranger_reads ? 0 : conflict) << r.type;
    EXPECT_EQ(write(b), conflict) << r.type;
    EXPECT_EQ(write(a), 0) << r.type;
    EXPECT_EQ(out(b, reg, 0, 2), 0);
    EXPECT_EQ(write(b), r.registrant_writes ? 0 : conflict) << r.type;
    EXPECT_EQ(out(a, release, 1, 0, r.type == 1 ? 3 : 1), senses::invalid_release) << r.type;
    EXPECT_EQ(out(a, release, 1, 0, r.type), 0);
    EXPECT_EQ(out(a, clear, 1, 0), 0);
    EXPECT_TRUE(keys().empty());
    EXPECT_EQ(code(b, {0, 0, 0, 0, 0, 0}),
              r.type >= 5 ? senses::reservations_released : senses::reservations_preempted);
    ready();
  }
}

TEST_F(reservations, with_aptpl_they_outlive_the_process_and_without_they_do_not) {
  ready();
  EXPECT_EQ(out(a, reg, 0, 1, 0, aptpl), 0);
  EXPECT_EQ(out(b, reg, 0, 2, 0, aptpl), 0);
  EXPECT_EQ(out(a, reserve, 1, 0, 3), 0);
  restart();
  ready();
  EXPECT_EQ(keys(), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(read(b), conflict);
  EXPECT_EQ(read(a), 0);
  EXPECT_EQ(out(a, reg, 1, 1, 0, 0), 0);  // the last one said APTPL=0: nothing is kept any more
  restart();
  ready();
  EXPECT_TRUE(keys().empty());
  EXPECT_EQ(read(b), 0);
}

TEST_F(reservations, what_could_not_be_kept_has_not_happened) {
  ready();
  EXPECT_EQ(out(a, reg, 0, 1, 0, aptpl), 0);
  keeps.refuse = true;
  EXPECT_NE(out(a, reserve, 1, 0, 3), 0);
  EXPECT_EQ(read(b), 0);
  EXPECT_NE(out(b, reg, 0, 2, 0, aptpl), 0);
  EXPECT_EQ(keys(), (std::vector<std::uint64_t>{1}));
  keeps.refuse = false;
  EXPECT_EQ(out(a, reserve, 1, 0, 3), 0);
  EXPECT_EQ(read(b), conflict);
}

TEST_F(reservations, nothing_is_written_down_when_nobody_asked_for_it) {
  ready();
  EXPECT_EQ(out(a, reg, 0, 1), 0);
  EXPECT_EQ(out(a, reserve, 1, 0, 3), 0);
  EXPECT_EQ(keeps.times, 0u);
}

TEST_F(reservations, a_lun_that_can_keep_nothing_says_so) {
  ready();
  const auto here = luns.all[6];
  EXPECT_EQ(std::to_integer<int>(run(a, {0x5e, 2, 0, 0, 0, 0, 0, 0, 8, 0}, {}, here).reply[2]) & 1, 0);
  EXPECT_EQ(std::to_integer<int>(run(a, {0x5e, 2, 0, 0, 0, 0, 0, 0, 8, 0}).reply[2]) & 1, 1);
  bytes list(24);
  list[15] = std::byte{1};
  list[20] = std::byte{aptpl};
  EXPECT_EQ(run(a, {0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0}, list, here).problem->code, senses::invalid_field_in_list);
}

TEST_F(reservations, spec_i_pt_registers_those_that_are_named_or_nobody) {
  ready();
  auto names = encode_transport_id("iqn.a:c,i,0x010203040506");
  EXPECT_EQ(out(a, reg, 0, 9, 0, spec_i_pt, names), 0);
  EXPECT_EQ(keys(), (std::vector<std::uint64_t>{9, 9}));
  EXPECT_EQ(out(a, clear, 9, 0), 0);
  // A device's name without a port stands for its ports that are known.
  bytes device(4 + 20);
  device[0] = std::byte{5};
  device[3] = std::byte{20};
  const std::string b_name = "iqn.a:b";
  std::transform(b_name.begin(), b_name.end(), device.begin() + 4, [](char ch) { return static_cast<std::byte>(ch); });
  EXPECT_EQ(out(a, reg, 0, 9, 0, spec_i_pt, device), 0);
  EXPECT_EQ(keys().size(), 2u);
  EXPECT_EQ(out(b, reserve, 9, 0, 1), 0);
  EXPECT_EQ(out(a, clear, 9, 0), 0);
  ready();
  // Twice the same; unknown device; not with IGNORE EXISTING KEY.
  auto twice = names;
  twice.insert(twice.end(), names.begin(), names.end());
  EXPECT_EQ(out(a, reg, 0, 9, 0, spec_i_pt, twice), senses::invalid_field_in_list);
  device[4] = std::byte{'x'};
  EXPECT_EQ(out(a, reg, 0, 9, 0, spec_i_pt, device), senses::invalid_field_in_list);
  EXPECT_NE(out(a, reg_ignore, 0, 9, 0, spec_i_pt, names), 0);
  EXPECT_TRUE(keys().empty());
}

// CVE-2026-72084: the scan for TransportIDs ran past the end of the list.
TEST_F(reservations, transport_ids_end_where_the_list_ends) {
  ready();
  const auto id = encode_transport_id("iqn.a:c,i,0x010203040506");
  for (std::size_t size = 0; size < id.size(); ++size)
    EXPECT_NE(out(a, reg, 0, 9, 0, spec_i_pt, bytes(id.begin(), id.begin() + static_cast<std::ptrdiff_t>(size))),
              size == 0 ? 1 : 0)
        << size;
  auto unterminated = id;
  std::fill(unterminated.begin() + 4, unterminated.end(), std::byte{'a'});
  EXPECT_EQ(parse_transport_id(unterminated).size, 0u);
  auto longer = id;
  longer[3] = std::byte{0xfc};
  EXPECT_EQ(parse_transport_id(longer).size, 0u);
  longer[2] = longer[3] = std::byte{0xff};
  EXPECT_EQ(parse_transport_id(longer).size, 0u);
  // And the length before them is not believed either.
  bytes list(28);
  list[15] = std::byte{9};
  list[20] = std::byte{spec_i_pt};
  for (const int wrong : {1, 24, 255}) {
    list[24] = list[27] = static_cast<std::byte>(wrong);
    EXPECT_EQ(raw(a, reg, 0, list), senses::parameter_list_length);
  }
}

TEST_F(reservations, all_tg_pt_registers_at_every_portal_group) {
  ready();
  EXPECT_EQ(out(a, reg, 0, 9, 0, all_tg_pt), 0);
  EXPECT_EQ(keys().size(), 2u);
  const bytes full = run(a, {0x5e, 3, 0, 0, 0, 0, 0, 4, 0, 0}).reply;
  EXPECT_EQ(std::uint16_t{load<be16>(&full[8 + 18])}, 1);
  nexus again;  // the same initiator port through the other group
  again.id = 3;
  again.initiator = a.initiator;
  again.portal_group = 7;
  run(again, {0, 0, 0, 0, 0, 0});
  EXPECT_EQ(out(again, reserve, 9, 0, 1), 0);
  EXPECT_EQ(write(a), conflict);
}

TEST_F(reservations, register_and_move_hands_the_reservation_over) {
  ready();
  EXPECT_EQ(out(a, reg, 0, 1), 0);
  EXPECT_EQ(move_to(a, 1, 2, b.port_name(), 1), conflict);  // there is none
  EXPECT_EQ(out(a, reserve, 1, 0, 3), 0);
  EXPECT_EQ(move_to(a, 1, 0, b.port_name(), 1), senses::invalid_field_in_list);
  EXPECT_EQ(move_to(a, 1, 2, b.port_name(), 2), senses::invalid_field_in_list);  // no such port
  EXPECT_EQ(move_to(a, 1, 2, a.port_name(), 1), senses::invalid_field_in_list);
  EXPECT_EQ(move_to(a, 1, 2, b.port_name(), 1, 2), 0);  // UNREG
  EXPECT_EQ(write(b), 0);
  EXPECT_EQ(write(a), conflict);
  EXPECT_EQ(keys(), (std::vector<std::uint64_t>{2}));
}

TEST_F(reservations, preempt_and_abort_ends_the_victims_commands_before_it_is_answered) {
  ready();
  EXPECT_EQ(out(a, reg, 0, 1), 0);
  EXPECT_EQ(out(b, reg, 0, 2), 0);
  EXPECT_EQ(out(a, reserve, 1, 0, 1), 0);
  bool hang = true;
  drive.set_rule([&](const io::faulty_device::call& call) {
    return hang && call.what == io::faulty_device::request::write ? io::fault::hang : io::fault::none;
  });
  plain victim;
  const bytes block(512, std::byte{7});
  begin(victim, a, write10(3, 1), block, *l);
  rt::start([](std::shared_ptr<lun> unit, plain& c) -> rt::task<void> { co_await unit->run(c); }(l, victim));
  ex.run_ready();
  bytes list(24);
  list[7] = std::byte{2};
  list[15] = std::byte{1};
  plain coup;
  begin(coup, b, {0x5f, preempt_abort, 1, 0, 0, 0, 0, 0, 24, 0}, list, *l);
  bool answered = false;
  rt::start([](std::shared_ptr<lun> unit, plain& c, bool& done) -> rt::task<void> {
    co_await unit->run(c);
    done = true;
  }(l, coup, answered));
  ex.run_ready();
  EXPECT_FALSE(answered);
  hang = false;
  drive.release_hung();
  ex.run_ready();
  EXPECT_TRUE(answered);
  EXPECT_EQ(coup.status, scsi_status::good);
  EXPECT_TRUE(victim.aborted());
  EXPECT_EQ(write(b), 0);
  EXPECT_EQ(code(a, {0, 0, 0, 0, 0, 0}), senses::registrations_preempted);
  EXPECT_EQ(write(a), conflict);
}

TEST_F(reservations, more_registrants_than_there_is_room_for_are_refused_cleanly) {
  ready();
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    nexus n;
    n.id = 100 + static_cast<std::uint64_t>(i);
    n.initiator = "iqn.a:" + std::string(200, 'n') + std::to_string(i);
    run(n, {0, 0, 0, 0, 0, 0});
    const int got = out(n, reg, 0, 5, 0, aptpl);
    if (got != 0) {
      EXPECT_EQ(got, senses::insufficient_registrations);
      ++refused;
    }
  }
  EXPECT_GE(refused, 300 - 256);
  EXPECT_LE(refused, 70);
  EXPECT_LE(keeps.kept.size(), max_settings_bytes);
  const std::size_t before = keys().size();
  restart();
  ready();
  EXPECT_EQ(keys().size(), before);
}

TEST_F(reservations, lists_of_every_wrong_length_are_refused) {
  ready();
  for (std::size_t size = 0; size < 40; ++size) {
    if (size == 24) continue;
    for (const int action : {reg, reserve, release, clear, preempt, preempt_abort, reg_ignore, move})
      EXPECT_NE(raw(a, action, 1, bytes(size)), 0) << size;
  }
}

// What is kept.
TEST(settings, come_back_as_they_were) {
  lun_settings s;
  s.mode = mode_parameters{false, true, false};
  s.sanitize = sanitize_order{.pattern = bytes(512, std::byte{3}), .passes = 2, .invert = true};
  const persistent_reservations::port_pair one{"iqn.a:a,i,0x000000000001", 1}, two{"iqn.a:b,i,0x000000000002", 7};
  ASSERT_TRUE(s.reservations.restore({{one, 11}, {two, 22}}, reservation_type::exclusive_access, two));
  auto back = decode_settings(encode(s));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->mode, s.mode);
  EXPECT_EQ(back->sanitize, s.sanitize);
  EXPECT_EQ(back->reservations.holder(), two);
  EXPECT_EQ(back->reservations.registrants().size(), 2u);
  EXPECT_TRUE(back->reservations.aptpl());
  EXPECT_EQ(encode(*back), encode(s));
}

TEST(settings, damage_is_never_taken_for_no_reservation) {
  lun_settings s;
  const persistent_reservations::port_pair one{"iqn.a:a,i,0x000000000001", 1};
  ASSERT_TRUE(s.reservations.restore({{one, 11}}, reservation_type::exclusive_access, one));
  const bytes whole = encode(s);
  for (std::size_t cut = 1; cut < whole.size(); ++cut)  // of these only the bare header is whole
    EXPECT_EQ(decode_settings(std::span(whole).first(cut)).has_value(), cut == 12) << cut;
  bytes later = whole;
  later[8] = std::byte{2};
  EXPECT_EQ(decode_settings(later).error().code(), errc::too_new);
  EXPECT_TRUE(decode_settings({}));
}

}  // namespace
}  // namespace vds::iscsi
