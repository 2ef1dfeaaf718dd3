// connection.h: one TCP connection of an initiator, from accept to the moment when nothing of it is left. With
// MaxConnections=1 it is also the session. One coroutine receives, one sends (send_queue), one runs for each command
// and each task management request; all of them on the stream's executor, all of them inside gate_. Invariants: the
// receiver never waits for a command, so Data-Out always gets through; MaxCmdSN never goes back; an aborted command is
// not answered; run() returns only when no command can reach a LUN any more. Thread: the stream's executor.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/stream.h"
#include "iscsi/session/host.h"
#include "iscsi/session/limits.h"
#include "iscsi/session/login.h"
#include "iscsi/session/pdu_reader.h"
#include "iscsi/session/scsi_task.h"
#include "iscsi/session/send_queue.h"

namespace vds::iscsi {

enum class connection_state : std::uint8_t { logging_in, full_feature, logging_out, closing, closed };

class connection {
 public:
  connection(std::unique_ptr<io::stream> stream, session_host& host, buffer_pool& pool, const connection_limits& limits,
             login_policy policy);
  ~connection();

  rt::task<void> run();
  void drop(std::string_view why);  // idempotent
  // A session is asked to log out (RFC 7143 11.9), and served until it has; after limits.logout_request it is told that
  // it is dropped, and dropped. Whoever has no session yet, and a discovery session, is dropped at once. Idempotent.
  void ask_to_log_out(std::string_view why);

  connection_state state() const noexcept { return state_; }
  const std::string& peer() const noexcept { return peer_; }
  session_target* target() const noexcept { return target_.get(); }

 private:
  friend struct connection_table;
  using handler = rt::task<void> (connection::*)(const bhs&);

  void become(connection_state next, std::string_view why = {});

  // Login (connection_login.cc).
  rt::task<void> login_phase();
  rt::task<void> enter_full_feature(login& l, login_reply& reply);
  std::optional<login_facts> facts_for(const parameters& asked);
  rt::task<void> refusal_pause(monotonic::time_point asked);

  // Full feature phase, one per opcode.
  rt::task<void> receive();
  rt::task<void> on_nop_out(const bhs& h);
  rt::task<void> on_scsi_command(const bhs& h);
  rt::task<void> on_task_management(const bhs& h);
  rt::task<void> on_text(const bhs& h);
  rt::task<void> on_data_out(const bhs& h);
  rt::task<void> on_logout(const bhs& h);
  rt::task<void> on_snack(const bhs& h);

  // Commands (connection_commands.cc).
  bool in_order(const bhs& h, std::uint32_t cmd_sn);
  std::shared_ptr<lun> find_unit(const lun_field& address, std::uint32_t& number);
  void describe(scsi_task& t, const bhs& h, const scsi_command_pdu& pdu);
  void allocate_data_out(scsi_task& t);
  rt::task<void> run_command(std::unique_ptr<scsi_task> t);
  rt::task<void> perform(scsi_task& t);
  rt::task<void> collect(scsi_task& t, bool go_on);
  void request_data(scsi_task& t);
  void answer(scsi_task& t);
  void retire(scsi_task& t);

  // Commands that need not wait (immediate_commands.cc).
  bool do_whole_command();
  bool finish_at_once(scsi_task& t);

  // Task management (task_management.cc).
  rt::task<void> run_task_management(task_management_pdu request);
  rt::task<task_response> manage(task_management_pdu request);
  rt::task<void> abort_own(std::uint32_t lun_number, bool all);
  rt::task<void> reset_unit(std::shared_ptr<lun> unit);
  rt::task<void> wait_for(std::vector<scsi_task*> victims);

  // Text (discovery.cc).
  std::string text_answer(std::span<const std::byte> text, bool& broken);
  void describe_targets(std::string_view which, text_writer& out);
  void push_text(be32 task_tag);

  void reject(const bhs& h, reject_reason why);
  void push(bhs header, numbering number = numbering::status, std::vector<std::byte> bytes = {});
  // Logout (logout.cc).
  rt::task<void> run_logout(logout_request_pdu request);
  void drop_with_notice(const std::string& why);

  void abort_everything();
  void schedule_tick();
  void tick();
  rt::task<void> leave_units();

  std::unique_ptr<io::stream> stream_;
  rt::executor& executor_;
  session_host& host_;
  buffer_pool& pool_;
  const connection_limits limits_;
  const login_policy policy_;
  const std::string peer_;
  connection_state state_ = connection_state::logging_in;

  pdu_reader reader_;
  command_window window_;
  send_queue queue_;
  rt::gate gate_;
  byte_budget budget_;

  parameters agreed_;
  std::shared_ptr<session_target> target_;  // null in a discovery session
  chap_accounts proven_;
  rt::event dropped_;  // ends a pause
  std::shared_ptr<session_record> session_;
  std::uint16_t cid_ = 0;
  bool serving_ = false;  // the last login response has gone out

  std::unordered_map<std::uint32_t, scsi_task*> tasks_;  // by Initiator Task Tag
  std::uint64_t last_serial_ = 0;
  std::uint32_t last_transfer_tag_ = 0;
  std::uint32_t in_window_ = 0, immediate_ = 0;  // commands under way
  std::uint32_t managing_ = 0;                   // task management requests under way

  struct seen_unit {
    std::shared_ptr<lun> unit;
    std::uint64_t generation;
  };
  std::unordered_map<std::uint32_t, seen_unit> units_;
  std::vector<std::shared_ptr<lun>> former_units_;  // masked away or replaced since; told when the session ends

  std::string text_in_;   // of a text request that continues
  std::string text_out_;  // what is left to say
  std::uint32_t text_tag_ = no_tag;

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for timers that fire when we are gone
  rt::executor::timer_id timer_ = 0, leave_timer_ = 0;          // leave_timer_: none, until it is asked to log out
  std::uint64_t heard_bytes_ = 0;
  monotonic::time_point heard_at_{}, pinged_at_{};
  std::uint32_t ping_tag_ = no_tag;
};

}  // namespace vds::iscsi
