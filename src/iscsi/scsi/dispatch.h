// dispatch.h: the one table of SCSI commands: what a CDB must look like, how much data it moves, who may send it when,
// and who does it. REPORT SUPPORTED OPERATION CODES is generated from it. A command that is not in it does not exist.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "iscsi/scsi/command.h"
#include "rt/task.h"

namespace vds::iscsi {

enum class block_access : std::uint8_t { none, shared, exclusive };

// How a persistent reservation sees the command (SPC-4 table 31 and its like).
enum class reservation_class : std::uint8_t { always_allowed, read, write };

// Whether a command is taken while the LUN as a whole is away: its port in standby or unavailable, or a sanitize
// running.
enum class availability_class : std::uint8_t { never, on_standby, always };

using planner = void (*)(const lun&, const command&, plan&);
using handler = rt::task<void> (*)(lun&, command&);
using availability = bool (*)(const lun&);

struct operation {
  std::uint8_t code;
  std::int16_t service_action;  // -1: the operation code has none
  std::uint8_t cdb_length;
  const char* name;
  std::array<std::uint8_t, 16> usage;  // which bits of the CDB are looked at; others must be zero
  planner plan_it;                     // null: moves no data-out and no blocks
  block_access access;
  reservation_class reservation;
  bool ignores_attention;  // INQUIRY, REPORT LUNS, REQUEST SENSE
  bool ignores_reserve;    // allowed under another's RESERVE(6)
  bool writes_medium;
  handler handle;
  availability_class while_away = availability_class::never;
  availability exists = nullptr;  // null: on every LUN; else only where it says so
};

std::span<const operation> operations();
const operation* find_operation(const std::array<std::byte, 16>& cdb);
inline bool exists_on(const operation& op, const lun& l) { return op.exists == nullptr || op.exists(l); }

// Fills op and planned from the CDB: any thread. A plan may be bad; the LUN answers it when its time comes.
void prepare(const lun& l, command& c);

}  // namespace vds::iscsi
