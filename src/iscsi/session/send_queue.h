// send_queue.h: PDUs on their way to the peer, in order. One coroutine sends: everything that is ready goes out in one
// gathered write, data straight from the buffers of the commands, which are freed when it has returned.
// Sequence numbers are given when a PDU is gathered, so they are in order and the window is the newest.
// Thread: the stream's executor.
#pragma once

#include <optional>
#include <vector>

#include "io/stream.h"
#include "iscsi/pdu/bhs.h"
#include "iscsi/session/buffers.h"
#include "rt/sync.h"

namespace vds::iscsi {

enum class numbering : std::uint8_t {
  none,     // StatSN is reserved (Data-In without status)
  current,  // carries StatSN and does not use it up (R2T, our NOP-In)
  status,   // uses a StatSN
};

struct outgoing {
  bhs header;
  numbering number = numbering::status;
  io::const_buffer data{};  // lives in one of these two, of this PDU or a later one, or outlives the queue
  data_buffer buffer;
  std::vector<std::byte> bytes;  // if not empty, it is the data
};

struct command_window {
  std::uint32_t exp_cmd_sn = 0, max_cmd_sn = 0;
};

class send_queue {
 public:
  send_queue(io::stream& to, const command_window& window, std::size_t limit)
      : to_(to), window_(window), limit_(limit), work_(to.executor()), room_(to.executor()), idle_(to.executor()) {}

  void push(outgoing pdu);
  void push_last(outgoing pdu);  // and nothing that is pushed later
  void start_numbers(std::uint32_t stat_sn) { stat_sn_ = stat_sn; }
  std::uint32_t stat_sn() const noexcept { return stat_sn_; }
  std::size_t data_pushed() const noexcept { return data_pushed_; }  // bytes, ever
  void use_digests(bool header, bool data) { header_digest_ = header, data_digest_ = data; }

  // Sends until close(), then what is left is dropped; ends early if the stream fails.
  rt::task<status> run();
  void close();

  // Time to receive nothing more. Data buffers are bounded by their budget; everything else that waits, here.
  bool full() const noexcept { return waiting_.size() - sent_ >= limit_ || own_bytes_ >= max_own_bytes; }
  rt::task<void> wait_for_room();
  rt::task<void> flushed();  // everything pushed so far has been handed to the stream, or never will be
  // Since when one write has been in flight.
  std::optional<monotonic::time_point> writing_since() const noexcept { return writing_since_; }

 private:
  static constexpr std::size_t batch_pdus = 128, batch_bytes = 1u << 20, max_own_bytes = 1u << 20;
  void gather();
  bool nothing_waits() const noexcept { return sent_ == waiting_.size(); }
  void drop_waiting() {
    waiting_.clear();
    sent_ = 0;
  }

  io::stream& to_;
  const command_window& window_;
  const std::size_t limit_;
  std::size_t own_bytes_ = 0;  // of `bytes` in waiting_
  std::size_t data_pushed_ = 0;
  std::vector<outgoing> waiting_;
  std::size_t sent_ = 0;  // of waiting_, from its front
  std::vector<outgoing> batch_;
  struct tail {
    std::array<std::byte, 8> bytes;  // padding and data digest
    std::array<std::byte, 4> header_digest;
  };
  std::vector<tail> tails_;
  std::vector<io::const_buffer> pieces_;
  std::uint32_t stat_sn_ = 0;
  bool header_digest_ = false, data_digest_ = false;
  bool closed_ = false, complete_ = false;
  rt::event work_, room_, idle_;
  std::optional<monotonic::time_point> writing_since_;
};

}  // namespace vds::iscsi
