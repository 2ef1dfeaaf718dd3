// sense.h: how a SCSI command fails: a status, and for CHECK CONDITION a sense key with additional code and qualifier
// (SPC-4 4.5, annex F). Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"

namespace vds::iscsi {

enum class scsi_status : std::uint8_t {
  good = 0x00,
  check_condition = 0x02,
  condition_met = 0x04,
  busy = 0x08,
  reservation_conflict = 0x18,
  task_set_full = 0x28,
  task_aborted = 0x40,
};

enum class sense_key : std::uint8_t {
  no_sense = 0x0,
  recovered_error = 0x1,
  not_ready = 0x2,
  medium_error = 0x3,
  hardware_error = 0x4,
  illegal_request = 0x5,
  unit_attention = 0x6,
  data_protect = 0x7,
  copy_aborted = 0xa,
  aborted_command = 0xb,
  miscompare = 0xe,
};

// Which byte of the CDB or parameter list was wrong (sense-key specific data).
struct field_pointer {
  bool in_cdb = true;
  std::uint16_t byte = 0;
  std::int8_t bit = -1;
};

struct sense {
  sense_key key = sense_key::no_sense;
  std::uint16_t code = 0;  // ASC in the high byte, ASCQ in the low one
  std::optional<std::uint64_t> information;
  std::optional<field_pointer> field;
  std::optional<std::uint16_t> progress{};  // of 65536, in place of `field`
  bool operator==(const sense& other) const noexcept { return key == other.key && code == other.code; }
};

inline constexpr std::size_t fixed_sense_size = 18;

// Sense data in fixed (70h) or descriptor (72h) format.
std::vector<std::byte> encode(const sense& s, bool descriptor_format);

// What a device's failure means to an initiator. writing: WRITE ERROR rather than UNRECOVERED READ ERROR.
sense sense_from(const failure& f, bool writing);

namespace senses {
inline constexpr std::uint16_t write_error = 0x0c00, becoming_ready = 0x0401, init_required = 0x0402,
                               manual_intervention = 0x0403, invalid_information_unit = 0x0e03,
                               unrecovered_read = 0x1100, parameter_list_length = 0x1a00, miscompare_verify = 0x1d00,
                               invalid_opcode = 0x2000, lba_out_of_range = 0x2100, invalid_field_in_cdb = 0x2400,
                               lun_not_supported = 0x2500, invalid_field_in_list = 0x2600, write_protected = 0x2700,
                               space_allocation = 0x2707, power_on = 0x2900, device_reset = 0x2903,
                               mode_parameters_changed = 0x2a01, reservations_preempted = 0x2a03,
                               reservations_released = 0x2a04, registrations_preempted = 0x2a05,
                               capacity_changed = 0x2a09, commands_cleared = 0x2f00, saving_not_supported = 0x3900,
                               luns_changed = 0x3f0e, internal_failure = 0x4400, data_phase_error = 0x4b00,
                               insufficient_registrations = 0x5504, invalid_release = 0x2604, invalid_message = 0x4900,
                               standby = 0x040b, port_unavailable = 0x040c, sanitizing = 0x041b,
                               sanitize_failed = 0x3103, unreachable_copy_target = 0x0804,
                               copy_target_not_reachable = 0x0d02, too_many_targets = 0x2606,
                               unsupported_target = 0x2607, too_many_segments = 0x2608, unsupported_segment = 0x2609,
                               asymmetric_access_changed = 0x2a06, set_port_groups_failed = 0x670a;
}  // namespace senses

inline sense illegal(std::uint16_t code) { return {sense_key::illegal_request, code, {}, {}}; }
inline sense bad_cdb_field(std::uint16_t byte, std::int8_t bit = -1) {
  return {sense_key::illegal_request, senses::invalid_field_in_cdb, {}, field_pointer{true, byte, bit}};
}
inline sense bad_list_field(std::uint16_t byte, std::int8_t bit = -1) {
  return {sense_key::illegal_request, senses::invalid_field_in_list, {}, field_pointer{false, byte, bit}};
}

}  // namespace vds::iscsi
