// Text requests: SendTargets, and declarations that may change in full feature phase (RFC 7143 11.10, appendix C).
#include <fmt/format.h>

#include "iscsi/pdu/iscsi_name.h"
#include "iscsi/session/connection.h"

namespace vds::iscsi {
namespace {

constexpr std::size_t max_answer = 256u << 10;
constexpr std::uint32_t more_tag = 0x74657874;  // any value but the reserved one

}  // namespace

rt::task<void> connection::on_text(const bhs& h) {
  const auto pdu = as<text_request_pdu>(h);
  std::vector<std::byte> text(reader_.data_length());
  const io::buffer place[] = {text};
  auto fine = co_await reader_.data(place);
  if (!fine) co_return drop(fine.error().message());
  if (!*fine) {
    reject(h, reject_reason::data_digest_error);
    co_return;
  }
  if (!in_order(h, pdu.cmd_sn)) co_return;
  const bool continues = (pdu.flags & text_request_pdu::continue_bit) != 0, final = (pdu.flags & final_bit) != 0;
  const bool goes_on = pdu.transfer_tag != no_tag;
  if ((continues && final) || pdu.task_tag == no_tag || (goes_on && (pdu.task_tag != text_tag_)) ||
      text_in_.size() + text.size() > max_text_data) {
    text_in_.clear();
    text_out_.clear();
    text_tag_ = no_tag;
    reject(h, reject_reason::protocol_error);
    co_return;
  }
  if (!goes_on) {  // a new exchange; what was left of the last one is forgotten
    text_in_.clear();
    text_out_.clear();
  }
  text_tag_ = pdu.task_tag;
  text_in_.append(reinterpret_cast<const char*>(text.data()), text.size());
  if (continues) {
    text_response_pdu go_on;
    go_on.task_tag = pdu.task_tag;
    go_on.transfer_tag = more_tag;
    push(generic(go_on));
    co_return;
  }
  if (text_out_.empty() && !text_in_.empty()) {
    bool broken = false;
    text_out_ = text_answer(std::as_bytes(std::span(text_in_)), broken);
    text_in_.clear();
    if (broken) {
      text_tag_ = no_tag;
      reject(h, reject_reason::protocol_error);
      co_return;
    }
  }
  push_text(pdu.task_tag);
}

// As much of the answer as the initiator takes in one PDU; it asks for the rest.
void connection::push_text(be32 task_tag) {
  text_response_pdu r;
  r.task_tag = task_tag;
  const std::size_t n = std::min<std::size_t>(text_out_.size(), agreed_.max_send_data_segment);
  const auto* raw = reinterpret_cast<const std::byte*>(text_out_.data());
  std::vector<std::byte> piece(raw, raw + n);
  text_out_.erase(0, n);
  if (text_out_.empty()) {
    r.flags = final_bit;
    r.transfer_tag = no_tag;
    text_tag_ = no_tag;
  } else {
    r.flags = text_response_pdu::continue_bit;
    r.transfer_tag = more_tag;
  }
  push(generic(r), numbering::status, std::move(piece));
}

std::string connection::text_answer(std::span<const std::byte> text, bool& broken) {
  const auto pairs = parse_text(text);
  broken = !pairs.has_value();
  if (broken) return {};
  text_writer out(max_answer);
  negotiation keys(policy_, agreed_);
  for (const text_pair& pair : *pairs) {
    if (pair.key == "SendTargets") {
      describe_targets(pair.value, out);
      continue;
    }
    if (keys.take({&pair, 1}, stage::full_feature, out) != negotiated::agreed) broken = true;
  }
  broken = broken || out.overflowed();
  return out.take();
}

// Only what this initiator may use, at the addresses of the target's portals. No name makes a difference between a
// target that is not there and one that is not its.
void connection::describe_targets(std::string_view which, text_writer& out) {
  for (const auto& [t, addresses] : host_.visible_targets(agreed_.initiator_name, proven_, stream_->local_name())) {
    if (target_ != nullptr && t != target_) continue;  // a normal session hears of its own target
    if (!which.empty() && which != "All" && normalised_name(which) != normalised_name(t->iqn())) continue;
    if (which.empty() && target_ == nullptr) continue;
    out.add("TargetName", t->iqn());
    for (const std::string& a : addresses) out.add("TargetAddress", a);
  }
}

}  // namespace vds::iscsi
