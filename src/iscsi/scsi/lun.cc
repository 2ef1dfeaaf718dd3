#include "iscsi/scsi/lun.h"

#include <algorithm>

#include "base/log.h"
#include "iscsi/scsi/dispatch.h"
#include "iscsi/scsi/handlers.h"

namespace vds::iscsi {

lun::lun(lun_identity identity, io::block_device& device, lun_settings saved, lun_persistence keep)
    : identity_(std::move(identity)),
      device_(device),
      executor_(device.executor()),
      geometry_(device.geometry()),
      blocks_(geometry_.blocks.n),
      tasks_(executor_),
      ranges_(executor_),
      gate_(executor_),
      settings_(std::move(saved)),
      save_(std::move(keep.save)),
      settings_mutex_(executor_),
      redo_(std::move(keep.redo)),
      keep_redo_(std::move(keep.keep_redo)),
      redo_mutex_(executor_),
      sanitize_moved_(executor_) {
  mode_ = saved_mode();
  sanitize_.order = settings_.sanitize;
}

lun::nexus_state& lun::state_of(const nexus& n) {
  auto [it, is_new] = nexuses_.try_emplace(n.id);
  if (is_new) {
    it->second.who = persistent_reservations::ports_of(n);
    it->second.attentions.push_back(senses::power_on);  // the first that this nexus hears from the LUN
  }
  return it->second;
}

void lun::raise(nexus_state& s, std::uint16_t code) {
  if (std::find(s.attentions.begin(), s.attentions.end(), code) == s.attentions.end()) s.attentions.push_back(code);
}

std::optional<sense> lun::take_attention(const nexus& of) {
  nexus_state& s = state_of(of);
  if (s.attentions.empty()) return std::nullopt;
  const std::uint16_t code = s.attentions.front();
  s.attentions.pop_front();
  return sense{sense_key::unit_attention, code, {}, {}};
}

void lun::attention_others(const nexus& except, std::uint16_t code) {
  for (auto& [id, s] : nexuses_)
    if (id != except.id) raise(s, code);
}

void lun::attention_ports(const persistent_reservations::port_pair& who, std::uint16_t code) {
  for (auto& [id, s] : nexuses_)
    if (s.who == who) raise(s, code);
}

std::vector<std::string> lun::known_ports(const std::string& initiator) const {
  std::vector<std::string> names;
  for (const auto& [id, s] : nexuses_)
    if (s.who.initiator.starts_with(initiator + ",i,0x") &&
        std::find(names.begin(), names.end(), s.who.initiator) == names.end())
      names.push_back(s.who.initiator);
  return names;
}

std::vector<std::uint16_t> lun::port_tags() const {
  return identity_.ports == nullptr ? std::vector<std::uint16_t>{1} : identity_.ports->tags();
}

rt::task<status> lun::change_settings(lun_settings next) {
  // Reservations are kept only if their registrants asked for it; what was kept before must go all the same.
  const bool kept = next.mode != settings_.mode || next.sanitize != settings_.sanitize || next.reservations.aptpl() ||
                    settings_.reservations.aptpl();
  if (kept && save_) {
    auto saved = co_await save_(encode(next));
    if (!saved) {
      log::error("LUN {}: keeping its settings: {}", identity_.number, saved.error());
      co_return saved;
    }
  }
  settings_ = std::move(next);
  co_return status();
}

bool lun::reserve(const nexus& by) {
  if (reserved_by_ != 0 && reserved_by_ != by.id) return false;
  reserved_by_ = by.id;
  return true;
}

void lun::release(const nexus& by) {
  if (reserved_by_ == by.id) reserved_by_ = 0;
}

// SPC-4 5.14: unit attentions first, then reservations, then what is wrong with the CDB.
bool lun::admit(command& c) {
  c.descriptor_sense = mode_.descriptor_sense;
  const bool past_attentions = c.on_behalf || (c.op != nullptr && c.op->ignores_attention);
  if (!past_attentions) {
    if (auto ua = take_attention(*c.from)) {
      c.fail(*ua);
      return false;
    }
    if (c.from->luns_changed.exchange(false, std::memory_order_acq_rel)) {
      c.fail(sense{sense_key::unit_attention, senses::luns_changed, {}, {}});
      return false;
    }
  }
  if (c.op == nullptr) {
    c.fail(illegal(senses::invalid_opcode));
    return false;
  }
  if (reserved_by_ != 0 && reserved_by_ != c.from->id && !c.op->ignores_reserve) {
    c.fail(scsi_status::reservation_conflict);
    return false;
  }
  if (!persistent().allows(*c.from, *c.op)) {
    c.fail(scsi_status::reservation_conflict);
    return false;
  }
  if (const auto why = not_ready(c)) {
    c.fail(*why);
    return false;
  }
  if (c.planned.bad) {
    c.fail(c.planned.why);
    return false;
  }
  if (redo_stuck_ && c.op->writes_medium) {
    c.fail(sense{sense_key::hardware_error, senses::internal_failure, {}, {}});
    return false;
  }
  if (mode_.software_write_protect && c.op->writes_medium) {
    c.fail(sense{sense_key::data_protect, senses::write_protected, {}, {}});
    return false;
  }
  return true;
}

// What stands in the way of the LUN as a whole: the state of the port that the command came through, or a sanitize.
std::optional<sense> lun::not_ready(const command& c) const {
  if (!port_access_.all_active()) {
    const port_state s = port_access_.of(c.from->portal_group);
    if (s == port_state::standby && c.op->while_away == availability_class::never)
      return sense{sense_key::not_ready, senses::standby, {}, {}};
    if (s == port_state::unavailable && c.op->while_away != availability_class::always)
      return sense{sense_key::not_ready, senses::port_unavailable, {}, {}};
  }
  if (sanitize_.order && c.op->while_away != availability_class::always) {
    if (sanitize_.running()) return sense{sense_key::not_ready, senses::sanitizing, {}, {}, sanitize_.progress};
    if (c.op->code != 0x48) return sense{sense_key::medium_error, senses::sanitize_failed, {}, {}};
  }
  return std::nullopt;
}

bool lun::enter(command& c) {
  if (gate_.closing() || closed() || (!expelled_.empty() && expelled_.contains(c.from->id))) {
    c.fail(illegal(senses::lun_not_supported));
    return false;
  }
  tasks_.enter(c);
  return !c.aborted() && admit(c);
}

rt::task<void> lun::execute(command& c) {
  auto held = gate_.hold();
  if (!held) {
    c.fail(illegal(senses::lun_not_supported));
    co_return;
  }
  co_await tasks_.turn(c);
  if (c.aborted()) co_return;
  // Admitted before a sanitize began: it must not write behind it.
  auto still_ready = [this, &c] {
    if (!sanitize_.order) return true;
    const auto why = not_ready(c);
    if (why) c.fail(*why);
    return !why;
  };
  if (!still_ready()) co_return;
  if (c.op->access == block_access::none) {
    co_await c.op->handle(*this, c);
    co_return;
  }
  range_lock::held range(ranges_, c.planned.at, c.planned.count, c.op->access == block_access::exclusive);
  co_await range;
  if (c.aborted() || !still_ready()) co_return;
  co_await c.op->handle(*this, c);
}

rt::task<void> lun::run(command& c) {
  if (enter(c)) co_await execute(c);
  leave(c);
}

bool lun::try_run(command& c) {
  if (c.op == nullptr || (c.op->handle != do_read && c.op->handle != do_write)) return false;
  if (gate_.closing() || closed() || (!expelled_.empty() && expelled_.contains(c.from->id))) return false;
  if (tasks_.any_ordered() || c.attribute == task_attribute::ordered) return false;
  const bool writes = c.op->access == block_access::exclusive;
  if (!c.planned.bad && !ranges_.is_free(c.planned.at, c.planned.count, writes)) return false;
  if (!admit(c)) return true;
  // Nobody else can run before we return: it need stand in no list.
  return writes ? write_at_once(*this, c) : read_at_once(*this, c);
}

rt::task<void> lun::clear_task_set(const nexus& by) {
  for (auto& [id, s] : nexuses_) {
    if (id == by.id) continue;
    const std::uint64_t other = id;
    if (tasks_.any([other](const command& c) { return c.from->id == other; })) raise(s, senses::commands_cleared);
  }
  co_await tasks_.abort([](const command&) { return true; });
}

rt::task<void> lun::reset() {
  // SAM-5 6.3.3: every nexus hears of it, the one that asked as well.
  for (auto& [id, s] : nexuses_) raise(s, senses::device_reset);
  reserved_by_ = 0;
  mode_ = saved_mode();
  co_await tasks_.abort([](const command&) { return true; });
}

rt::task<void> lun::expel(std::uint64_t nexus_id) {
  expelled_.insert(nexus_id);
  if (reserved_by_ == nexus_id) reserved_by_ = 0;
  co_await tasks_.abort([nexus_id](const command& c) { return c.from->id == nexus_id; }, false);
}

rt::task<void> lun::nexus_lost(const nexus& of) {
  const auto self = shared_from_this();
  co_await tasks_.abort([id = of.id](const command& c) { return c.from->id == id; });
  release(of);
  nexuses_.erase(of.id);
  expelled_.erase(of.id);
  copies_.forget(of.id);
}

rt::task<void> lun::abort_ports(const persistent_reservations::port_pair& who) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, s] : nexuses_)
    if (s.who == who) ids.push_back(id);
  // By reference: g++ 12 destroys twice what a temporary in a co_await has captured.
  co_await tasks_.abort(
      [&ids](const command& c) { return std::find(ids.begin(), ids.end(), c.from->id) != ids.end(); });
}

void lun::resized() {
  const std::uint64_t now = device_.geometry().blocks.n;
  if (blocks_.exchange(now, std::memory_order_acq_rel) == now) return;
  for (auto& [id, s] : nexuses_) raise(s, senses::capacity_changed);
}

rt::task<void> lun::close() {
  const auto self = shared_from_this();
  closed_.store(true, std::memory_order_release);
  // Marks first, so that what waits for its turn or its range does not begin.
  co_await tasks_.abort([](const command&) { return true; }, false);
  co_await gate_.close();
}

void lun::flush_in_background() {
  rt::start([](std::shared_ptr<lun> self) -> rt::task<void> {
    auto held = self->gate_.hold();
    if (!held) co_return;
    if (auto done = co_await self->device_.flush(); !done)
      log::error("LUN {}: flush: {}", self->identity_.number, done.error());
  }(shared_from_this()));
}

}  // namespace vds::iscsi
