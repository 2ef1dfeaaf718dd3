// handlers.h: what stands in the rows of the dispatch table: planners, which look at a CDB and at constants of the LUN
// (any thread), and handlers, which do it (the LUN's executor, commands that were admitted).
#pragma once

#include "iscsi/scsi/dispatch.h"
#include "iscsi/scsi/lun.h"

namespace vds::iscsi {

// The blocks that a CDB of 6, 10, 12 or 16 bytes names at its usual places.
struct block_range {
  lba at;
  block_count count;
};
block_range range_of(const command& c, unsigned cdb_length);

// False, and the plan is bad, unless the range lies on the LUN.
bool on_the_lun(const lun& l, block_range r, plan& p);

void plan_read(const lun& l, const command& c, plan& p);
void plan_write(const lun& l, const command& c, plan& p);
void plan_verify(const lun& l, const command& c, plan& p);
void plan_compare_and_write(const lun& l, const command& c, plan& p);
void plan_touch(const lun& l, const command& c, plan& p);  // SYNCHRONIZE CACHE, PRE-FETCH
void plan_write_same(const lun& l, const command& c, plan& p);
void plan_unmap(const lun& l, const command& c, plan& p);
void plan_write_atomic(const lun& l, const command& c, plan& p);
void plan_lba(const lun& l, const command& c, plan& p);  // GET LBA STATUS
void plan_sanitize(const lun& l, const command& c, plan& p);
void plan_list6(const lun& l, const command& c, plan& p);   // parameter list length in byte 4
void plan_list10(const lun& l, const command& c, plan& p);  // in bytes 7 and 8
void plan_list32(const lun& l, const command& c, plan& p);  // in bytes 5 to 8
void plan_groups(const lun& l, const command& c, plan& p);  // in bytes 6 to 9: SET TARGET PORT GROUPS
void plan_copy(const lun& l, const command& c, plan& p);    // in bytes 10 to 13: EXTENDED COPY

bool has_unmap(const lun& l);
bool has_atomic_writes(const lun& l);

// Without waiting; false: nothing is known, do_read() or do_write() is to be asked.
bool read_at_once(lun& l, command& c);
bool write_at_once(lun& l, command& c);

rt::task<void> do_read(lun& l, command& c);
rt::task<void> do_write(lun& l, command& c);
rt::task<void> do_verify(lun& l, command& c);
rt::task<void> do_write_and_verify(lun& l, command& c);
rt::task<void> do_compare_and_write(lun& l, command& c);
rt::task<void> do_synchronize_cache(lun& l, command& c);
rt::task<void> do_prefetch(lun& l, command& c);
rt::task<void> do_write_same(lun& l, command& c);
rt::task<void> do_unmap(lun& l, command& c);

rt::task<void> do_write_atomic(lun& l, command& c);
rt::task<void> do_or_write(lun& l, command& c);
rt::task<void> do_get_lba_status(lun& l, command& c);
rt::task<void> do_read_defects10(lun& l, command& c);
rt::task<void> do_read_defects12(lun& l, command& c);
rt::task<void> do_sanitize_overwrite(lun& l, command& c);
rt::task<void> do_sanitize_exit(lun& l, command& c);
rt::task<void> do_extended_copy(lun& l, command& c);
rt::task<void> do_copy_status(lun& l, command& c);
rt::task<void> do_copy_parameters(lun& l, command& c);

rt::task<void> do_test_unit_ready(lun& l, command& c);
rt::task<void> do_request_sense(lun& l, command& c);
rt::task<void> do_start_stop_unit(lun& l, command& c);
rt::task<void> do_prevent_allow(lun& l, command& c);
rt::task<void> do_reserve(lun& l, command& c);
rt::task<void> do_release(lun& l, command& c);
rt::task<void> do_read_capacity10(lun& l, command& c);
rt::task<void> do_read_capacity16(lun& l, command& c);
rt::task<void> do_inquiry(lun& l, command& c);
rt::task<void> do_report_luns(lun& l, command& c);
rt::task<void> do_report_operations(lun& l, command& c);
rt::task<void> do_report_task_functions(lun& l, command& c);
rt::task<void> do_mode_sense(lun& l, command& c);
rt::task<void> do_mode_select(lun& l, command& c);
rt::task<void> do_log_sense(lun& l, command& c);
rt::task<void> do_report_port_groups(lun& l, command& c);
rt::task<void> do_set_port_groups(lun& l, command& c);
rt::task<void> do_persistent_in(lun& l, command& c);
rt::task<void> do_persistent_out(lun& l, command& c);

// The answers for a LUN number that the initiator does not see (SPC-4 6.4.2, 6.33, 6.39).
void answer_without_lun(command& c);

// INQUIRY's standard data; `exists` false: peripheral qualifier 011b.
std::vector<std::byte> standard_inquiry(const lun* l);

// The body of VPD page 8Fh (extended_copy.cc).
std::vector<std::byte> page_third_party_copy(const lun& l, const nexus& from);

// The data-out as one piece, for parameter lists.
std::vector<std::byte> gathered(const command& c);

}  // namespace vds::iscsi
