// portal_worker.h: one listener and the connections that came through it, on one executor.
// Thread: the executor's, but for the constructor.
#pragma once

#include <list>

#include "iscsi/session/connection.h"
#include "iscsi/target/portal_server.h"

namespace vds::iscsi {

class portal_worker final : public session_host {
 public:
  portal_worker(portal_server& server, portal p)
      : server_(server), executor_(p.executor), id_(p.id), listener_(std::move(p.listener)), gate_(executor_) {}

  rt::executor& executor() noexcept { return executor_; }
  std::string address() const { return listener_->local_name(); }

  rt::task<void> accept_loop();
  // Lets nobody in any more, and asks those who are there to leave, which they have to within a bounded time.
  void dismiss();
  rt::task<void> stop();  // dismiss(), and waits for them

  const guid& portal_id() const override { return id_; }
  std::optional<login_grant> find_target(std::string_view name, const std::string& initiator) override;
  login_facts discovery(const std::string& initiator) override;
  std::vector<listed_target> visible_targets(const std::string& initiator, const chap_accounts& proven,
                                             const std::string& local_address) override;
  void logged_in(connection& c) override;

 private:
  rt::task<void> serve(std::unique_ptr<io::stream> stream, std::string from);
  void make_room();

  portal_server& server_;
  rt::executor& executor_;
  const guid id_;
  std::unique_ptr<io::listener> listener_;
  buffer_pool pool_;
  std::list<connection*> connections_;
  std::list<connection*> half_open_;  // oldest first
  bool dismissed_ = false;
  rt::gate gate_;
};

}  // namespace vds::iscsi
