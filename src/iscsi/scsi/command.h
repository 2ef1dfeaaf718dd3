// command.h: one SCSI command from its arrival to its answer, as the session and the LUN share it.
// Owner: the session's coroutine for the command, which fills the input, moves the data and sends the answer. Between
// lun::enter() and lun::leave() it also stands in the LUN's task set, which may ask it to abort.
// Thread: the session's executor, except while a lun function runs on it; then the LUN's.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/endian.h"
#include "base/units.h"
#include "io/block_device.h"
#include "iscsi/scsi/nexus.h"
#include "iscsi/scsi/sense.h"

namespace vds::iscsi {

struct operation;
class lun;
class lun_directory;

enum class task_attribute : std::uint8_t { untagged = 0, simple = 1, ordered = 2, head_of_queue = 3, aca = 4 };

// What a CDB asks for, as far as it can be said without touching the device.
struct plan {
  std::uint64_t out_bytes = 0;  // data-out that the CDB asks for
  std::uint64_t taken = 0;      // data-out that the command takes: less if the initiator sends less (prepare())
  bool may_be_cut = false;      // it can do with less, in whole blocks
  std::uint64_t in_bytes = 0;   // room for blocks that are read; other answers make their own room (reply)
  lba at{};                     // the blocks it touches
  block_count count{};
  bool bad = false;  // `why` is the answer
  sense why;
};

// A TMF that waits for commands to leave: counts them down on the LUN's executor.
struct drain {
  std::size_t left = 0;
  std::coroutine_handle<> waiter{};
};

class command {
 public:
  command() = default;
  command(const command&) = delete;
  command& operator=(const command&) = delete;

  // Input, before enter().
  nexus* from = nullptr;
  std::array<std::byte, 16> cdb{};
  task_attribute attribute = task_attribute::simple;
  const operation* op = nullptr;  // null: no such operation
  plan planned;
  std::uint32_t expected_out = 0, expected_in = 0;  // bytes the initiator will send, and take
  bool on_behalf = false;                           // part of another command of its nexus (EXTENDED COPY)
  const lun_directory* directory = nullptr;         // for commands that name other LUNs; null: there are none
  std::vector<std::uint32_t> inventory;             // LUN numbers its initiator may see; for REPORT LUNS only
  std::vector<io::const_buffer> data_out;           // when execute() is called: planned.taken in all
  io::buffer data_in;  // room for planned.in_bytes, or for the blocks that expected_in covers

  // Answer.
  scsi_status status = scsi_status::good;
  std::optional<sense> problem;
  bool descriptor_sense = false;
  std::size_t data_in_size = 0;  // bytes of data_in that were filled
  std::vector<std::byte> reply;  // or this
  std::uint64_t full_size = 0;   // what the command would have returned, for the residual; set with either

  std::uint8_t byte(std::size_t i) const noexcept { return std::to_integer<std::uint8_t>(cdb[i]); }
  bool bit(std::size_t i, int b) const noexcept { return (byte(i) >> b & 1) != 0; }
  template <class Ordered>
  auto get(std::size_t i) const noexcept {
    return load<Ordered>(cdb.data() + i);
  }

  void fail(sense s) {
    status = scsi_status::check_condition;
    problem = s;
    reply.clear();
    data_in_size = 0;
    full_size = 0;
  }
  void fail(scsi_status s) {
    status = s;
    reply.clear();
    data_in_size = 0;
    full_size = 0;
  }
  // An answer of this many bytes at most (ALLOCATION LENGTH).
  void answer(std::vector<std::byte> bytes, std::uint64_t allocation) {
    if (bytes.size() > allocation) bytes.resize(allocation);
    full_size = bytes.size();
    reply = std::move(bytes);
  }

  // Any thread. An aborted command does nothing more to the device once it has seen it, and is not answered.
  bool aborted() const noexcept { return aborted_.load(std::memory_order_acquire) != 0; }
  // silently: task management asked for it, or nobody is there any more. Otherwise the LUN has gone, and says so.
  void mark_aborted(bool silently = true) noexcept { aborted_.fetch_or(silently ? 3 : 1, std::memory_order_acq_rel); }
  bool silenced() const noexcept { return (aborted_.load(std::memory_order_acquire) & 2) != 0; }

  // The LUN's executor: the command was marked; whoever waits for its data should look. Overridden by the session.
  virtual void abort_requested() {}

 protected:
  ~command() = default;

 private:
  friend class task_set;
  std::atomic<std::uint8_t> aborted_{0};
  command* next_ = nullptr;
  command* previous_ = nullptr;
  bool registered_ = false;
  std::vector<drain*> drains_;
};

}  // namespace vds::iscsi
