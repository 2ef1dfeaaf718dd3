// Commands that need not wait for anything: a READ or WRITE that has come with all of its data, for a LUN on this
// executor whose device does it at once. It is received, done and answered in one stroke: no coroutine, no copy of its
// data, no entry in any list, since nobody can see it between its beginning and its end. Whatever is not plain goes the
// long way (connection_commands.cc), which knows everything; a command is refused here only if it would be refused
// there.
#include "iscsi/scsi/dispatch.h"
#include "iscsi/session/connection.h"
#include "iscsi/session/lun_address.h"

namespace vds::iscsi {

// The next command, if all of it is there. False: it is for the long way; nothing was taken.
bool connection::do_whole_command() {
  if (state_ != connection_state::full_feature || target_ == nullptr) return false;
  const auto w = reader_.peek(agreed_.max_recv_data_segment, {agreed_.header_digest, agreed_.data_digest});
  if (!w || w->header.op() != opcode::scsi_command || w->header.immediate() || !w->header.final()) return false;
  const auto pdu = as<scsi_command_pdu>(w->header);
  const std::size_t length = w->data.size();
  if (pdu.task_tag == no_tag || pdu.reads() == pdu.writes()) return false;
  if (length != (pdu.writes() ? std::uint32_t{pdu.expected_length} : 0)) return false;
  if (length != 0 && (!agreed_.immediate_data || length > agreed_.first_burst)) return false;
  if (pdu.cmd_sn != window_.exp_cmd_sn || serial_before(window_.max_cmd_sn, pdu.cmd_sn)) return false;
  if (!tasks_.empty() && tasks_.contains(pdu.task_tag)) return false;
  const auto number = lun_number(pdu.lun);
  if (!number) return false;
  const auto seen = units_.find(*number);
  if (seen == units_.end() || seen->second.generation != target_->map_generation()) return false;
  lun& unit = *seen->second.unit;
  if (&unit.executor() != &executor_) return false;

  scsi_task t(executor_, pdu, 0);
  describe(t, w->header, pdu);
  prepare(unit, t);
  if (t.op == nullptr || t.planned.bad) return false;
  if (pdu.reads()) {
    if (t.planned.in_bytes == 0 || t.planned.in_bytes != t.expected_in) return false;
    if (!budget_.try_take(t.expected_in)) return false;
    t.first = data_buffer(pool_, t.expected_in, &budget_, t.expected_in);
    t.data_in = t.first.span();
  } else {
    if (length == 0 || t.planned.out_bytes != length || t.planned.taken != length) return false;
    t.data_out = {w->data};
  }
  if (!unit.try_run(t)) return false;
  reader_.take(*w);
  ++window_.exp_cmd_sn;
  ++window_.max_cmd_sn;
  answer(t);
  return true;
}

// A WRITE whose data has arrived in its buffer.
bool connection::finish_at_once(scsi_task& t) {
  if (state_ != connection_state::full_feature || t.unit == nullptr || &t.unit->executor() != &executor_) return false;
  if (t.wanted == 0 || t.received < t.wanted || t.first.size() != t.wanted || t.unsolicited_open) return false;
  if (t.planned.bad || t.data_problem || t.aborted() || !t.drains.empty()) return false;
  t.data_out = {t.first.span()};
  return t.unit->try_run(t);
}

}  // namespace vds::iscsi
