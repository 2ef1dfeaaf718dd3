// The login phase of a connection: PDUs in and out, and at its end the session.
#include "base/log.h"
#include "iscsi/session/connection.h"

namespace vds::iscsi {

std::optional<login_facts> connection::facts_for(const parameters& asked) {
  if (asked.type == session_type::discovery) return host_.discovery(asked.initiator_name);
  auto grant = host_.find_target(asked.target_name, asked.initiator_name);
  if (!grant) return std::nullopt;
  target_ = std::move(grant->target);
  return std::move(grant->facts);
}

// Whoever proved nothing is answered at one distance from its request, whatever was wrong: time tells nothing, and
// trying secrets is slow. It costs the others nothing, and nobody is locked out.
rt::task<void> connection::refusal_pause(monotonic::time_point asked) {
  const auto timer = executor_.run_at(asked + limits_.refusal_delay, [this, alive = alive_] {
    if (*alive) dropped_.set();
  });
  co_await dropped_;
  executor_.cancel_timer(timer);
}

rt::task<void> connection::login_phase() {
  login l(policy_, [this](const parameters& asked) { return facts_for(asked); });
  bool first = true;
  std::vector<std::byte> text;
  while (state_ == connection_state::logging_in) {
    auto h = co_await reader_.header(phase::login, max_login_data, {});
    if (!h) co_return drop(h.error().message());
    text.resize(reader_.data_length());
    const io::buffer place[] = {text};
    auto got = co_await reader_.data(place);
    if (!got) co_return drop(got.error().message());
    const auto request = as<login_request_pdu>(*h);
    const auto asked = executor_.now();
    if (first) {
      queue_.start_numbers(request.exp_stat_sn);
      window_ = {request.cmd_sn, request.cmd_sn + limits_.queue_depth - 1};
    }
    first = false;
    login_reply reply = l.take(request, text);
    if (l.state() == login_state::full_feature) co_await enter_full_feature(l, reply);
    if (state_ != connection_state::logging_in && state_ != connection_state::full_feature) co_return;
    if (reply.header.status == static_cast<std::uint16_t>(login_status::authentication_failure)) {
      co_await refusal_pause(asked);
      if (state_ != connection_state::logging_in) co_return;
    }
    const auto* raw = reinterpret_cast<const std::byte*>(reply.text.data());
    push(generic(reply.header), numbering::status, {raw, raw + reply.text.size()});
    if (l.state() == login_state::refused) {
      co_await queue_.flushed();
      co_return drop("login refused");
    }
    if (state_ == connection_state::full_feature) {
      // The reply itself goes without digests.
      co_await queue_.flushed();
      queue_.use_digests(agreed_.header_digest, agreed_.data_digest);
    }
  }
}

rt::task<void> connection::enter_full_feature(login& l, login_reply& reply) {
  agreed_ = l.agreed();
  proven_ = l.proven();
  if (agreed_.type == session_type::discovery) {
    target_ = nullptr;
    reply.header.tsih = 1;  // nothing can be added to it, so it need not be unique
  } else {
    auto record = std::make_shared<session_record>(executor_);
    record->who.initiator = agreed_.initiator_name;
    record->who.isid = l.isid();
    record->who.target = target_->iqn();
    record->who.portal_group = l.portal_group_tag();
    record->portal = host_.portal_id();
    record->live = this;
    auto admitted = co_await target_->admit(record);
    if (!admitted) {
      log::warn("iscsi {}: {} is not let in to {}: {}", peer_, agreed_.initiator_name, target_->iqn(),
                admitted.error() == errc::closing ? "the target goes" : "it has as many sessions as it may have");
      reply = l.refuse(admitted.error() == errc::closing ? login_status::service_unavailable
                                                         : login_status::out_of_resources);
      co_return;
    }
    session_ = std::move(record);
    cid_ = l.cid();
    reply.header.tsih = session_->tsih;
  }
  if (state_ != connection_state::logging_in) co_return;
  become(connection_state::full_feature);
  host_.logged_in(*this);
}

}  // namespace vds::iscsi
