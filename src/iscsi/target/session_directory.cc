#include "iscsi/target/session_directory.h"

#include <algorithm>
#include <atomic>

#include "iscsi/session/connection.h"

namespace vds::iscsi {
namespace {

std::uint64_t next_nexus_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void end_at_once(const std::shared_ptr<session_record>& s, std::string_view why) {
  s->executor.post([s, why = std::string(why)] {
    if (s->live != nullptr) s->live->drop(why);
  });
}

}  // namespace

// Waits until a session, or every one, has left.
struct session_directory::departure {
  session_directory& d;
  const session_record* gone;
  rt::executor& here;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> h) const {
    const std::lock_guard lock(d.mutex_);
    bool still = gone == nullptr && !d.sessions_.empty();
    for (const auto& [port, s] : d.sessions_) still = still || s.get() == gone;
    if (still) d.waiters_.push_back({gone, &here, h});
    return still;
  }
  void await_resume() const noexcept {}
};

rt::task<status> session_directory::admit(std::shared_ptr<session_record> session) {
  const port key = port_of(*session);
  for (;;) {
    std::shared_ptr<session_record> old;
    {
      const std::lock_guard lock(mutex_);
      promised_.erase(key);
      if (closed_) co_return errc::closing;
      const auto it = sessions_.find(key);
      if (it == sessions_.end()) {
        if (sessions_.size() + promised_.size() >= most_) co_return errc::out_of_memory;
        do ++last_handle_;
        while (last_handle_ == 0 || handles_.contains(last_handle_));
        session->tsih = last_handle_;
        session->who.id = next_nexus_id();
        handles_.insert(last_handle_);
        sessions_.emplace(key, session);
        co_return status();
      }
      old = it->second;
    }
    end_at_once(old, "its session was reinstated");
    co_await departure{*this, old.get(), session->executor};
  }
}

void session_directory::leave(const std::shared_ptr<session_record>& session) {
  const std::lock_guard lock(mutex_);
  const auto it = sessions_.find(port_of(*session));
  if (it == sessions_.end() || it->second != session) return;
  sessions_.erase(it);
  handles_.erase(session->tsih);
  std::erase_if(waiters_, [&](const waiter& w) {
    if (w.gone == session.get()) promised_.insert(port_of(*session));
    if (w.gone != session.get() && !(w.gone == nullptr && sessions_.empty())) return false;
    w.executor->post([h = w.handle] { h.resume(); });
    return true;
  });
}

std::vector<std::shared_ptr<session_record>> session_directory::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<session_record>> out;
  out.reserve(sessions_.size());
  for (const auto& [port, s] : sessions_) out.push_back(s);
  return out;
}

std::size_t session_directory::size() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

void session_directory::drop_all(std::string_view why, const session_record* but) {
  for (const auto& s : all())
    if (s.get() != but) end_at_once(s, why);
}

void session_directory::ask_to_log_out(const std::function<bool(const session_record&)>& which, std::string_view why) {
  for (const auto& s : all()) {
    if (!which(*s)) continue;
    s->executor.post([s, reason = std::string(why)] {
      if (s->live != nullptr) s->live->ask_to_log_out(reason);
    });
  }
}

void session_directory::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void session_directory::open(std::size_t most) noexcept {
  const std::lock_guard lock(mutex_);
  most_ = std::min(most, max_sessions);
  closed_ = false;
}

rt::task<void> session_directory::emptied(rt::executor& here) { co_await departure{*this, nullptr, here}; }

}  // namespace vds::iscsi
