// The end of a session in good order: the initiator logs out, by itself or because it was asked to.
#include "base/log.h"
#include "iscsi/session/connection.h"

namespace vds::iscsi {

using enum connection_state;

rt::task<void> connection::on_logout(const bhs& h) {
  const auto pdu = as<logout_request_pdu>(h);
  if (!in_order(h, pdu.cmd_sn)) co_return;
  rt::start(run_logout(pdu));
}

rt::task<void> connection::run_logout(logout_request_pdu request) {
  auto held = gate_.hold();
  const int reason = request.flags & 0x7f;
  logout_response_pdu answer;
  answer.task_tag = request.task_tag;
  if (reason > 1) {
    answer.response = 2;  // connection recovery is not supported
    push(generic(answer));
    co_return;
  }
  // Commands that came before are seen through; there is nobody to take late data-out from any more.
  if (state_ == full_feature) become(logging_out);
  std::vector<scsi_task*> all;
  for (auto& [tag, t] : tasks_) {
    all.push_back(t);
    if (t->received < t->wanted || t->unsolicited_open) t->abort();
  }
  co_await wait_for(std::move(all));
  push(generic(answer));
  co_await queue_.flushed();
  if (state_ != logging_out) co_return;
  timer_ = executor_.run_at(executor_.now() + limits_.logout_linger, [this, alive = alive_] {
    if (*alive) drop("logged out");
  });
}

void connection::ask_to_log_out(std::string_view why) {
  if (state_ == closing || state_ == closed || leave_timer_ != 0) return;
  if (!serving_ || session_ == nullptr) return drop(why);
  const auto within = std::chrono::duration_cast<std::chrono::seconds>(limits_.logout_request);
  log::info("iscsi {}: {} is asked to log out: {}", peer_, agreed_.initiator_name, why);
  if (state_ == full_feature) {
    async_message_pdu ask;
    ask.event = static_cast<std::uint8_t>(async_event::logout_requested);
    ask.parameter3 = static_cast<std::uint16_t>(within.count());
    push(generic(ask));
  }
  leave_timer_ = executor_.run_at(executor_.now() + within, [this, alive = alive_, why = std::string(why)] {
    if (*alive) drop_with_notice(why);
  });
}

// It was asked in vain. The notice is for a peer that reads; one that does not is not waited for.
void connection::drop_with_notice(const std::string& why) {
  if (state_ != full_feature) return drop(why);
  log::warn("iscsi {}: {} did not log out in time", peer_, agreed_.initiator_name);
  async_message_pdu notice;
  notice.event = static_cast<std::uint8_t>(async_event::connection_dropped);
  notice.parameter1 = cid_;
  notice.parameter2 = static_cast<std::uint16_t>(agreed_.time_to_wait);
  outgoing last;
  last.header = generic(notice);
  queue_.push_last(std::move(last));
  leave_timer_ = executor_.run_at(executor_.now() + limits_.drop_notice, [this, alive = alive_, why] {
    if (*alive) drop(why);
  });
  rt::start([](connection& c, std::string reason) -> rt::task<void> {
    auto held = c.gate_.hold();
    co_await c.queue_.flushed();
    c.drop(reason);
  }(*this, why));
}

}  // namespace vds::iscsi
