#include "iscsi/session/login.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "iscsi/pdu/header_check.h"

namespace vds::iscsi {
namespace {

using enum login_state;
constexpr auto edges = std::to_array<std::pair<login_state, login_state>>({
    {start, security},
    {start, operational},
    {security, operational},
    {security, full_feature},
    {operational, full_feature},
    {start, refused},
    {security, refused},
    {operational, refused},
    {full_feature, refused},  // no room for the session, after all
});

}  // namespace

void login::become(login_state next) {
  always(std::find(edges.begin(), edges.end(), std::pair{state_, next}) != edges.end());
  state_ = next;
}

login_reply login::refuse(login_status why) {
  become(refused);
  login_reply reply;
  reply.header.flags = static_cast<std::uint8_t>(last_.flags & 0x0c);
  reply.header.isid = last_.isid;
  reply.header.tsih = last_.tsih;
  reply.header.task_tag = last_.task_tag;
  reply.header.status = static_cast<std::uint16_t>(why);
  return reply;
}

std::optional<login_status> login::check(const login_request_pdu& request) {
  if (request.version_min > 0) return login_status::unsupported_version;
  if (++rounds_ > max_rounds) return login_status::initiator_error;
  if (request.transit() && request.continues()) return login_status::initiator_error;
  const std::uint8_t now = request.current_stage(), next = request.next_stage();
  if (now > 1) return login_status::initiator_error;
  if (request.transit() && (next == 2 || next <= now)) return login_status::initiator_error;
  if (state_ == start) {
    isid_ = request.isid;
    cid_ = request.cid;
    tsih_ = request.tsih;
    cmd_sn_ = request.cmd_sn;
    task_tag_ = request.task_tag;
    become(now == 0 ? security : operational);
    return std::nullopt;
  }
  const std::uint8_t expected = state_ == security ? 0 : 1;
  if (now != expected || request.isid != isid_ || request.cid != cid_ || request.tsih != tsih_ ||
      request.task_tag != task_tag_)
    return login_status::initiator_error;
  return std::nullopt;
}

// After the first complete text: who is it, and what for?
std::optional<login_status> login::first_keys() {
  introduced_ = true;
  if (agreed_.initiator_name.empty()) return login_status::missing_parameter;
  if (agreed_.type == session_type::normal && agreed_.target_name.empty()) return login_status::missing_parameter;
  // A session has one connection here: nothing can be added to one (MaxConnections=1, ErrorRecoveryLevel=0).
  if (tsih_ != 0) return login_status::cannot_include_in_session;
  if (agreed_.type == session_type::discovery) agreed_.target_name.clear();
  auto facts = find_(agreed_);
  if (!facts) return login_status::not_found;
  facts_ = std::move(*facts);
  // Who may skip the security stage is the target's choice, not the initiator's.
  if (facts_.authenticate && state_ != login_state::security) return login_status::authentication_failure;
  return std::nullopt;
}

// What this text said about authentication.
std::optional<login_status> login::prove(text_writer& answers) {
  const chap_keys keys = keys_.take_chap();
  if (const auto offer = keys_.take_offer()) {
    if (keys.any()) return login_status::initiator_error;  // before the method is agreed on
    if (facts_.authenticate ? !offer->chap : !offer->none) return login_status::authentication_failure;
    answers.add("AuthMethod", facts_.authenticate ? "CHAP" : "None");
    if (facts_.authenticate) chap_.emplace(std::move(facts_.accounts), agreed_.initiator_name, random_);
    return std::nullopt;
  }
  if (!chap_) return keys.any() ? std::optional(login_status::initiator_error) : std::nullopt;
  if (authenticated() && !keys.any()) return std::nullopt;
  // Each text brings the next step: nobody keeps a login open by saying nothing.
  if (chap_->take(keys, answers) == chap_exchange::state::failed) return login_status::authentication_failure;
  return std::nullopt;
}

login_reply login::take(const login_request_pdu& request, std::span<const std::byte> text) {
  always(state_ != full_feature && state_ != refused);
  last_ = request;
  if (auto wrong = check(request)) return refuse(*wrong);
  if (text_.size() + text.size() > max_login_data) return refuse(login_status::initiator_error);
  text_.append(reinterpret_cast<const char*>(text.data()), text.size());

  login_reply reply;
  reply.header.flags = static_cast<std::uint8_t>(request.flags & 0x0c);
  reply.header.isid = isid_;
  reply.header.tsih = tsih_;
  reply.header.task_tag = task_tag_;
  if (request.continues()) return reply;

  const std::string whole = std::move(text_);
  text_.clear();
  const auto pairs = parse_text(std::as_bytes(std::span(whole)));
  if (!pairs) return refuse(login_status::initiator_error);
  const stage where = state_ == security ? stage::security : stage::operational;
  text_writer answers(max_login_data);
  switch (keys_.take(*pairs, where, answers)) {
    case negotiated::agreed:
      break;
    case negotiated::protocol_error:
      return refuse(login_status::initiator_error);
    case negotiated::no_common_method:
      return refuse(login_status::authentication_failure);
  }
  if (!introduced_) {
    if (auto wrong = first_keys()) return refuse(*wrong);
    if (agreed_.type == session_type::normal)
      answers.add("TargetPortalGroupTag", fmt::format("{}", facts_.portal_group_tag));
  }
  if (where == stage::security) {
    if (auto wrong = prove(answers)) return refuse(*wrong);
  }
  // What the target is called is for those who may use it.
  if (!alias_said_ && agreed_.type == session_type::normal && !facts_.alias.empty() &&
      (!facts_.authenticate || authenticated())) {
    answers.add("TargetAlias", facts_.alias);
    alias_said_ = true;
  }
  keys_.declare(where, answers);
  if (answers.overflowed()) return refuse(login_status::initiator_error);
  if (request.transit() && facts_.authenticate && !authenticated()) {
    if (!chap_) return refuse(login_status::authentication_failure);
    // Authentication is under way: the stage does not end yet.
  } else if (request.transit()) {
    const bool done = request.next_stage() == 3;
    if (done && policy_.digests == digest_policy::required && !(agreed_.header_digest && agreed_.data_digest))
      return refuse(login_status::initiator_error);
    become(done ? full_feature : operational);
    reply.header.flags |= static_cast<std::uint8_t>(login_request_pdu::transit_bit | request.next_stage());
  }
  reply.text = answers.take();
  return reply;
}

}  // namespace vds::iscsi
