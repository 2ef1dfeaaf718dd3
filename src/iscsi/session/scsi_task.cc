#include "iscsi/session/scsi_task.h"

#include <algorithm>

#include "iscsi/scsi/lun.h"

namespace vds::iscsi {

void scsi_task::abort_requested() {
  // We stay until this has run: run_command() waits for settled().
  wakes_.fetch_add(1, std::memory_order_acq_rel);
  executor_.post([this] {
    progress_.set();
    wakes_.fetch_sub(1, std::memory_order_acq_rel);
  });
}

void scsi_task::abort() {
  mark_aborted();
  progress_.set();
  // It may be waiting for its turn behind an ORDERED command, or be that command.
  if (unit != nullptr) unit->executor().post([u = unit] { u->wake(); });
}

std::vector<io::buffer> scsi_task::places(std::uint32_t offset, std::uint32_t size) {
  std::vector<io::buffer> out;
  for (io::buffer b : {first.span(), rest.span()}) {
    if (offset >= b.size()) {
      offset -= static_cast<std::uint32_t>(b.size());
      continue;
    }
    b = b.subspan(offset);
    offset = 0;
    if (b.size() > size) b = b.first(size);
    size -= static_cast<std::uint32_t>(b.size());
    if (!b.empty()) out.push_back(b);
  }
  return out;
}

bool scsi_task::expects(const data_out_pdu& pdu, std::uint32_t first_burst) const {
  const std::uint64_t end = std::uint64_t{received} + pdu.data_length;
  if (pdu.buffer_offset != received || pdu.data_sn != next_data_sn) return false;
  if (pdu.transfer_tag == no_tag) return unsolicited_open && end <= std::min(first_burst, expected_out);
  return transfer_tag != no_tag && pdu.transfer_tag == transfer_tag && end <= burst_end &&
         (!pdu.final() || end == burst_end);
}

void scsi_task::arrived(const data_out_pdu& pdu, std::uint32_t size) {
  received += size;
  ++next_data_sn;
  const bool burst_is_there = pdu.transfer_tag != no_tag && received == burst_end;
  if (!pdu.final() && !burst_is_there) return;
  next_data_sn = 0;
  if (pdu.transfer_tag == no_tag)
    unsolicited_open = false;
  else
    transfer_tag = no_tag;
  progress_.set();
}

void scsi_task::data_failed(sense why) {
  if (!data_problem) data_problem = why;
  unsolicited_open = false;
  transfer_tag = no_tag;
  progress_.set();
}

}  // namespace vds::iscsi
