// session_directory.h: the sessions of one target. Of one initiator port (name and ISID) there is at most one in a
// portal group: a new one ends the old one first, and waits until it has ended. There are never more than the target
// may have; whoever reinstates a session keeps its place, so that a full target does not lock out those who use it.
// Thread: any; a mutex inside, never held across a wait.
#pragma once

#include <coroutine>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

#include "iscsi/pdu/bhs.h"
#include "iscsi/session/host.h"

namespace vds::iscsi {

class session_directory {
 public:
  ~session_directory() { always(sessions_.empty()); }

  rt::task<status> admit(std::shared_ptr<session_record> session);
  void leave(const std::shared_ptr<session_record>& session);

  std::vector<std::shared_ptr<session_record>> all() const;
  std::size_t size() const;

  void drop_all(std::string_view why, const session_record* but = nullptr);
  // They are asked to log out, and dropped if they do not in time.
  void ask_to_log_out(const std::function<bool(const session_record&)>& which, std::string_view why);
  void close() noexcept;  // nobody new
  void open(std::size_t most) noexcept;
  rt::task<void> emptied(rt::executor& here);

 private:
  static constexpr std::size_t max_sessions = 32768;  // half of the TSIHs, so that looking for a free one is short

  // An initiator port at a portal group: who may have one session (RFC 7143 4.4.3.2).
  using port = std::tuple<std::string, isid_field, std::uint16_t>;
  static port port_of(const session_record& s) { return {s.who.initiator, s.who.isid, s.who.portal_group}; }
  struct waiter {
    const session_record* gone;  // null: everybody
    rt::executor* executor;
    std::coroutine_handle<> handle;
  };
  struct departure;

  mutable std::mutex mutex_;
  bool closed_ = false;
  std::size_t most_ = max_sessions;
  std::map<port, std::shared_ptr<session_record>> sessions_;
  std::set<port> promised_;  // ended to be reinstated: the place is taken, until the new session has it
  std::set<std::uint16_t> handles_;
  std::uint16_t last_handle_ = 0;
  std::vector<waiter> waiters_;
};

}  // namespace vds::iscsi
