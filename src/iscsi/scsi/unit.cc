// Commands about the LUN rather than its blocks, and what an initiator hears of a LUN that it does not see.
#include <algorithm>
#include <cstring>

#include "iscsi/scsi/handlers.h"
#include "iscsi/scsi/lun_directory.h"

namespace vds::iscsi {
namespace {

void plan_list(std::uint64_t length, plan& p, std::uint16_t field) {
  p.out_bytes = length;
  if (length > 65536) {
    p.bad = true;
    p.why = bad_cdb_field(field);
  }
}

// SAM-5 4.7.7: peripheral addressing up to 255, flat space addressing above, extended flat space addressing beyond
// that.
void put_lun(std::byte* at, std::uint32_t number) {
  if (number < 256)
    store(at, be16(static_cast<std::uint16_t>(number)));
  else if (number < 0x4000)
    store(at, be16(static_cast<std::uint16_t>(0x4000 | number)));
  else
    store(at, be32(std::uint32_t{extended_flat} << 24 | number));
}

std::uint32_t allocation_report(const command& c) { return c.get<be32>(6); }

}  // namespace

std::vector<std::byte> gathered(const command& c) {
  std::vector<std::byte> all;
  for (io::const_buffer b : c.data_out) all.insert(all.end(), b.begin(), b.end());
  return all;
}

void plan_list6(const lun&, const command& c, plan& p) { plan_list(c.byte(4), p, 4); }
void plan_list10(const lun&, const command& c, plan& p) { plan_list(c.get<be16>(7), p, 7); }
void plan_list32(const lun&, const command& c, plan& p) { plan_list(c.get<be32>(5), p, 5); }

rt::task<void> do_test_unit_ready(lun&, command&) { co_return; }

rt::task<void> do_request_sense(lun& l, command& c) {
  // A pending unit attention is delivered here as data, and with that it is no longer pending.
  sense s = l.take_attention(*c.from).value_or(sense{});
  if (s.code == 0 && l.sanitize().running())
    s = sense{sense_key::not_ready, senses::sanitizing, {}, {}, l.sanitize().progress};
  if (s.code == 0 && c.from->luns_changed.exchange(false))
    s = {sense_key::unit_attention, senses::luns_changed, {}, {}};
  c.answer(encode(s, c.bit(1, 0)), c.byte(4));
  co_return;
}

rt::task<void> do_start_stop_unit(lun& l, command& c) {
  // The medium cannot be taken out and is always ready; power conditions are left as they are. Stopping means that what
  // a cache holds becomes durable.
  const bool start = c.bit(4, 0), load_eject = c.bit(4, 1);
  const int power_condition = c.byte(4) >> 4;
  if (power_condition != 0) co_return;
  if (load_eject) {
    c.fail(bad_cdb_field(4, 1));
    co_return;
  }
  if (start || c.bit(4, 2)) co_return;  // NO_FLUSH
  auto done = co_await l.device().flush();
  if (!done) c.fail(sense_from(done.error(), true));
}

rt::task<void> do_prevent_allow(lun&, command& c) {
  if ((c.byte(4) & 0x02) != 0) c.fail(bad_cdb_field(4, 1));
  co_return;
}

rt::task<void> do_reserve(lun& l, command& c) {
  // SPC-2's reservations and persistent ones exclude each other (SPC-4 5.13.3).
  if (!l.persistent().empty() || !l.reserve(*c.from)) c.fail(scsi_status::reservation_conflict);
  co_return;
}

rt::task<void> do_release(lun& l, command& c) {
  if (!l.persistent().empty())
    c.fail(scsi_status::reservation_conflict);
  else
    l.release(*c.from);
  co_return;
}

rt::task<void> do_read_capacity10(lun& l, command& c) {
  if (!c.bit(8, 0) && c.get<be32>(2) != 0) {  // an LBA without PMI
    c.fail(bad_cdb_field(2));
    co_return;
  }
  std::vector<std::byte> data(8);
  const std::uint64_t last = l.blocks().n == 0 ? 0 : l.blocks().n - 1;
  store(&data[0], be32(static_cast<std::uint32_t>(std::min<std::uint64_t>(last, 0xffffffff))));
  store(&data[4], be32(l.block().bytes));
  c.answer(std::move(data), 8);
}

rt::task<void> do_read_capacity16(lun& l, command& c) {
  if (!c.bit(14, 0) && c.get<be64>(2) != 0) {
    c.fail(bad_cdb_field(2));
    co_return;
  }
  std::vector<std::byte> data(32);
  const std::uint64_t last = l.blocks().n == 0 ? 0 : l.blocks().n - 1;
  store(&data[0], be64(last));
  store(&data[8], be32(l.block().bytes));
  data[13] = static_cast<std::byte>(std::countr_zero(std::max(l.physical_block().bytes, l.block().bytes)) -
                                    std::countr_zero(l.block().bytes));
  if (l.can_unmap()) data[14] = std::byte{0xc0};  // LBPME, LBPRZ
  c.answer(std::move(data), c.get<be32>(10));
}

rt::task<void> do_report_luns(lun&, command& c) {
  answer_without_lun(c);  // the same for every LUN
  co_return;
}

void answer_without_lun(command& c) {
  switch (c.byte(0)) {
    case 0x12:
      // VPD pages of nothing there are none.
      if (c.bit(1, 0)) return c.fail(illegal(senses::lun_not_supported));
      if (c.byte(2) != 0) return c.fail(bad_cdb_field(2));
      return c.answer(standard_inquiry(nullptr), c.get<be16>(3));
    case 0x03:
      return c.answer(encode(illegal(senses::lun_not_supported), c.bit(1, 0)), c.byte(4));
    case 0xa0: {
      const int select = c.byte(2);
      if (select > 2 && !(select >= 0x10 && select <= 0x12)) return c.fail(bad_cdb_field(2));
      if (allocation_report(c) < 16) return c.fail(bad_cdb_field(6));
      // Well known logical units (01h, 10h) and subsidiary ones (12h) there are none.
      const std::size_t count = select == 0x01 || select >= 0x10 ? 0 : c.inventory.size();
      std::vector<std::byte> data(8 + 8 * count);
      store(&data[0], be32(static_cast<std::uint32_t>(8 * count)));
      for (std::size_t i = 0; i < count; ++i) put_lun(&data[8 + 8 * i], c.inventory[i]);
      c.from->luns_changed.store(false, std::memory_order_release);
      return c.answer(std::move(data), allocation_report(c));
    }
    default:
      return c.fail(illegal(senses::lun_not_supported));
  }
}

rt::task<void> do_report_task_functions(lun&, command& c) {
  std::vector<std::byte> data(c.bit(2, 7) ? 16 : 4);
  if (data.size() == 16) data[3] = std::byte{12};
  data[0] = std::byte{0xd8};  // ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET
  if (allocation_report(c) < 4)
    c.fail(bad_cdb_field(6));
  else
    c.answer(std::move(data), allocation_report(c));
  co_return;
}

namespace {

void put_timeouts(std::vector<std::byte>& out) {
  const std::size_t at = out.size();
  out.resize(at + 12);  // nominal and recommended time-outs: not said
  store(&out[at], be16(10));
}

std::vector<std::byte> all_operations(const lun& l, bool timeouts) {
  std::vector<std::byte> out(4);
  for (const operation& op : operations()) {
    if (!exists_on(op, l)) continue;
    const std::size_t at = out.size();
    out.resize(at + 8);
    out[at] = static_cast<std::byte>(op.code);
    if (op.service_action >= 0) {
      store(&out[at + 2], be16(static_cast<std::uint16_t>(op.service_action)));
      out[at + 5] |= std::byte{1};
    }
    if (timeouts) out[at + 5] |= std::byte{2};
    store(&out[at + 6], be16(op.cdb_length));
    if (timeouts) put_timeouts(out);
  }
  store(&out[0], be32(static_cast<std::uint32_t>(out.size() - 4)));
  return out;
}

std::vector<std::byte> one_operation(const operation* op, bool timeouts) {
  std::vector<std::byte> out(4);
  if (op == nullptr) {
    out[1] = std::byte{1};  // not supported
    return out;
  }
  out[1] = timeouts ? std::byte{0x83} : std::byte{0x03};
  store(&out[2], be16(op->cdb_length));
  for (std::size_t i = 0; i < op->cdb_length; ++i) {
    std::uint8_t usage = op->usage[i];
    if (i == 1 && op->service_action >= 0)
      usage = static_cast<std::uint8_t>((usage & 0xe0) | op->service_action);  // the action itself, SPC-4 6.35.3
    out.push_back(static_cast<std::byte>(usage));
  }
  if (timeouts) put_timeouts(out);
  return out;
}

}  // namespace

rt::task<void> do_report_operations(lun& l, command& c) {
  const bool timeouts = c.bit(2, 7);
  const int options = c.byte(2) & 7;
  const std::uint8_t code = c.byte(3);
  const int action = c.get<be16>(4);
  if (options == 0) {
    c.answer(all_operations(l, timeouts), allocation_report(c));
    co_return;
  }
  const operation *any = nullptr, *exact = nullptr;
  for (const operation& op : operations()) {
    if (op.code != code || !exists_on(op, l)) continue;
    any = &op;
    if (op.service_action == action) exact = &op;
  }
  const bool has_actions = any != nullptr && any->service_action >= 0;
  if (options > 3 || (options == 1 && has_actions) || (options == 2 && any != nullptr && !has_actions)) {
    c.fail(bad_cdb_field(options > 3 ? 2 : 4));
    co_return;
  }
  const operation* op = has_actions ? exact : (options == 3 && action != 0 ? nullptr : any);
  c.answer(one_operation(op, timeouts), allocation_report(c));
}

}  // namespace vds::iscsi
