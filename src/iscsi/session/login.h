// login.h: the login phase of one connection as a state machine without I/O: a request goes in, a reply comes out.
// Holds at most max_login_data bytes of text and a bounded number of rounds, whatever the peer does. The connection
// adds the time limit, the sequence numbers and, at the end, the session (reinstatement, TSIH).
// Whether an initiator must authenticate is the target's choice: then the security stage cannot be skipped, and
// whatever is wrong (name, secret, a target that is not there for it) is refused with one and the same answer, which
// the connection sends some time after the request.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/random.h"
#include "iscsi/pdu/bhs.h"
#include "iscsi/session/negotiation.h"

namespace vds::iscsi {

enum class login_status : std::uint16_t {
  success = 0x0000,
  initiator_error = 0x0200,
  authentication_failure = 0x0201,
  authorization_failure = 0x0202,
  not_found = 0x0203,
  unsupported_version = 0x0205,
  too_many_connections = 0x0206,
  missing_parameter = 0x0207,
  cannot_include_in_session = 0x0208,
  session_type_not_supported = 0x0209,
  session_does_not_exist = 0x020a,
  invalid_during_login = 0x020b,
  target_error = 0x0300,
  service_unavailable = 0x0301,
  out_of_resources = 0x0302,
};

enum class login_state : std::uint8_t { start, security, operational, full_feature, refused };

struct login_reply {
  login_response_pdu header;
  std::string text;
};

// What the target says about itself to an initiator, and what the initiator has to prove.
struct login_facts {
  std::uint16_t portal_group_tag = 1;
  std::string alias{};
  bool authenticate = false;
  chap_accounts accounts{};  // any of these; none: it cannot succeed, and looks as if it could
};

class login {
 public:
  static constexpr int max_rounds = 64;

  // Asked once, when the initiator has said who it is and what it wants (a target, or discovery). None: there is no
  // such target for this initiator, and it may know.
  using target_finder = std::function<std::optional<login_facts>(const parameters&)>;

  login(login_policy policy, target_finder find, random_source& random = system_random())
      : policy_(policy), find_(std::move(find)), random_(random), keys_(policy_, agreed_) {}

  login_reply take(const login_request_pdu& request, std::span<const std::byte> text);
  // The reply to the last request, as a refusal after all.
  login_reply refuse(login_status why);

  login_state state() const noexcept { return state_; }
  const parameters& agreed() const noexcept { return agreed_; }
  // The accounts whose secret the initiator knew; empty if it did not have to.
  const chap_accounts& proven() const noexcept {
    static const chap_accounts none;
    return chap_ ? chap_->proven() : none;
  }
  const isid_field& isid() const noexcept { return isid_; }
  std::uint16_t portal_group_tag() const noexcept { return facts_.portal_group_tag; }
  std::uint16_t cid() const noexcept { return cid_; }
  std::uint32_t cmd_sn() const noexcept { return cmd_sn_; }

 private:
  void become(login_state next);
  std::optional<login_status> check(const login_request_pdu& request);
  std::optional<login_status> first_keys();
  std::optional<login_status> prove(text_writer& answers);
  bool authenticated() const noexcept { return chap_ && chap_->now() == chap_exchange::state::proven; }

  login_policy policy_;
  target_finder find_;
  random_source& random_;
  parameters agreed_;
  negotiation keys_;
  login_state state_ = login_state::start;
  std::string text_;  // of a request that continues
  int rounds_ = 0;
  bool introduced_ = false;  // names were given and checked
  bool alias_said_ = false;
  login_facts facts_;
  std::optional<chap_exchange> chap_;

  login_request_pdu last_{};
  isid_field isid_{};
  std::uint16_t cid_ = 0, tsih_ = 0;
  std::uint32_t cmd_sn_ = 0;
  be32 task_tag_;
};

}  // namespace vds::iscsi
