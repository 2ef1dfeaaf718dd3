// host.h: what a connection asks of the targets it may serve. target/ implements it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "iscsi/scsi/lun.h"
#include "iscsi/scsi/lun_directory.h"
#include "iscsi/session/login.h"
#include "rt/task.h"

namespace vds::iscsi {

class connection;

// One normal session, known to its target until it has ended: until none of its commands can touch a LUN any more.
struct session_record {
  explicit session_record(rt::executor& ex) : executor(ex) {}
  nexus who;
  std::uint16_t tsih = 0;
  rt::executor& executor;
  guid portal;                 // by which it came
  connection* live = nullptr;  // executor's thread only; null once the connection has ended
};

// A target, as its sessions see it. Any thread, unless said otherwise.
class session_target : public lun_directory {
 public:
  virtual const std::string& iqn() const = 0;

  // Grows whenever any initiator's view of the LUNs may have changed.
  virtual std::uint64_t map_generation() const noexcept = 0;
  // Makes the session known. An older session of the same initiator port is ended first, and has ended when this
  // returns. Resumes on the record's executor. out_of_memory when the target has as many sessions as it may have,
  // closing when it goes.
  virtual rt::task<status> admit(std::shared_ptr<session_record> session) = 0;
  virtual void leave(const std::shared_ptr<session_record>& session) = 0;
  // TARGET COLD RESET: ends every other session of the target. Does not wait.
  virtual void drop_others(const session_record& but) = 0;
};

// What somebody who logs in may have, once it has proven what `facts` ask for. The target stays valid although it may
// go meanwhile; then it admits nobody. Null with facts: a login that must look like one to a target that is there.
struct login_grant {
  std::shared_ptr<session_target> target;
  login_facts facts;
};

struct listed_target {
  std::shared_ptr<session_target> target;
  std::vector<std::string> addresses;  // "10.0.0.1:3260,1"
};

// One portal: what can be reached through it.
class session_host {
 public:
  virtual ~session_host() = default;
  virtual const guid& portal_id() const = 0;
  // None: there is no such target for this initiator here.
  virtual std::optional<login_grant> find_target(std::string_view name, const std::string& initiator) = 0;
  virtual login_facts discovery(const std::string& initiator) = 0;
  // For whoever has proven to know the secrets of `proven`, and came to `local_address`.
  virtual std::vector<listed_target> visible_targets(const std::string& initiator, const chap_accounts& proven,
                                                     const std::string& local_address) = 0;
  // The connection is through with its login: it no longer counts as half open.
  virtual void logged_in(connection& c) = 0;
};

}  // namespace vds::iscsi
