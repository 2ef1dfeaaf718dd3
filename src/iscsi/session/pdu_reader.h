// pdu_reader.h: takes PDUs from a stream. Headers and small data pass through one buffer, so that one read brings many
// PDUs; large data goes straight to where it belongs. Lengths are checked before anything is read for them.
// An idle session has a small buffer. While a peer fills it at one stroke with small PDUs, a large one of the pool
// takes its place, and is given back as soon as it is empty. Thread: the stream's executor. One coroutine.
#pragma once

#include <optional>

#include "io/stream.h"
#include "iscsi/pdu/bhs.h"
#include "iscsi/pdu/header_check.h"
#include "iscsi/session/buffers.h"

namespace vds::iscsi {

class pdu_reader {
 public:
  pdu_reader(io::stream& from, buffer_pool& pool) : from_(from), pool_(pool), small_(small_capacity) {}
  ~pdu_reader() { pool_.give(std::move(large_)); }

  struct digests {
    bool header = false, data = false;
  };
  // The next PDU, if all of it has been received already and it has no AHS; its data is where it was received, and
  // stays until the next call of any other function. Nothing is taken and nothing is said about a PDU that must not be.
  struct whole {
    bhs header;
    std::span<const std::byte> data;
    std::size_t size = 0;  // of everything
  };
  std::optional<whole> peek(std::uint32_t max_data_segment, digests with) const;
  void take(const whole& w);
  // Waits until a header is there, and if it is a SCSI command whose data is small, all of it: then peek() finds it.
  rt::task<status> fill(std::uint32_t max_data_segment, digests with);
  bool has_header() const noexcept { return available() >= sizeof(bhs); }

  // The next header, with its AHS (kept until the next call). A failure ends the connection: disconnected, or protocol
  // for lengths that may not be, bad_checksum for a header digest that is wrong.
  rt::task<result<bhs>> header(phase where, std::uint32_t max_data_segment, digests with);
  std::span<const std::byte> ahs() const noexcept { return ahs_; }

  // The data segment that the last header announced, of which this is all: into the pieces in order, what does not fit
  // is read and forgotten. False: its digest is wrong.
  rt::task<result<bool>> data(std::span<const io::buffer> into);
  rt::task<result<bool>> skip_data() { return data({}); }
  std::uint32_t data_length() const noexcept { return data_length_; }

  std::uint64_t bytes_received() const noexcept { return received_; }

 private:
  static constexpr std::size_t small_capacity = 8192;        // an idle session costs little
  static constexpr std::size_t large_capacity = 256 * 1024;  // one stroke of a busy one
  static constexpr std::uint32_t small_data = 16 * 1024;     // above it, data is better received where it belongs
  rt::task<status> need(std::size_t bytes);
  rt::task<status> read_into(io::buffer into);
  std::size_t available() const noexcept { return end_ - begin_; }
  std::span<std::byte> room() noexcept { return large_.size() != 0 ? large_.span() : std::span(small_); }
  const std::byte* unread() const noexcept { return (large_.size() != 0 ? large_.data() : small_.data()) + begin_; }
  void consume(std::size_t bytes);
  void grow();

  io::stream& from_;
  buffer_pool& pool_;
  std::vector<std::byte> small_;
  io::aligned_buffer large_;
  std::size_t begin_ = 0, end_ = 0;
  std::vector<std::byte> ahs_;
  bool may_grow_ = false;  // not before login
  std::uint32_t data_length_ = 0;
  bool data_digest_ = false;
  std::uint64_t received_ = 0;
};

}  // namespace vds::iscsi
