// scsi_task.h: a SCSI command of one session, while it is under way: its tags, and the collecting of its data-out from
// immediate data, unsolicited Data-Out and R2T bursts.
// Owner: the coroutine connection::run_command. Thread: the connection's executor, except abort_requested().
#pragma once

#include <cstdint>
#include <vector>

#include "iscsi/pdu/bhs.h"
#include "iscsi/scsi/command.h"
#include "iscsi/session/buffers.h"
#include "rt/sync.h"

namespace vds::iscsi {

class scsi_task final : public command {
 public:
  scsi_task(rt::executor& ex, const scsi_command_pdu& request, std::uint64_t serial)
      : executor_(ex),
        tag(request.task_tag),
        lun_address(request.lun),
        cmd_sn(request.cmd_sn),
        serial(serial),
        progress_(ex) {}

  // The LUN wants it gone: wakes collect() on the connection's executor.
  void abort_requested() override;
  void abort();  // the same, from the connection's executor
  bool settled() const noexcept { return wakes_.load(std::memory_order_acquire) == 0; }

  // Where `size` bytes at `offset` of the data-out go; what lies beyond what the command takes goes nowhere.
  std::vector<io::buffer> places(std::uint32_t offset, std::uint32_t size);

  // A Data-Out header: false if it breaks the order that was agreed on. Then its data goes nowhere, and the command
  // ends.
  bool expects(const data_out_pdu& pdu, std::uint32_t first_burst) const;
  void arrived(const data_out_pdu& pdu, std::uint32_t size);
  void immediate_arrived(std::uint32_t size) { received += size; }
  void data_failed(sense why);
  auto& progress() noexcept { return progress_; }

 private:
  rt::executor& executor_;

 public:
  const std::uint32_t tag;
  const lun_field lun_address;
  const std::uint32_t cmd_sn;
  const std::uint64_t serial;  // in order of arrival
  std::uint32_t lun_number = 0;
  std::shared_ptr<lun> unit;  // null: does not exist for this initiator
  bool immediate = false;

  std::uint32_t wanted = 0;    // bytes of data-out that the command takes
  std::uint32_t received = 0;  // of the data-out, in order, wanted or not
  bool unsolicited_open = false;
  std::uint32_t next_data_sn = 0, r2t_sn = 0;
  std::uint32_t transfer_tag = no_tag;  // of the R2T outstanding
  std::uint32_t burst_end = 0;          // offset where it ends
  bool receiving = false;               // the receiver is writing into our buffers
  data_buffer first, rest;              // data-out; or `first` the data-in
  std::optional<sense> data_problem;
  std::vector<drain*> drains;  // task management of this session that waits for us

 private:
  std::atomic<int> wakes_{0};
  rt::event progress_;  // pulsed: data came, or failed, or the command was aborted
};

}  // namespace vds::iscsi
