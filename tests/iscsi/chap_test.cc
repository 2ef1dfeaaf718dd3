// CHAP in login: who gets in, who does not, what an attacker learns from it (nothing), and each attack that others fell
// to.
#include "chap_rig.h"

namespace vds::iscsi::testing {
namespace {

constexpr auto initiator_name = "iqn.2026-01.test:initiator";

struct chap : ::testing::Test {
  chap() {
    r.add_lun(0);
    target_secrets s;
    s.everybody = secret("a secret of ours");
    s.ours.emplace(initiator_name, secret("the target's own"));
    EXPECT_TRUE(r.target.set_secrets(std::move(s)));
  }
  chap_client::talk log_in(chap_client c = {}) {
    last = r.connect();
    return r.run(c.run(*last));
  }
  // The third step with any keys; the first two as they should be.
  std::uint16_t third(const std::function<std::string(const chap_client::talk&)>& keys) {
    chap_client c;
    last = r.connect();
    const auto t = r.run(c.begin(*last));
    EXPECT_EQ(t.status, 0);
    return chap_client::status_of(r.run(last->login_step(last->login_request(0, 3), keys(t))));
  }
  monotonic::time_point now() { return static_cast<rt::executor&>(r.ex()).now(); }
  rig r;
  std::unique_ptr<initiator> last;
};

TEST_F(chap, who_knows_the_secret_gets_in_and_works) {
  for (const auto& [offered, chosen] : {std::pair{"5", "5"}, {"7", "7"}, {"5,7", "7"}, {"6,8,5", "5"}, {"0x7", "7"}}) {
    chap_client c;
    c.algorithms = offered;
    const auto t = log_in(c);
    EXPECT_EQ(t.status, 0) << offered;
    EXPECT_EQ(value_of(t.challenge, "CHAP_A"), chosen);
    EXPECT_EQ(decode_binary(value_of(t.challenge, "CHAP_C"), 64)->size(), chosen == std::string("7") ? 32u : 16u);
    EXPECT_EQ(value_of(t.method, "AuthMethod"), "CHAP");
    last->cmd_sn = 1;
    EXPECT_EQ(r.run(last->run(0, {0x12, 0, 0, 0, 96, 0}, {}, 96)).status, 0);
  }
}

TEST_F(chap, base64_and_upper_case_are_understood) {
  EXPECT_EQ(third([](const auto& t) {
              std::string upper = chap_client().answer(t, "a secret of ours");
              for (char& ch : upper) ch = static_cast<char>(std::toupper(ch));
              return text({"CHAP_N=IQN.2026-01.test:Initiator", "CHAP_R=" + upper});
            }),
            0);
  EXPECT_EQ(third([](const auto& t) {
              const auto raw = *decode_binary(chap_client().answer(t, "a secret of ours"), 64);
              unsigned char out[64];
              const int n = EVP_EncodeBlock(out, reinterpret_cast<const unsigned char*>(raw.data()),
                                            static_cast<int>(raw.size()));
              const std::string coded(reinterpret_cast<const char*>(out), static_cast<std::size_t>(n));
              return text({std::string("CHAP_N=") + initiator_name, "CHAP_R=0b" + coded});
            }),
            0);
}

TEST_F(chap, a_wrong_secret_an_unknown_target_and_a_masked_one_are_the_same_to_whoever_asks) {
  target masked({"iqn.2026-01.test:masked", "its alias"});
  ASSERT_TRUE(r.server->add(masked));
  rig::device d(r.ex(), r.random, 64);
  ASSERT_TRUE(masked.publish(rig::description(0, d.drive), {false, {"iqn.2026-01.test:other"}}));
  std::vector<bytes> last_words;
  for (const auto& [where, what] : {std::pair{test_iqn, "not the secret!"},
                                    {std::string("iqn.2026-01.test:none"), "a secret of ours"},
                                    {std::string("iqn.2026-01.test:masked"), "a secret of ours"}}) {
    chap_client c;
    c.target = where;
    c.secret = what;
    auto i = r.connect();
    const auto began = now();
    const auto t = r.run(c.run(*i));
    EXPECT_EQ(t.status, 0x0201) << where;
    EXPECT_EQ(now() - began, connection_limits().refusal_delay) << where;
    EXPECT_EQ(value_of(t.method, "TargetAlias"), "");
    EXPECT_EQ(value_of(t.method, "TargetPortalGroupTag"), "1");
    bytes said(sizeof t.end.header + sizeof t.method.header);
    std::memcpy(said.data(), &t.end.header, sizeof t.end.header);
    std::memcpy(said.data() + sizeof t.end.header, &t.method.header, sizeof t.method.header);
    said.insert(said.end(), t.method.data.begin(), t.method.data.end());
    last_words.push_back(said);
    EXPECT_TRUE(r.run(i->receive()).gone);
  }
  EXPECT_EQ(last_words[0], last_words[1]);
  EXPECT_EQ(last_words[0], last_words[2]);
  r.run(r.server->remove(masked));
}

TEST_F(chap, the_name_that_is_proven_is_the_one_that_logs_in) {
  target_secrets s;
  s.initiators.emplace("iqn.2026-01.test:initiator", secret("a secret of ours"));
  s.initiators.emplace("iqn.2026-01.test:friend", secret("a friend's secret"));
  ASSERT_TRUE(r.target.set_secrets(std::move(s)));
  EXPECT_EQ(log_in().status, 0);
  chap_client c;
  c.secret = "a friend's secret";
  EXPECT_EQ(log_in(c).status, 0x0201);
  c.name = "iqn.2026-01.test:friend";
  EXPECT_EQ(log_in(c).status, 0x0201);
  c.initiator = "iqn.2026-01.test:friend";
  EXPECT_EQ(log_in(c).status, 0);
  c.initiator = c.name = "iqn.2026-01.test:nobody";
  EXPECT_EQ(log_in(c).status, 0x0201);
}

TEST_F(chap, the_security_stage_cannot_be_skipped) {  // CVE-2005-3327
  const auto first = [&](std::uint8_t current, std::uint8_t next, bool transit, const std::string& more) {
    auto i = r.connect();
    return chap_client::status_of(
        r.run(i->login_step(i->login_request(current, next, transit), chap_client().names() + more)));
  };
  EXPECT_EQ(first(1, 3, true, ""), 0x0201);
  EXPECT_EQ(first(1, 3, false, ""), 0x0201);
  EXPECT_EQ(first(0, 1, true, ""), 0x0201);
  EXPECT_EQ(first(0, 3, true, text({"AuthMethod=None"})), 0x0201);
  EXPECT_EQ(first(0, 3, true, text({"AuthMethod=KRB5,SRP"})), 0x0201);
  EXPECT_EQ(first(0, 3, true, text({"AuthMethod=CHAP", "CHAP_A=5"})), 0x0200);
  // A transit that comes too early is not granted, and the stage goes on.
  auto i = r.connect();
  const pdu p = r.run(i->login_step(i->login_request(0, 3), chap_client().names() + text({"AuthMethod=CHAP"})));
  EXPECT_EQ(chap_client::status_of(p), 0);
  EXPECT_EQ(p.header.flags & 0x80, 0);
  EXPECT_EQ(chap_client::status_of(r.run(i->login_step(i->login_request(1, 3), ""))), 0x0200);
}

TEST_F(chap, each_step_comes_in_its_turn_and_once) {
  const std::string name = std::string("CHAP_N=") + initiator_name, right = "CHAP_R=0x00112233445566778899aabbccddeeff";
  for (const auto& wrong :
       {std::string(), text({"CHAP_A=5"}), text({name}), text({right}), text({name, right, "CHAP_A=5"}),
        text({name, right, "CHAP_I=1"}), text({name, right, "CHAP_C=0x0011"})})
    EXPECT_NE(third([&](const auto&) { return wrong; }), 0) << wrong;
  for (const auto& wrong : {text({name, right}), text({"CHAP_A=6,8"}), text({"CHAP_A="}), text({"CHAP_A=5", name}),
                            text({"CHAP_A=5", "CHAP_C=0x00"}), text({"CHAP_A=4294967301"}), std::string()}) {
    auto i = r.connect();
    r.run(i->login_step(i->login_request(0, 1, false), chap_client().names() + text({"AuthMethod=CHAP"})));
    EXPECT_EQ(chap_client::status_of(r.run(i->login_step(i->login_request(0, 1, false), wrong))), 0x0201) << wrong;
  }
  // After the end there is nothing to add.
  chap_client c;
  auto i = r.connect();
  const auto t = r.run(c.begin(*i));
  const pdu fine =
      r.run(i->login_step(i->login_request(0, 1, false), text({name, "CHAP_R=" + c.answer(t, "a secret of ours")})));
  EXPECT_EQ(chap_client::status_of(fine), 0);
  EXPECT_EQ(chap_client::status_of(r.run(i->login_step(i->login_request(0, 3), text({right})))), 0x0200);
}

TEST_F(chap, responses_of_any_length_are_measured_before_they_are_decoded) {  // CVE-2018-14633, CVE-2026-63886
  const std::string name = std::string("CHAP_N=") + initiator_name;
  for (const std::string& wrong :
       {std::string(), std::string("0x"), std::string("0b"), std::string("0x0"), "0x" + std::string(30, '0'),
        "0x" + std::string(62, 'f'), "0x" + std::string(66, 'f'), "0x" + std::string(128, 'f'),
        "0x" + std::string(7000, '0'), "0b" + std::string(44, 'A'), "0b" + std::string(7000, 'A'),
        "0b" + std::string(40, 'A') + "====", std::string("0b===="), "0x" + std::string(64, 'g'), std::string(64, '0'),
        "0b" + std::string(43, '!') + "="})
    EXPECT_EQ(third([&](const auto&) { return text({name, "CHAP_R=" + wrong}); }), 0x0201) << wrong;
}

TEST_F(chap, every_login_gets_a_challenge_of_its_own) {  // CVE-2024-45751
  std::set<std::string> seen;
  for (int n = 0; n < 64; ++n) {
    auto i = r.connect();
    seen.insert(value_of(r.run(chap_client().begin(*i)).challenge, "CHAP_C"));
  }
  EXPECT_EQ(seen.size(), 64u);
}

TEST_F(chap, the_target_proves_itself_to_whoever_asks) {
  const bytes mine = pattern(24, 3);
  for (const std::string identifier : {"17", "0x11"}) {  // CHAP_I in hexadecimal was mis-read elsewhere
    chap_client c;
    c.more = text({"CHAP_I=" + identifier, "CHAP_C=" + encode_binary(mine)});
    const auto t = log_in(c);
    EXPECT_EQ(t.status, 0);
    EXPECT_EQ(value_of(t.end, "CHAP_N"), test_iqn);
    EXPECT_EQ(value_of(t.end, "CHAP_R"), chap_response(7, 17, "the target's own", mine));
  }
  for (const auto& more : {text({"CHAP_I=256", "CHAP_C=" + encode_binary(mine)}), text({"CHAP_I=1", "CHAP_C=0x"}),
                           text({"CHAP_I=1", "CHAP_C=0x" + std::string(2050, 'a')}), text({"CHAP_I=1", "CHAP_C=zz"}),
                           text({"CHAP_I=-1", "CHAP_C=0x00"})}) {
    chap_client c;
    c.more = more;
    EXPECT_EQ(log_in(c).status, 0x0201) << more;
  }
  chap_client wrong;  // not before it has proven itself
  wrong.secret = "not the secret!";
  wrong.more = text({"CHAP_I=1", "CHAP_C=" + encode_binary(mine)});
  EXPECT_EQ(value_of(log_in(wrong).end, "CHAP_R"), "");
  chap_client stranger;  // for whom the target has nothing to prove itself with
  stranger.initiator = "iqn.2026-01.test:stranger";
  stranger.more = wrong.more;
  EXPECT_EQ(log_in(stranger).status, 0x0201);
  stranger.more.clear();
  EXPECT_EQ(log_in(stranger).status, 0);
}

TEST_F(chap, a_challenge_that_comes_back_is_refused) {  // RFC 7143 9.2.1
  EXPECT_EQ(
      third([](const auto& t) {
        return text({std::string("CHAP_N=") + initiator_name, "CHAP_R=" + chap_client().answer(t, "a secret of ours"),
                     "CHAP_I=1", "CHAP_C=" + value_of(t.challenge, "CHAP_C")});
      }),
      0x0201);
  EXPECT_TRUE(r.run(last->receive()).gone);
}

TEST_F(chap, discovery_has_to_authenticate_and_shows_what_was_proven) {
  auto i = r.connect();
  login_options plain;
  EXPECT_EQ(r.run(i->login(plain)), 0x0201);
  target open({"iqn.2026-01.test:open", ""}), locked({"iqn.2026-01.test:locked", ""});
  rig::device d(r.ex(), r.random, 64), e(r.ex(), r.random, 64);
  for (auto* t : {&open, &locked}) ASSERT_TRUE(r.server->add(*t));
  ASSERT_TRUE(open.publish(rig::description(0, d.drive), {true, {}}));
  ASSERT_TRUE(locked.publish(rig::description(0, e.drive), {true, {}}));
  target_secrets s;
  s.everybody = secret("quite another one");
  ASSERT_TRUE(locked.set_secrets(std::move(s)));
  const auto shown = [&](const std::string& with) {
    chap_client c;
    c.discovery = true;
    c.secret = with;
    auto j = r.connect();
    const auto t = r.run(c.run(*j));
    if (t.status != 0) return std::string("refused");
    text_request_pdu ask;
    ask.flags = 0x80;
    ask.task_tag = 5u;
    ask.transfer_tag = no_tag;
    ask.cmd_sn = j->cmd_sn;
    r.run(j->send(generic(ask), bytes_of(text({"SendTargets=All"}))));
    const pdu p = r.run(j->receive(opcode::text_response));
    return std::string(reinterpret_cast<const char*>(p.data.data()), p.data.size());
  };
  const auto line = [](const std::string& name) {
    return text({"TargetName=" + name, "TargetAddress=10.0.0.1:3260,1"});
  };
  EXPECT_EQ(shown("a secret of ours"), line("iqn.2026-01.test:open") + line(test_iqn));
  EXPECT_EQ(shown("quite another one"), line("iqn.2026-01.test:locked") + line("iqn.2026-01.test:open"));
  EXPECT_EQ(shown("nobody's secret"), "refused");
  // Without a secret the open target is still to be had by its name.
  auto k = r.connect();
  plain.target = "iqn.2026-01.test:open";
  EXPECT_EQ(r.run(k->login(plain)), 0);
  k.reset();
  for (auto* t : {&open, &locked}) r.run(r.server->remove(*t));
}

TEST_F(chap, secrets_that_cannot_protect_are_refused) {
  EXPECT_FALSE(chap_secret::from(bytes_of("eleven byte")));
  EXPECT_TRUE(chap_secret::from(bytes_of("twelve bytes")));
  EXPECT_FALSE(chap_secret::from(bytes(256)));
  target_secrets s;
  s.everybody = secret("the same for all");
  s.ours.emplace(initiator_name, secret("the same for all"));
  EXPECT_EQ(r.target.set_secrets(s).error().code(), errc::invalid_argument);
  s.initiators.emplace(initiator_name, secret("but not for this"));
  EXPECT_TRUE(r.target.set_secrets(s));
}

TEST_F(chap, sessions_go_on_when_secrets_change_and_the_next_login_needs_the_new_one) {
  ASSERT_EQ(log_in().status, 0);
  auto inside = std::move(last);
  target_secrets s;
  s.everybody = secret("a later secret");
  ASSERT_TRUE(r.target.set_secrets(std::move(s)));
  EXPECT_EQ(r.run(inside->run(0, {0x12, 0, 0, 0, 96, 0}, {}, 96)).status, 0);
  EXPECT_EQ(log_in().status, 0x0201);
  ASSERT_TRUE(r.target.set_secrets({}));
  login_options o;
  o.target = test_iqn;
  auto i = r.connect();
  EXPECT_EQ(r.run(i->login(o)), 0);
}

TEST_F(chap, thousands_who_dawdle_or_guess_leave_a_good_login_fast) {
  std::vector<std::unique_ptr<initiator>> flood;
  for (int n = 0; n < 3000; ++n) {
    flood.push_back(r.connect("10.0." + std::to_string(1 + n % 4) + ".1:" + std::to_string(n)));
    if (n % 3 == 0) r.run(flood.back()->send_raw(bytes(1)));
    if (n % 3 == 1) {  // in the middle of guessing
      chap_client c;
      (void)r.run(c.begin(*flood.back()));
    }
  }
  r.ex().run_ready();
  EXPECT_LE(r.server->connections(), 520u);
  const auto began = now();
  EXPECT_EQ(log_in().status, 0);
  EXPECT_EQ(now(), began);
}

}  // namespace
}  // namespace vds::iscsi::testing
