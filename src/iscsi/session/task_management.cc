// Task management (RFC 7143 11.5, SAM-5 7): the answer goes out when nothing that it is about can happen any more.
#include "base/log.h"
#include "iscsi/session/connection.h"

namespace vds::iscsi {

rt::task<void> connection::on_task_management(const bhs& h) {
  const auto pdu = as<task_management_pdu>(h);
  if (!in_order(h, pdu.cmd_sn)) co_return;
  if (managing_ >= limits_.immediate_depth) {
    reject(h, reject_reason::too_many_immediate);
    co_return;
  }
  rt::start(run_task_management(pdu));
}

rt::task<void> connection::run_task_management(task_management_pdu request) {
  auto held = gate_.hold();
  ++managing_;
  const auto function = static_cast<task_function>(request.flags & 0x7f);
  const task_response response = co_await manage(request);
  --managing_;
  log::info("iscsi {}: task management function {}: response {}", peer_, static_cast<int>(function),
            static_cast<int>(response));
  task_management_response_pdu answer;
  answer.response = static_cast<std::uint8_t>(response);
  answer.task_tag = request.task_tag;
  const bool ends_sessions = function == task_function::target_cold_reset && response == task_response::complete;
  // Before the answer: who logs in once it is known must not be taken for one of those that were there.
  if (ends_sessions) target_->drop_others(*session_);
  push(generic(answer));
  if (ends_sessions) {
    co_await queue_.flushed();
    drop("the target was reset");
  }
}

rt::task<task_response> connection::manage(task_management_pdu request) {
  const auto function = static_cast<task_function>(request.flags & 0x7f);
  std::uint32_t number = 0;
  switch (function) {
    case task_function::abort_task: {
      const auto it = tasks_.find(request.referenced_tag);
      if (it == tasks_.end() || it->second->lun_address != request.lun) co_return task_response::no_such_task;
      std::vector<scsi_task*> one{it->second};
      one[0]->abort();
      co_await wait_for(std::move(one));
      co_return task_response::complete;
    }
    case task_function::abort_task_set:
    case task_function::clear_task_set:
    case task_function::logical_unit_reset: {
      const auto unit = find_unit(request.lun, number);
      if (unit == nullptr) co_return task_response::no_such_lun;
      if (function == task_function::logical_unit_reset) {
        co_await reset_unit(unit);
        co_return task_response::complete;
      }
      co_await abort_own(number, false);
      if (function == task_function::clear_task_set)
        co_await rt::run_on(executor_, unit->executor(), [this, &unit] { return unit->clear_task_set(session_->who); });
      co_return task_response::complete;
    }
    case task_function::target_warm_reset:
    case task_function::target_cold_reset: {
      // The target as this initiator sees it: others' LUNs are none of its business.
      for (const std::uint32_t n : target_->inventory(session_->who.initiator))
        if (const auto unit = target_->find_lun(n, session_->who.initiator)) co_await reset_unit(unit);
      co_await abort_own(0, true);
      co_return task_response::complete;
    }
    case task_function::task_reassign:
      co_return task_response::reassign_not_supported;
    default:
      co_return task_response::function_not_supported;
  }
}

rt::task<void> connection::reset_unit(std::shared_ptr<lun> unit) {
  co_await abort_own(unit->identity().number, false);
  co_await rt::run_on(executor_, unit->executor(), [&unit] { return unit->reset(); });
}

// Commands of this session, whether they have reached the LUN or still wait for room.
rt::task<void> connection::abort_own(std::uint32_t lun_number, bool all) {
  std::vector<scsi_task*> victims;
  for (auto& [tag, t] : tasks_) {
    if (!all && (t->unit == nullptr || t->lun_number != lun_number)) continue;
    t->abort();
    victims.push_back(t);
  }
  co_await wait_for(std::move(victims));
}

rt::task<void> connection::wait_for(std::vector<scsi_task*> victims) {
  drain d{victims.size(), {}};
  for (scsi_task* t : victims) t->drains.push_back(&d);
  struct gone {
    drain& d;
    bool await_ready() const noexcept { return d.left == 0; }
    void await_suspend(std::coroutine_handle<> h) const noexcept { d.waiter = h; }
    void await_resume() const noexcept {}
  };
  co_await gone{d};
}

}  // namespace vds::iscsi
