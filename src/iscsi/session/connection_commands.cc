// SCSI commands of a connection: how they come in, get their data, run on their LUN and are answered.
#include <algorithm>

#include "iscsi/scsi/dispatch.h"
#include "iscsi/scsi/handlers.h"
#include "iscsi/session/connection.h"
#include "iscsi/session/lun_address.h"

namespace vds::iscsi {
namespace {

constexpr std::uint16_t crc_error = 0x4705;  // protocol service CRC error

}  // namespace

std::shared_ptr<lun> connection::find_unit(const lun_field& address, std::uint32_t& number) {
  const auto decoded = lun_number(address);
  if (!decoded) return nullptr;
  number = *decoded;
  const std::uint64_t generation = target_->map_generation();
  const auto it = units_.find(number);
  if (it != units_.end() && it->second.generation == generation) return it->second.unit;
  auto unit = target_->find_lun(number, session_->who.initiator);
  if (it == units_.end()) {
    // What does not exist is not remembered: asking for all numbers must not cost us memory.
    if (unit != nullptr) units_.emplace(number, seen_unit{unit, generation});
    return unit;
  }
  if (it->second.unit != unit) {
    std::erase_if(former_units_, [](const auto& u) { return u->closed(); });
    if (it->second.unit != nullptr) former_units_.push_back(std::move(it->second.unit));
  }
  if (unit == nullptr)
    units_.erase(it);
  else
    it->second = {unit, generation};
  return unit;
}

rt::task<void> connection::on_scsi_command(const bhs& h) {
  const auto pdu = as<scsi_command_pdu>(h);
  const std::uint32_t length = reader_.data_length();
  const auto ahs = parse_ahs(reader_.ahs());
  const bool may_be = pdu.task_tag != no_tag && ahs.has_value() &&
                      (length == 0 || (pdu.writes() && agreed_.immediate_data && length <= agreed_.first_burst &&
                                       length <= pdu.expected_length)) &&
                      (pdu.final() || (pdu.writes() && !agreed_.initial_r2t));
  if (!may_be) {
    (void)co_await reader_.skip_data();
    if (in_order(h, pdu.cmd_sn)) reject(h, reject_reason::invalid_pdu_field);
    co_return;
  }
  if (tasks_.contains(pdu.task_tag) || (h.immediate() && immediate_ >= limits_.immediate_depth)) {
    const bool twice = tasks_.contains(pdu.task_tag);
    (void)co_await reader_.skip_data();
    if (in_order(h, pdu.cmd_sn)) reject(h, twice ? reject_reason::task_in_progress : reject_reason::too_many_immediate);
    co_return;
  }
  if (!in_order(h, pdu.cmd_sn)) {
    (void)co_await reader_.skip_data();
    co_return;
  }

  auto owned = std::make_unique<scsi_task>(executor_, pdu, ++last_serial_);
  scsi_task& t = *owned;
  describe(t, h, pdu);
  t.unit = find_unit(pdu.lun, t.lun_number);
  t.unsolicited_open = !pdu.final();
  if (t.unit != nullptr) {
    prepare(*t.unit, t);
    if (!t.planned.bad && t.op != nullptr) t.wanted = static_cast<std::uint32_t>(t.planned.taken);
    if (t.byte(0) == 0xa0) t.inventory = target_->inventory(session_->who.initiator);
  } else {
    t.op = find_operation(t.cdb);
    if (t.byte(0) == 0xa0) t.inventory = target_->inventory(session_->who.initiator);
  }
  // From here on it is ours until it ends.
  tasks_.emplace(t.tag, &t);
  if (t.immediate) {
    ++immediate_;
  } else {
    ++in_window_;
    --window_.max_cmd_sn;
  }
  if (t.wanted != 0) allocate_data_out(t);
  if (length != 0) {
    const auto places = t.places(0, std::min(length, t.wanted));
    t.receiving = true;
    auto fine = co_await reader_.data(places);
    t.receiving = false;
    if (!fine) {
      t.mark_aborted();
      drop(fine.error().message());
    } else if (!*fine) {
      reject(h, reject_reason::data_digest_error);
      t.data_failed({sense_key::aborted_command, crc_error, {}, {}});
    } else {
      t.immediate_arrived(length);
    }
  }
  if (finish_at_once(t)) {
    retire(t);
    answer(t);
  } else {
    rt::start(run_command(std::move(owned)));
  }
}

void connection::describe(scsi_task& t, const bhs& h, const scsi_command_pdu& pdu) {
  t.immediate = h.immediate();
  t.from = &session_->who;
  t.directory = target_.get();
  std::memcpy(t.cdb.data(), pdu.cdb.data(), t.cdb.size());
  const auto attribute = static_cast<task_attribute>(pdu.flags & scsi_command_pdu::attribute_mask);
  t.attribute = attribute == task_attribute::untagged ? task_attribute::simple : attribute;
  if (pdu.writes())
    t.expected_out = pdu.expected_length;
  else if (pdu.reads())
    t.expected_in = pdu.expected_length;
}

// All of it at once if the budget has it; otherwise room for what may come unasked, and the rest before it is asked
// for.
void connection::allocate_data_out(scsi_task& t) {
  if (budget_.try_take(t.wanted))
    t.first = data_buffer(pool_, t.wanted, &budget_, t.wanted);
  else
    t.first = data_buffer(pool_, std::min(t.wanted, std::max(agreed_.first_burst, 1u)), nullptr, 0);
}

rt::task<void> connection::on_data_out(const bhs& h) {
  const auto pdu = as<data_out_pdu>(h);
  const std::uint32_t length = reader_.data_length();
  const auto it = tasks_.find(pdu.task_tag);
  // Data for a command that has ended, or was aborted, may still be under way: it goes nowhere.
  if (it == tasks_.end() || it->second->aborted() || it->second->data_problem) {
    auto skipped = co_await reader_.skip_data();
    if (!skipped) drop(skipped.error().message());
    co_return;
  }
  scsi_task& t = *it->second;
  if (!t.expects(pdu, agreed_.first_burst)) {
    auto skipped = co_await reader_.skip_data();
    if (!skipped) co_return drop(skipped.error().message());
    t.data_failed({sense_key::aborted_command, senses::data_phase_error, {}, {}});
    co_return;
  }
  const std::uint32_t taken = t.received >= t.wanted ? 0 : std::min(length, t.wanted - t.received);
  const auto places = t.places(t.received, taken);
  t.receiving = true;  // run_command keeps the buffers until it is false
  auto fine = co_await reader_.data(places);
  t.receiving = false;
  if (!fine) {
    t.progress().set();
    drop(fine.error().message());
  } else if (!*fine) {
    reject(h, reject_reason::data_digest_error);
    t.data_failed({sense_key::aborted_command, crc_error, {}, {}});
  } else {
    t.arrived(pdu, length);
    if (t.aborted()) t.progress().set();
  }
}

rt::task<void> connection::run_command(std::unique_ptr<scsi_task> owned) {
  auto held = gate_.hold();
  scsi_task& t = *owned;
  if (state_ != connection_state::full_feature) t.mark_aborted();
  co_await perform(t);
  // The receiver may be in the middle of our buffers, and a LUN's wake-up on its way to us.
  while (t.receiving) {
    t.progress().reset();
    co_await t.progress();
  }
  while (!t.settled()) co_await executor_.turn();
  retire(t);
  if (t.aborted() && !t.silenced()) t.fail(illegal(senses::lun_not_supported));
  if (!t.silenced()) answer(t);
  for (drain* d : t.drains)
    if (--d->left == 0 && d->waiter) executor_.post([w = d->waiter] { w.resume(); });
}

void connection::retire(scsi_task& t) {
  tasks_.erase(t.tag);
  if (t.immediate) {
    --immediate_;
  } else {
    --in_window_;
    ++window_.max_cmd_sn;
  }
}

rt::task<void> connection::perform(scsi_task& t) {
  if (t.unit == nullptr) {
    co_await collect(t, false);
    if (!t.aborted()) answer_without_lun(t);
    co_return;
  }
  lun& unit = *t.unit;
  if (t.planned.in_bytes != 0 && !t.planned.bad) {
    const std::uint64_t asked =
        std::min<std::uint64_t>(t.planned.in_bytes, round_up(t.expected_in, unit.block().bytes));
    if (asked != 0) {
      co_await budget_.take(asked);
      t.first = data_buffer(pool_, asked, &budget_, asked);
      t.data_in = t.first.span();
    }
  }
  const bool waits = t.unsolicited_open || t.received < t.wanted || t.data_problem;
  if (!waits) {
    if (t.wanted != 0) t.data_out = {t.first.span()};
    co_await rt::run_on(executor_, unit.executor(), [&unit, &t] { return unit.run(t); });
    co_return;
  }
  const bool admitted =
      co_await rt::run_on(executor_, unit.executor(), [&unit, &t]() -> rt::task<bool> { co_return unit.enter(t); });
  co_await collect(t, admitted);
  if (admitted && !t.aborted() && !t.data_problem) {
    t.data_out = {t.first.span()};
    if (t.rest.size() != 0) t.data_out.push_back(t.rest.span());
    co_await rt::run_on(executor_, unit.executor(), [&unit, &t]() -> rt::task<void> {
      if (!t.aborted()) co_await unit.execute(t);
      unit.leave(t);
    });
    co_return;
  }
  co_await rt::run_on(executor_, unit.executor(), [&unit, &t]() -> rt::task<void> {
    unit.leave(t);
    co_return;
  });
  if (admitted && t.data_problem) t.fail(*t.data_problem);
}

// Until all data-out is there, or the command has failed or been aborted. Not go_on: only what comes unasked is let in.
rt::task<void> connection::collect(scsi_task& t, bool go_on) {
  while (!t.aborted() && !t.data_problem) {
    if (!t.unsolicited_open) {
      if (!go_on || t.received >= t.wanted) co_return;
      const std::uint32_t room = static_cast<std::uint32_t>(t.first.size() + t.rest.size());
      if (room < t.wanted) {
        co_await budget_.take(t.wanted - room);
        t.rest = data_buffer(pool_, t.wanted - room, &budget_, t.wanted - room);
        continue;
      }
      if (t.transfer_tag == no_tag) request_data(t);
    }
    t.progress().reset();
    co_await t.progress();
  }
}

void connection::request_data(scsi_task& t) {
  if (++last_transfer_tag_ == no_tag) last_transfer_tag_ = 1;
  r2t_pdu r;
  r.lun = t.lun_address;
  r.task_tag = t.tag;
  t.transfer_tag = last_transfer_tag_;
  r.transfer_tag = t.transfer_tag;
  r.r2t_sn = t.r2t_sn++;
  r.buffer_offset = t.received;
  const std::uint32_t length = std::min(agreed_.max_burst, t.wanted - t.received);
  r.desired_length = length;
  t.burst_end = t.received + length;
  t.next_data_sn = 0;
  push(generic(r), numbering::current);
}

void connection::answer(scsi_task& t) {
  const bool is_write = t.expected_out != 0 || t.planned.out_bytes != 0;
  const std::uint64_t expected = is_write ? t.expected_out : t.expected_in;
  const std::uint64_t actual = is_write ? t.planned.out_bytes : t.full_size;
  std::uint8_t residual_flags = 0;
  std::uint64_t residual = 0;
  if (actual > expected) {
    residual_flags = scsi_response_pdu::overflow_bit;
    residual = actual - expected;
  } else if (actual < expected) {
    residual_flags = scsi_response_pdu::underflow_bit;
    residual = expected - actual;
  }
  const io::const_buffer produced =
      t.reply.empty() ? io::const_buffer(t.data_in.first(t.data_in_size)) : io::const_buffer(t.reply);
  const io::const_buffer data = produced.first(std::min<std::size_t>(produced.size(), t.expected_in));
  if (t.status != scsi_status::good || data.empty()) {
    scsi_response_pdu r;
    r.status = static_cast<std::uint8_t>(t.status);
    r.task_tag = t.tag;
    r.flags |= residual_flags;
    r.residual = static_cast<std::uint32_t>(std::min<std::uint64_t>(residual, 0xffffffff));
    std::vector<std::byte> segment;
    if (t.problem) {
      const auto sense_data = encode(*t.problem, t.descriptor_sense);
      segment.resize(2);
      store(segment.data(), be16(static_cast<std::uint16_t>(sense_data.size())));
      segment.insert(segment.end(), sense_data.begin(), sense_data.end());
    }
    return push(generic(r), numbering::status, std::move(segment));
  }
  std::uint32_t data_sn = 0;
  std::size_t burst_left = agreed_.max_burst;
  for (std::size_t at = 0; at < data.size();) {
    const std::size_t n = std::min({data.size() - at, burst_left, std::size_t{agreed_.max_send_data_segment}});
    burst_left -= n;
    const bool last = at + n == data.size();
    outgoing p;
    data_in_pdu d;
    d.task_tag = t.tag;
    d.transfer_tag = no_tag;
    d.data_sn = data_sn++;
    d.buffer_offset = static_cast<std::uint32_t>(at);
    if (last || burst_left == 0) {
      d.flags |= final_bit;
      burst_left = agreed_.max_burst;
    }
    p.number = numbering::none;
    p.data = data.subspan(at, n);
    if (last) {
      d.flags |= static_cast<std::uint8_t>(data_in_pdu::status_bit | residual_flags);
      d.residual = static_cast<std::uint32_t>(std::min<std::uint64_t>(residual, 0xffffffff));
      p.number = numbering::status;
      p.buffer = std::move(t.first);  // what the PDUs before it point into as well
      p.bytes = std::move(t.reply);
    }
    p.header = generic(d);
    queue_.push(std::move(p));
    at += n;
  }
}

}  // namespace vds::iscsi
