// peer.h: an initiator that says what a step tells it to, right or wrong, and believes nothing that it hears: every
// PDU of the target is held against what was agreed on. A target that breaks the protocol ends the process.
// Thread: one manual_executor, driven from outside by settle().
#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/memory/memory_stream.h"
#include "iscsi/pdu/bhs.h"
#include "program.h"
#include "rt/manual_executor.h"

namespace vds::iscsi::fuzz {

using bytes = std::vector<std::byte>;

// Everything that is ready runs; a target that never comes to rest is one that hangs.
void settle(rt::manual_executor& ex);
[[noreturn]] void broken(const char* what);

struct identity {
  std::string initiator = "iqn.2026-01.t:i", target = "iqn.2026-01.t:t", secret = "a secret of ours";
  std::uint8_t isid = 1;
  bool discovery = false;
};

class peer {
 public:
  peer(rt::manual_executor& ex, std::unique_ptr<io::memory_stream> s, const agreement& terms);
  ~peer();

  bool log_in(const identity& who);  // true: full feature phase
  void write(const step& s);
  void read(const step& s);
  void data(const step& s);
  void manage(const step& s);
  void ping(const step& s);
  void text(const step& s);
  void logout(const step& s);
  void cdb(const step& s);
  void raw(const step& s);
  void other(const step& s);
  void resync();
  void cork(bool on);
  void take_answers(bool on) { takes_ = on; }
  void close();
  void hear();  // what has come: checked, and remembered

  bool gone() const noexcept { return closed_; }
  bool has_left() const noexcept { return left_; }
  bool lost();  // asks; true if the target has closed the connection
  // Whether every command that was sent must be answered as long as the connection lives.
  bool faithful() const noexcept { return honest() && !managed_ && !left_; }
  bool honest() const noexcept { return !loose_ && logged_in_; }
  void feed_everything();  // Data-Out for all that is owed
  std::size_t open_commands() const noexcept { return open_.size(); }
  // Pings and task management: answered without anything more from us.
  std::size_t open_requests() const noexcept { return requests_.size(); }
  // For an initiator that means well: the status of a command, -1 if it never came.
  int run(std::uint16_t lun, const std::vector<int>& cdb, bytes out = {}, std::uint32_t in = 0);
  const bytes& received() const noexcept { return received_; }  // data-in of the command before

 private:
  struct owed {  // Data-Out
    std::uint32_t tag, transfer_tag, offset, end, data_sn;
    lun_field lun;
  };
  struct asked {
    std::uint32_t expected_in, data_in = 0;
  };
  void emit(bhs h, bytes data, const step& how);
  bytes on_wire(const bhs& h, const bytes& ahs, const bytes& data) const;
  void send(bytes all);
  void pump();
  void send_data(owed& d, std::uint32_t piece, const step& how);
  void command(scsi_command_pdu c, bytes immediate, std::uint32_t owed_until, bool owe_later, const step& how);
  std::uint32_t take_cmd_sn(bool immediate) { return immediate ? cmd_sn_ : cmd_sn_++; }
  bool login_step(std::uint8_t flags, const std::string& said);
  void check(const bhs& h, const bytes& data);
  void on_command_answer(std::uint32_t tag);
  void on_async(const async_message_pdu& m, const bytes& data);
  std::string said(std::string_view key) const;  // in the last login response

  rt::manual_executor& ex_;
  std::unique_ptr<io::memory_stream> stream_;
  const agreement terms_;
  bool digests_ = false, logged_in_ = false, closed_ = false, takes_ = true, corked_ = false, sending_ = false;
  bool loose_ = false, managed_ = false, left_ = false;
  bool discovers_ = false, asked_to_leave_ = false, told_of_the_end_ = false;
  std::string isid_;
  bytes inbox_, outbox_, held_;
  bool first_number_ = true;
  std::uint32_t cmd_sn_ = 1, exp_cmd_sn_ = 1, exp_stat_sn_ = 0, max_cmd_sn_ = 0, tag_ = 0x100, ping_tag_ = no_tag;
  std::uint32_t text_tag_ = no_tag, text_transfer_tag_ = no_tag;
  std::uint16_t login_status_ = 0xffff;
  std::uint8_t login_flags_ = 0;
  std::string login_text_;
  std::deque<owed> owed_;
  std::map<std::uint32_t, asked> open_;
  std::set<std::uint32_t> requests_;
  int last_status_ = -1;
  std::uint32_t last_answered_ = no_tag;
  bytes received_;
};

}  // namespace vds::iscsi::fuzz
