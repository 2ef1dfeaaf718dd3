// bhs.h: the Basic Header Segment of every iSCSI PDU (RFC 7143 section 11) as structs of 48 bytes, exactly as on the
// wire. A received header is untrusted: nothing here checks values. Reserved fields are zero because every struct is
// value-initialised before it is sent.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/endian.h"

namespace vds::iscsi {

enum class opcode : std::uint8_t {
  nop_out = 0x00,
  scsi_command = 0x01,
  task_management = 0x02,
  login_request = 0x03,
  text_request = 0x04,
  data_out = 0x05,
  logout_request = 0x06,
  snack = 0x10,
  nop_in = 0x20,
  scsi_response = 0x21,
  task_management_response = 0x22,
  login_response = 0x23,
  text_response = 0x24,
  data_in = 0x25,
  logout_response = 0x26,
  r2t = 0x31,
  async_message = 0x32,
  reject = 0x3f,
};

inline constexpr std::uint32_t no_tag = 0xffffffff;  // "reserved" Initiator or Target Transfer Tag
inline constexpr std::uint8_t immediate_bit = 0x40;
inline constexpr std::uint8_t final_bit = 0x80;

using lun_field = std::array<std::uint8_t, 8>;
using isid_field = std::array<std::uint8_t, 6>;

// What all PDUs share; the specific fields are at their places in the structs below.
struct bhs {
  std::uint8_t opcode_byte = 0;  // I bit and opcode
  std::uint8_t flags = 0;
  std::array<std::uint8_t, 2> specific{};
  std::uint8_t ahs_words = 0;  // TotalAHSLength, in units of four bytes
  be24 data_length;            // DataSegmentLength, without padding
  lun_field lun{};
  be32 task_tag;
  std::array<std::uint8_t, 28> rest{};

  opcode op() const noexcept { return static_cast<opcode>(opcode_byte & 0x3f); }
  bool immediate() const noexcept { return (opcode_byte & immediate_bit) != 0; }
  bool final() const noexcept { return (flags & final_bit) != 0; }
};
static_assert(sizeof(bhs) == 48 && alignof(bhs) == 1);

struct nop_out {
  std::uint8_t opcode_byte = 0, flags = final_bit;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, transfer_tag, cmd_sn, exp_stat_sn;
  std::array<std::uint8_t, 16> reserved2{};
};

struct nop_in {
  std::uint8_t opcode_byte = 0x20, flags = final_bit;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::array<std::uint8_t, 12> reserved2{};
};

struct scsi_command_pdu {
  static constexpr std::uint8_t read_bit = 0x40, write_bit = 0x20, attribute_mask = 0x07;
  std::uint8_t opcode_byte = 0x01, flags = 0;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, expected_length, cmd_sn, exp_stat_sn;
  std::array<std::uint8_t, 16> cdb{};

  bool reads() const noexcept { return (flags & read_bit) != 0; }
  bool writes() const noexcept { return (flags & write_bit) != 0; }
  bool final() const noexcept { return (flags & final_bit) != 0; }
};

struct scsi_response_pdu {
  static constexpr std::uint8_t overflow_bit = 0x04, underflow_bit = 0x02;
  std::uint8_t opcode_byte = 0x21, flags = final_bit, response = 0, status = 0;
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field reserved1{};
  be32 task_tag, snack_tag, stat_sn, exp_cmd_sn, max_cmd_sn, exp_data_sn, bidi_residual, residual;
};

enum class task_function : std::uint8_t {
  abort_task = 1,
  abort_task_set = 2,
  clear_aca = 3,
  clear_task_set = 4,
  logical_unit_reset = 5,
  target_warm_reset = 6,
  target_cold_reset = 7,
  task_reassign = 8,
};

enum class task_response : std::uint8_t {
  complete = 0,
  no_such_task = 1,
  no_such_lun = 2,
  task_still_allegiant = 3,
  reassign_not_supported = 4,
  function_not_supported = 5,
  authorization_failed = 6,
  rejected = 255,
};

struct task_management_pdu {
  std::uint8_t opcode_byte = 0x02, flags = final_bit;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, referenced_tag, cmd_sn, exp_stat_sn, ref_cmd_sn, exp_data_sn;
  std::array<std::uint8_t, 8> reserved2{};
};

struct task_management_response_pdu {
  std::uint8_t opcode_byte = 0x22, flags = final_bit, response = 0, reserved0 = 0;
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field reserved1{};
  be32 task_tag, reserved2, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::array<std::uint8_t, 12> reserved3{};
};

struct data_out_pdu {
  std::uint8_t opcode_byte = 0x05, flags = 0;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, transfer_tag, reserved2, exp_stat_sn, reserved3, data_sn, buffer_offset, reserved4;

  bool final() const noexcept { return (flags & final_bit) != 0; }
};

struct data_in_pdu {
  static constexpr std::uint8_t overflow_bit = 0x04, underflow_bit = 0x02, status_bit = 0x01;
  std::uint8_t opcode_byte = 0x25, flags = 0, reserved0 = 0, status = 0;
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn, data_sn, buffer_offset, residual;
};

struct r2t_pdu {
  std::uint8_t opcode_byte = 0x31, flags = final_bit;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn, r2t_sn, buffer_offset, desired_length;
};

enum class async_event : std::uint8_t {
  scsi = 0,
  logout_requested = 1,     // parameter3: within so many seconds
  connection_dropped = 2,   // parameter1: CID, parameter2: Time2Wait, parameter3: Time2Retain
  connections_dropped = 3,  // all of the session
  negotiation_requested = 4,
  vendor = 255,
};

struct async_message_pdu {
  std::uint8_t opcode_byte = 0x32, flags = final_bit;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag = no_tag, reserved2, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::uint8_t event = 0, vendor_code = 0;
  be16 parameter1, parameter2, parameter3;
  be32 reserved3;
};

struct text_request_pdu {
  static constexpr std::uint8_t continue_bit = 0x40;
  std::uint8_t opcode_byte = 0x04, flags = 0;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, transfer_tag, cmd_sn, exp_stat_sn;
  std::array<std::uint8_t, 16> reserved2{};
};

struct text_response_pdu {
  static constexpr std::uint8_t continue_bit = 0x40;
  std::uint8_t opcode_byte = 0x24, flags = 0;
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field lun{};
  be32 task_tag, transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::array<std::uint8_t, 12> reserved2{};
};

struct login_request_pdu {
  static constexpr std::uint8_t transit_bit = 0x80, continue_bit = 0x40;
  std::uint8_t opcode_byte = 0x43, flags = 0, version_max = 0, version_min = 0;
  std::uint8_t ahs_words = 0;
  be24 data_length;
  isid_field isid{};
  be16 tsih;
  be32 task_tag;
  be16 cid, reserved1;
  be32 cmd_sn, exp_stat_sn;
  std::array<std::uint8_t, 16> reserved2{};

  bool transit() const noexcept { return (flags & transit_bit) != 0; }
  bool continues() const noexcept { return (flags & continue_bit) != 0; }
  std::uint8_t current_stage() const noexcept { return flags >> 2 & 3; }
  std::uint8_t next_stage() const noexcept { return flags & 3; }
};

struct login_response_pdu {
  std::uint8_t opcode_byte = 0x23, flags = 0, version_max = 0, version_active = 0;
  std::uint8_t ahs_words = 0;
  be24 data_length;
  isid_field isid{};
  be16 tsih;
  be32 task_tag, reserved1, stat_sn, exp_cmd_sn, max_cmd_sn;
  be16 status;  // class and detail
  std::array<std::uint8_t, 10> reserved2{};
};

struct logout_request_pdu {
  std::uint8_t opcode_byte = 0x06, flags = final_bit;  // reason code in the low seven bits of flags
  std::array<std::uint8_t, 2> reserved1{};
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field reserved2{};
  be32 task_tag;
  be16 cid, reserved3;
  be32 cmd_sn, exp_stat_sn;
  std::array<std::uint8_t, 16> reserved4{};
};

struct logout_response_pdu {
  std::uint8_t opcode_byte = 0x26, flags = final_bit, response = 0, reserved0 = 0;
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field reserved1{};
  be32 task_tag, reserved2, stat_sn, exp_cmd_sn, max_cmd_sn, reserved3;
  be16 time_to_wait, time_to_retain;
  be32 reserved4;
};

enum class reject_reason : std::uint8_t {
  data_digest_error = 0x02,
  snack_reject = 0x03,
  protocol_error = 0x04,
  command_not_supported = 0x05,
  too_many_immediate = 0x06,
  task_in_progress = 0x07,
  invalid_data_ack = 0x08,
  invalid_pdu_field = 0x09,
  out_of_resources = 0x0a,
  waiting_for_logout = 0x0c,
};

struct reject_pdu {  // its data segment is the header that it complains about
  std::uint8_t opcode_byte = 0x3f, flags = final_bit, reason = 0, reserved0 = 0;
  std::uint8_t ahs_words = 0;
  be24 data_length;
  lun_field reserved1{};
  be32 task_tag = no_tag, reserved2, stat_sn, exp_cmd_sn, max_cmd_sn, data_sn;
  std::array<std::uint8_t, 8> reserved3{};
};

template <class Pdu>
inline constexpr bool is_pdu = sizeof(Pdu) == sizeof(bhs) && alignof(Pdu) == 1;
static_assert(is_pdu<nop_out> && is_pdu<nop_in> && is_pdu<scsi_command_pdu> && is_pdu<scsi_response_pdu> &&
              is_pdu<task_management_pdu> && is_pdu<task_management_response_pdu> && is_pdu<data_out_pdu> &&
              is_pdu<data_in_pdu> && is_pdu<r2t_pdu> && is_pdu<async_message_pdu> && is_pdu<text_request_pdu> &&
              is_pdu<text_response_pdu> && is_pdu<login_request_pdu> && is_pdu<login_response_pdu> &&
              is_pdu<logout_request_pdu> && is_pdu<logout_response_pdu> && is_pdu<reject_pdu>);
static_assert(offsetof(scsi_command_pdu, cdb) == 32 && offsetof(data_in_pdu, residual) == 44 &&
              offsetof(login_response_pdu, status) == 36 && offsetof(r2t_pdu, desired_length) == 44 &&
              offsetof(logout_response_pdu, time_to_wait) == 40 && offsetof(task_management_pdu, ref_cmd_sn) == 32 &&
              offsetof(scsi_response_pdu, residual) == 44 && offsetof(reject_pdu, data_sn) == 36 &&
              offsetof(async_message_pdu, event) == 36 && offsetof(bhs, task_tag) == 16);

template <class Pdu>
requires is_pdu<Pdu> Pdu as(const bhs& header)
noexcept { return std::bit_cast<Pdu>(header); }

template <class Pdu>
requires is_pdu<Pdu> bhs generic(const Pdu& pdu)
noexcept { return std::bit_cast<bhs>(pdu); }

constexpr std::size_t padded(std::size_t n) noexcept { return (n + 3) & ~std::size_t{3}; }

// RFC 1982 serial numbers, as CmdSN and StatSN are compared: a comes before b.
constexpr bool serial_before(std::uint32_t a, std::uint32_t b) noexcept { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace vds::iscsi
