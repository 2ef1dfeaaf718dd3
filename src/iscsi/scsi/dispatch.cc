#include "iscsi/scsi/dispatch.h"

#include <array>

#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {
namespace {

using enum block_access;
using res = reservation_class;
using away = availability_class;

// Columns: opcode, service action, CDB length, name, CDB usage; planner; blocks; persistent reservations; passes unit
// attentions; passes another's RESERVE(6); writes the medium; handler; taken while the LUN is away; on which LUNs.
// Sorted by opcode and service action.
// clang-format off
constexpr auto table = std::to_array<operation>({
    {0x00, -1, 6, "TEST UNIT READY",
     {0x00, 0, 0, 0, 0, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_test_unit_ready},
    {0x03, -1, 6, "REQUEST SENSE",
     {0x03, 0x01, 0, 0, 0xff, 0x04},
     nullptr, none, res::always_allowed, true, true, false, do_request_sense, away::always},
    {0x08, -1, 6, "READ(6)",
     {0x08, 0x1f, 0xff, 0xff, 0xff, 0x04},
     plan_read, shared, res::read, false, false, false, do_read},
    {0x0a, -1, 6, "WRITE(6)",
     {0x0a, 0x1f, 0xff, 0xff, 0xff, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_write},
    {0x12, -1, 6, "INQUIRY",
     {0x12, 0x01, 0xff, 0xff, 0xff, 0x04},
     nullptr, none, res::always_allowed, true, true, false, do_inquiry, away::always},
    {0x15, -1, 6, "MODE SELECT(6)",
     {0x15, 0x11, 0, 0, 0xff, 0x04},
     plan_list6, none, res::write, false, false, false, do_mode_select, away::on_standby},
    {0x16, -1, 6, "RESERVE(6)",
     {0x16, 0, 0, 0, 0, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_reserve},
    {0x17, -1, 6, "RELEASE(6)",
     {0x17, 0, 0, 0, 0, 0x04},
     nullptr, none, res::always_allowed, false, true, false, do_release},
    {0x1a, -1, 6, "MODE SENSE(6)",
     {0x1a, 0x08, 0xff, 0xff, 0xff, 0x04},
     nullptr, none, res::read, false, false, false, do_mode_sense, away::on_standby},
    {0x1b, -1, 6, "START STOP UNIT",
     {0x1b, 0x01, 0, 0xf0, 0x07, 0x04},
     nullptr, none, res::write, false, false, false, do_start_stop_unit},
    {0x1e, -1, 6, "PREVENT ALLOW MEDIUM REMOVAL",
     {0x1e, 0, 0, 0, 0x03, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_prevent_allow},
    {0x25, -1, 10, "READ CAPACITY(10)",
     {0x25, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_read_capacity10},
    {0x28, -1, 10, "READ(10)",
     {0x28, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x04},
     plan_read, shared, res::read, false, false, false, do_read},
    {0x2a, -1, 10, "WRITE(10)",
     {0x2a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_write},
    {0x2e, -1, 10, "WRITE AND VERIFY(10)",
     {0x2e, 0xf6, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_write_and_verify},
    {0x2f, -1, 10, "VERIFY(10)",
     {0x2f, 0xf6, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x04},
     plan_verify, shared, res::read, false, false, false, do_verify},
    {0x34, -1, 10, "PRE-FETCH(10)",
     {0x34, 0x02, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x04},
     plan_touch, none, res::read, false, false, false, do_prefetch},
    {0x35, -1, 10, "SYNCHRONIZE CACHE(10)",
     {0x35, 0x06, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x04},
     plan_touch, none, res::write, false, false, false, do_synchronize_cache},
    {0x37, -1, 10, "READ DEFECT DATA(10)",
     {0x37, 0, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     nullptr, none, res::read, false, false, false, do_read_defects10},
    {0x41, -1, 10, "WRITE SAME(10)",
     {0x41, 0xfa, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x04},
     plan_write_same, exclusive, res::write, false, false, true, do_write_same},
    {0x42, -1, 10, "UNMAP",
     {0x42, 0x01, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0x04},
     plan_unmap, none, res::write, false, false, true, do_unmap, away::never, has_unmap},
    {0x48, 0x01, 10, "SANITIZE, OVERWRITE",
     {0x48, 0xbf, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     plan_sanitize, none, res::write, false, false, true, do_sanitize_overwrite},
    {0x48, 0x1f, 10, "SANITIZE, EXIT FAILURE MODE",
     {0x48, 0xbf, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     plan_sanitize, none, res::write, false, false, true, do_sanitize_exit},
    {0x4d, -1, 10, "LOG SENSE",
     {0x4d, 0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     nullptr, none, res::read, false, false, false, do_log_sense, away::on_standby},
    {0x55, -1, 10, "MODE SELECT(10)",
     {0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     plan_list10, none, res::write, false, false, false, do_mode_select, away::on_standby},
    {0x56, -1, 10, "RESERVE(10)",
     {0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_reserve},
    {0x57, -1, 10, "RELEASE(10)",
     {0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0x04},
     nullptr, none, res::always_allowed, false, true, false, do_release},
    {0x5a, -1, 10, "MODE SENSE(10)",
     {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0x04},
     nullptr, none, res::read, false, false, false, do_mode_sense, away::on_standby},
    {0x5e, 0x00, 10, "PERSISTENT RESERVE IN, READ KEYS",
     {0x5e, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_persistent_in, away::on_standby},
    {0x5e, 0x01, 10, "PERSISTENT RESERVE IN, READ RESERVATION",
     {0x5e, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_persistent_in, away::on_standby},
    {0x5e, 0x02, 10, "PERSISTENT RESERVE IN, REPORT CAPABILITIES",
     {0x5e, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_persistent_in, away::on_standby},
    {0x5e, 0x03, 10, "PERSISTENT RESERVE IN, READ FULL STATUS",
     {0x5e, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_persistent_in, away::on_standby},
    {0x5f, 0x00, 10, "PERSISTENT RESERVE OUT, REGISTER",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x5f, 0x01, 10, "PERSISTENT RESERVE OUT, RESERVE",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x5f, 0x02, 10, "PERSISTENT RESERVE OUT, RELEASE",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x5f, 0x03, 10, "PERSISTENT RESERVE OUT, CLEAR",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x5f, 0x04, 10, "PERSISTENT RESERVE OUT, PREEMPT",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x5f, 0x05, 10, "PERSISTENT RESERVE OUT, PREEMPT AND ABORT",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x5f, 0x06, 10, "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x5f, 0x07, 10, "PERSISTENT RESERVE OUT, REGISTER AND MOVE",
     {0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x04},
     plan_list32, none, res::always_allowed, false, false, false, do_persistent_out, away::on_standby},
    {0x83, 0x00, 16, "EXTENDED COPY(LID1)",
     {0x83, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     plan_copy, none, res::write, false, false, false, do_extended_copy},
    {0x84, 0x00, 16, "RECEIVE COPY STATUS(LID1)",
     {0x84, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::read, false, false, false, do_copy_status},
    {0x84, 0x03, 16, "RECEIVE COPY OPERATING PARAMETERS",
     {0x84, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::read, false, false, false, do_copy_parameters},
    {0x88, -1, 16, "READ(16)",
     {0x88, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_read, shared, res::read, false, false, false, do_read},
    {0x89, -1, 16, "COMPARE AND WRITE",
     {0x89, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0x1f, 0x04},
     plan_compare_and_write, exclusive, res::write, false, false, true, do_compare_and_write},
    {0x8a, -1, 16, "WRITE(16)",
     {0x8a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_write},
    {0x8b, -1, 16, "ORWRITE(16)",
     {0x8b, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_or_write},
    {0x8e, -1, 16, "WRITE AND VERIFY(16)",
     {0x8e, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_write_and_verify},
    {0x8f, -1, 16, "VERIFY(16)",
     {0x8f, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_verify, shared, res::read, false, false, false, do_verify},
    {0x90, -1, 16, "PRE-FETCH(16)",
     {0x90, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_touch, none, res::read, false, false, false, do_prefetch},
    {0x91, -1, 16, "SYNCHRONIZE CACHE(16)",
     {0x91, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_touch, none, res::write, false, false, false, do_synchronize_cache},
    {0x93, -1, 16, "WRITE SAME(16)",
     {0x93, 0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_write_same, exclusive, res::write, false, false, true, do_write_same},
    {0x9c, -1, 16, "WRITE ATOMIC(16)",
     {0x9c, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0x1f, 0x04},
     plan_write_atomic, exclusive, res::write, false, false, true, do_write_atomic, away::never, has_atomic_writes},
    {0x9e, 0x10, 16, "READ CAPACITY(16)",
     {0x9e, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_read_capacity16},
    {0x9e, 0x12, 16, "GET LBA STATUS",
     {0x9e, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     plan_lba, none, res::read, false, false, false, do_get_lba_status},
    {0xa0, -1, 12, "REPORT LUNS",
     {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::always_allowed, true, true, false, do_report_luns, away::always},
    {0xa3, 0x0a, 12, "REPORT TARGET PORT GROUPS",
     {0xa3, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::always_allowed, false, false, false, do_report_port_groups, away::always},
    {0xa3, 0x0c, 12, "REPORT SUPPORTED OPERATION CODES",
     {0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::read, false, false, false, do_report_operations, away::always},
    {0xa3, 0x0d, 12, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
     {0xa3, 0x1f, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::read, false, false, false, do_report_task_functions, away::always},
    {0xa4, 0x0a, 12, "SET TARGET PORT GROUPS",
     {0xa4, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     plan_groups, none, res::write, false, false, false, do_set_port_groups, away::always},
    {0xa8, -1, 12, "READ(12)",
     {0xa8, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_read, shared, res::read, false, false, false, do_read},
    {0xaa, -1, 12, "WRITE(12)",
     {0xaa, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_write},
    {0xae, -1, 12, "WRITE AND VERIFY(12)",
     {0xae, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_write, exclusive, res::write, false, false, true, do_write_and_verify},
    {0xaf, -1, 12, "VERIFY(12)",
     {0xaf, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x04},
     plan_verify, shared, res::read, false, false, false, do_verify},
    {0xb7, -1, 12, "READ DEFECT DATA(12)",
     {0xb7, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x04},
     nullptr, none, res::read, false, false, false, do_read_defects12},
});
// clang-format on

constexpr bool sorted() {
  for (std::size_t i = 1; i < table.size(); ++i)
    if (table[i - 1].code > table[i].code ||
        (table[i - 1].code == table[i].code && table[i - 1].service_action >= table[i].service_action))
      return false;
  return true;
}
static_assert(sorted(), "REPORT SUPPORTED OPERATION CODES lists them in this order");

// First row of each operation code, or -1: one load finds the row of a READ.
constexpr auto first_row = [] {
  std::array<std::int16_t, 256> rows{};
  for (auto& r : rows) r = -1;
  for (std::size_t i = table.size(); i-- > 0;) rows[table[i].code] = static_cast<std::int16_t>(i);
  return rows;
}();

}  // namespace

std::span<const operation> operations() { return table; }

const operation* find_operation(const std::array<std::byte, 16>& cdb) {
  const auto code = std::to_integer<std::uint8_t>(cdb[0]);
  const int action = std::to_integer<int>(cdb[1]) & 0x1f;
  if (first_row[code] < 0) return nullptr;
  for (std::size_t i = static_cast<std::size_t>(first_row[code]); i < table.size() && table[i].code == code; ++i)
    if (table[i].service_action < 0 || table[i].service_action == action) return &table[i];
  return nullptr;
}

void prepare(const lun& l, command& c) {
  c.op = find_operation(c.cdb);
  if (c.op != nullptr && !exists_on(*c.op, l)) c.op = nullptr;
  c.planned = {};
  auto bad = [&c](sense s) {
    c.planned.bad = true;
    c.planned.why = s;
  };
  if (c.op == nullptr) {
    // The operation code exists, its service action does not: a field of the CDB is wrong, not the code.
    for (const operation& other : table) {
      if (other.code != c.byte(0) || other.service_action < 0 || !exists_on(other, l)) continue;
      c.op = &other;
      bad(bad_cdb_field(1, 4));
      break;
    }
    return;
  }
  const std::size_t control = c.op->cdb_length - 1u;
  if (c.bit(control, 2)) return bad(bad_cdb_field(static_cast<std::uint16_t>(control), 2));  // NACA: NormACA is 0
  if (c.attribute == task_attribute::aca) return bad(illegal(senses::invalid_message));
  if (c.op->plan_it != nullptr) c.op->plan_it(l, c, c.planned);
  if (c.planned.bad) return;
  c.planned.taken = c.planned.out_bytes;
  if (c.planned.out_bytes <= c.expected_out) return;
  // The initiator sends less than the CDB asks for. A write does what it has whole blocks for, and the residual says
  // so; anything else makes no sense with half of its data.
  if (!c.planned.may_be_cut) return bad(illegal(senses::invalid_information_unit));
  c.planned.count = block_count{c.expected_out / l.block().bytes};
  c.planned.taken = (c.planned.count * l.block()).n;
}

}  // namespace vds::iscsi
