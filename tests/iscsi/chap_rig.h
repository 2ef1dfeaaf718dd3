// chap_rig.h: an initiator that authenticates, step by step, so that each step can be wrong on purpose.
#pragma once

#include "chap_response.h"
#include "rig.h"

namespace vds::iscsi::testing {

inline bytes bytes_of(std::string_view s) {
  const auto* raw = reinterpret_cast<const std::byte*>(s.data());
  return {raw, raw + s.size()};
}
inline chap_secret secret(std::string_view s) {
  auto made = chap_secret::from(bytes_of(s));
  EXPECT_TRUE(made);
  return std::move(*made);
}

struct chap_client {
  std::string initiator = "iqn.2026-01.test:initiator", target = test_iqn, secret = "a secret of ours";
  std::string name;  // CHAP_N; the initiator's name if empty
  std::string algorithms = "7,5";
  std::string more;  // keys that go with the response
  bool discovery = false;

  std::string names() const {
    return discovery ? text({"InitiatorName=" + initiator, "SessionType=Discovery"})
                     : text({"InitiatorName=" + initiator, "TargetName=" + target, "SessionType=Normal"});
  }
  struct talk {
    std::uint16_t status = 0xffff;
    pdu method, challenge, end;
  };
  static std::uint16_t status_of(const pdu& p) {
    return p.gone ? 0xffff : std::uint16_t{p.as<login_response_pdu>().status};
  }

  // Up to the challenge.
  rt::task<talk> begin(class initiator& i) {
    talk t;
    i.agreed.target = discovery ? "" : target;
    // Lists outside of co_await: g++ 12 cannot have them inside.
    const std::string method = names() + text({"AuthMethod=CHAP,None"}), offer = text({"CHAP_A=" + algorithms});
    t.method = co_await i.login_step(i.login_request(0, 1, false), method);
    t.status = status_of(t.method);
    if (t.status != 0) co_return t;
    t.challenge = co_await i.login_step(i.login_request(0, 1, false), offer);
    t.status = status_of(t.challenge);
    co_return t;
  }
  std::string answer(const talk& t, const std::string& with) const {
    const auto c = decode_binary(value_of(t.challenge, "CHAP_C"), 64).value_or(bytes{});
    return chap_response(std::stoi("0" + value_of(t.challenge, "CHAP_A")),
                         std::stoi("0" + value_of(t.challenge, "CHAP_I")), with, c);
  }
  rt::task<talk> run(class initiator& i) {
    talk t = co_await begin(i);
    if (t.status != 0) co_return t;
    const std::string proof =
        text({"CHAP_N=" + (name.empty() ? initiator : name), "CHAP_R=" + answer(t, secret)}) + more;
    t.end = co_await i.login_step(i.login_request(0, 3), proof);
    t.status = status_of(t.end);
    co_return t;
  }
};

}  // namespace vds::iscsi::testing
