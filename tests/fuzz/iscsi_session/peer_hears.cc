// What an initiator hears, and its login, which depends on that.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/checksum.h"
#include "chap_response.h"
#include "peer.h"

namespace vds::iscsi::fuzz {
namespace {

std::string pairs(std::initializer_list<std::string> all) {
  std::string out;
  for (const std::string& p : all) out += p + '\0';
  return out;
}

bytes as_bytes(std::string_view s) {
  const auto* raw = reinterpret_cast<const std::byte*>(s.data());
  return {raw, raw + s.size()};
}

}  // namespace

std::string peer::said(std::string_view key) const {
  const std::string lead = std::string(key) + '=';
  for (std::size_t at = 0; at < login_text_.size();) {
    const std::size_t end = std::min(login_text_.find('\0', at), login_text_.size());
    if (login_text_.compare(at, lead.size(), lead) == 0)
      return login_text_.substr(at + lead.size(), end - at - lead.size());
    at = end + 1;
  }
  return {};
}

bool peer::login_step(std::uint8_t flags, const std::string& text) {
  login_request_pdu r;
  r.flags = flags;
  r.isid = {0x80, 1, 2, 3, 4, static_cast<std::uint8_t>(isid_[0])};
  r.task_tag = 0x10u;
  r.cid = 1;
  r.cmd_sn = cmd_sn_;
  r.exp_stat_sn = exp_stat_sn_;
  login_status_ = 0xffff;
  emit(generic(r), as_bytes(text), {});
  settle(ex_);
  hear();
  if (login_status_ == 0xffff && !closed_) {
    ex_.advance(600ms);  // a refusal comes half a second later
    hear();
  }
  if (login_status_ == 0) return true;
  loose_ = true;
  return false;
}

bool peer::log_in(const identity& who) {
  discovers_ = who.discovery;
  isid_.assign(1, static_cast<char>(who.isid));
  const std::string names =
      who.discovery ? pairs({"InitiatorName=" + who.initiator, "SessionType=Discovery"})
                    : pairs({"InitiatorName=" + who.initiator, "TargetName=" + who.target, "SessionType=Normal"});
  if (terms_.chap) {
    if (!login_step(0x00, names + pairs({"AuthMethod=CHAP,None"})) || !login_step(0x00, pairs({"CHAP_A=7,5"})))
      return false;
    const auto challenge = decode_binary(said("CHAP_C"), 64);
    if (!challenge) broken("no challenge");
    const std::string proof = testing::chap_response(std::atoi(said("CHAP_A").c_str()),
                                                     std::atoi(said("CHAP_I").c_str()), who.secret, *challenge);
    if (!login_step(0x81, pairs({"CHAP_N=" + who.initiator, "CHAP_R=" + proof}))) return false;
  } else if (!login_step(0x81, names + pairs({"AuthMethod=None"}))) {
    return false;
  }
  const auto digest = [](bool on) { return std::string(on ? "CRC32C" : "None"); };
  const auto yes = [](bool on) { return std::string(on ? "Yes" : "No"); };
  std::string keys = pairs({"HeaderDigest=" + digest(terms_.header_digest), "DataDigest=" + digest(terms_.data_digest),
                            "MaxRecvDataSegmentLength=" + std::to_string(terms_.max_recv())});
  if (!who.discovery)
    keys += pairs({"InitialR2T=" + yes(terms_.initial_r2t), "ImmediateData=" + yes(terms_.immediate_data),
                   "MaxBurstLength=" + std::to_string(terms_.max_burst()),
                   "FirstBurstLength=" + std::to_string(terms_.first_burst())});
  if (!login_step(0x87, keys) || login_flags_ != 0x87) return false;
  return logged_in_ = true;
}

void peer::hear() {
  if (!takes_ || closed_) return;
  std::byte some[16384];
  for (bool settled = false, quiet = false; !settled;) {
    const std::size_t n = stream_->take_what_is_there(some);
    inbox_.insert(inbox_.end(), some, some + n);
    if (n != 0) {
      quiet = false;
      continue;
    }
    settle(ex_);  // who waited for room goes on
    settled = std::exchange(quiet, true);
  }
  std::size_t at = 0;
  for (;;) {
    const std::span<const std::byte> left = std::span<const std::byte>(inbox_).subspan(at);
    const std::size_t head = sizeof(bhs) + (digests_ && terms_.header_digest ? 4 : 0);
    if (left.size() < head) break;
    bhs h;
    std::memcpy(&h, left.data(), sizeof h);
    const std::size_t length = h.data_length, room = padded(length);
    if (h.ahs_words != 0) broken("the target sent an AHS");
    if (h.op() == opcode::login_response ? length > 8192 : !loose_ && length > terms_.max_recv())
      broken("more data than was declared");
    const std::size_t whole = head + room + (digests_ && terms_.data_digest && length != 0 ? 4 : 0);
    if (left.size() < whole) break;
    if (head != sizeof h && crc32c(left.first(sizeof h)) != load<le32>(&left[sizeof h])) broken("header digest");
    if (whole != head + room && crc32c(left.subspan(head, room)) != load<le32>(&left[head + room]))
      broken("data digest");
    for (std::size_t i = length; i < room; ++i)
      if (left[head + i] != std::byte{0}) broken("padding is not zero");
    const auto content = left.subspan(head, length);
    at += whole;
    check(h, bytes(content.begin(), content.end()));
  }
  inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(at));
}

void peer::on_command_answer(std::uint32_t tag) {
  if (open_.erase(tag) == 0 && !loose_) broken("an answer to a command that was answered or never sent");
  std::erase_if(owed_, [tag](const owed& d) { return d.tag == tag; });
}

// The target asks for a logout once, may then say that it drops the connection, and says nothing else ever after.
void peer::on_async(const async_message_pdu& m, const bytes& data) {
  if (m.task_tag != no_tag || m.flags != final_bit || m.lun != lun_field{} || !data.empty())
    broken("an asynchronous message that is none");
  if (!logged_in_ || discovers_) broken("an asynchronous message outside of a session");
  switch (static_cast<async_event>(m.event)) {
    case async_event::logout_requested:
      if (asked_to_leave_) broken("asked to log out twice");
      if (m.parameter1 != 0 || m.parameter2 != 0 || m.parameter3 == 0) broken("asked to log out in no time");
      asked_to_leave_ = true;
      return;
    case async_event::connection_dropped:
      if (!asked_to_leave_) broken("dropped without having been asked to log out");
      if (m.parameter1 != 1 || m.parameter3 != 0) broken("told of the end of another connection");
      told_of_the_end_ = true;
      return;
    default:
      broken("an asynchronous message that this target does not send");
  }
}

void peer::check(const bhs& h, const bytes& data) {
  if (told_of_the_end_) broken("the target drops the connection, and goes on talking");
  const auto numbers = as<nop_in>(h);  // at the same place in all
  const opcode op = h.op();
  const bool counted = op != opcode::r2t && !(op == opcode::nop_in && numbers.task_tag == no_tag) &&
                       (op != opcode::data_in || (h.flags & data_in_pdu::status_bit) != 0);
  if (counted) {
    if (!first_number_ && numbers.stat_sn != exp_stat_sn_) broken("StatSN out of order");
    first_number_ = false;
    exp_stat_sn_ = numbers.stat_sn + 1;
  }
  if (logged_in_ && (serial_before(numbers.max_cmd_sn, max_cmd_sn_) || serial_before(numbers.exp_cmd_sn, exp_cmd_sn_)))
    broken("the window went back");
  max_cmd_sn_ = numbers.max_cmd_sn;
  exp_cmd_sn_ = numbers.exp_cmd_sn;
  switch (op) {
    case opcode::login_response: {
      const auto r = as<login_response_pdu>(h);
      login_status_ = r.status;
      login_flags_ = r.flags;
      login_text_.assign(reinterpret_cast<const char*>(data.data()), data.size());
      if (r.status == 0 && r.flags == 0x87) digests_ = true;
      return;
    }
    case opcode::scsi_response: {
      const auto r = as<scsi_response_pdu>(h);
      if (!data.empty() && (data.size() < 2 || data.size() != 2u + load<be16>(data.data())))
        broken("sense data of another length than it says");
      if (r.status == 2 && data.empty()) broken("CHECK CONDITION without sense data");
      if (!loose_ && data.size() > 15 && (data[14] == std::byte{0x4b} || data[14] == std::byte{0x47}))
        broken("data that came as agreed was refused");
      last_status_ = r.status, last_answered_ = r.task_tag;
      return on_command_answer(r.task_tag);
    }
    case opcode::data_in: {
      const auto d = as<data_in_pdu>(h);
      const auto at = open_.find(d.task_tag);
      if (!loose_ && (at == open_.end() || d.buffer_offset != at->second.data_in ||
                      d.buffer_offset + data.size() > at->second.expected_in))
        broken("Data-In that nobody asked for");
      if (at != open_.end()) at->second.data_in += static_cast<std::uint32_t>(data.size());
      if (d.buffer_offset == 0) received_.clear();
      received_.insert(received_.end(), data.begin(), data.end());
      if ((d.flags & data_in_pdu::status_bit) == 0) return;
      last_status_ = d.status, last_answered_ = d.task_tag;
      return on_command_answer(d.task_tag);
    }
    case opcode::r2t: {
      const auto r = as<r2t_pdu>(h);
      if (r.desired_length == 0 || r.desired_length > terms_.max_burst()) broken("an R2T of a length that cannot be");
      if (!loose_ && !open_.contains(r.task_tag)) broken("an R2T for no command");
      owed_.push_back({r.task_tag, r.transfer_tag, r.buffer_offset, r.buffer_offset + r.desired_length, 0, r.lun});
      if (owed_.size() > 1024) broken("more R2Ts than commands");
      return;
    }
    case opcode::nop_in:
      requests_.erase(numbers.task_tag);
      if (numbers.task_tag == no_tag) ping_tag_ = numbers.transfer_tag;
      return;
    case opcode::text_response:
      text_transfer_tag_ = as<text_response_pdu>(h).transfer_tag;
      return;
    case opcode::reject: {
      if (data.size() != sizeof(bhs)) broken("a Reject without the header that it is about");
      bhs about;
      std::memcpy(&about, data.data(), sizeof about);
      if (about.op() == opcode::scsi_command) open_.erase(about.task_tag);
      requests_.erase(about.task_tag);
      return;
    }
    case opcode::task_management_response:
      requests_.erase(h.task_tag);
      return;
    case opcode::async_message:
      return on_async(as<async_message_pdu>(h), data);
    case opcode::logout_response:
      return;
    default:
      broken("a PDU that no target sends");
  }
}

}  // namespace vds::iscsi::fuzz
