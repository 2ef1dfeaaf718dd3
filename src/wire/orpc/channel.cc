#include "wire/orpc/channel.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "wire/orpc/errors.h"

namespace vds::wire {

namespace {
constexpr std::size_t receive_bytes = 32 << 10;
constexpr std::size_t keep_queue_bytes = 256 << 10;  // an emptied queue larger than this gives its memory back
}  // namespace

channel::channel(poller& io, unique_fd fd, const connection_limits& limits, channel_user& user)
    : io_(io), fd_(std::move(fd)), limits_(limits), user_(user), receiver_(limits.rpc) {}

channel::~channel() {
  if (key_) io_.remove(fd_.get(), key_);
  std::vector<std::uint32_t> ids;
  for (const auto& [id, p] : calls_) ids.push_back(id);
  for (const std::uint32_t id : ids) complete(id, {rpc_disconnected, {}});
}

void channel::start(const std::weak_ptr<poll_handler>& self) {
  self_ = self;
  key_ = io_.add(fd_.get(), self);
  std::lock_guard lock(state_mutex_);
  armed_for_reading_ = true;
  arm_locked();
}

void channel::arm_locked() noexcept {
  if (closed_) return;
  std::uint32_t events = 0;
  if (armed_for_reading_) events |= EPOLLIN | EPOLLRDHUP;
  if (want_write_) events |= EPOLLOUT;
  io_.arm(fd_.get(), key_, events);
}

// --- calls out ------------------------------------------------------------------------------------------------------

std::optional<std::uint32_t> channel::enter(pending& p) {
  std::lock_guard lock(calls_mutex_);
  if (calls_.size() >= limits_.outgoing_calls) return std::nullopt;
  for (;;) {
    const std::uint32_t id = next_call_++;
    if (id != 0 && calls_.try_emplace(id, &p).second) return id;
  }
}

bool channel::forget(std::uint32_t call_id) {
  std::lock_guard lock(calls_mutex_);
  return calls_.erase(call_id) != 0;
}

HRESULT channel::send_request(std::uint32_t call_id, const call_target& to, ndr::buffer& message, pending* waiter) {
  ndr::buffer control, spill;
  std::unique_lock lock(state_mutex_);
  if (closed_) return rpc_disconnected;
  auto context = binder_.context_of(to.interface_id, call_id, control);
  if (!context) return hresult_of_fault(rpc::nca_unknown_interface);
  if (waiter) {
    std::lock_guard calls_lock(calls_mutex_);
    if (armed_for_reading_) {
      // Before the request goes out, so that its answer does not wake a pool thread.
      armed_for_reading_ = false;
      waiter->may_read = true;
      arm_locked();
    } else if (!waiter->done) {
      in_line_.push_back(waiter);
    }
  }
  const auto bytes =
      rpc::finish_request(message, {call_id, *context, to.opnum, to.object}, binder_.max_fragment(), spill);
  bool sent = control.empty() || send_locked(control);
  sent = sent && send_locked(bytes);
  lock.unlock();
  if (!sent) close();
  return S_OK;  // a lost connection ends the call through close()
}

answer channel::call(const call_target& to, ndr::buffer& message, std::optional<deadline> until) {
  pending p;
  const auto id = enter(p);
  if (!id) return {rpc_too_busy, {}};
  if (const HRESULT sent = send_request(*id, to, message, &p); FAILED(sent)) {
    forget(*id);
    return {sent, {}};
  }
  std::unique_lock lock(calls_mutex_);
  bool timed_out = false;
  // close() ends every call it finds in the table; one that entered after it looked finds closed_ set here.
  while (!p.done && !closed_ && !timed_out) {
    if (p.may_read) {
      lock.unlock();
      read_until_done(p, until);
      lock.lock();
      timed_out = !p.done && !closed_;
    } else if (!until) {
      p.ready.wait(lock);
    } else {
      timed_out = p.ready.wait_until(lock, *until) == std::cv_status::timeout;
    }
  }
  std::erase(in_line_, &p);
  if (!p.done) {
    calls_.erase(*id);
    p.what = {closed_ ? rpc_disconnected : rpc_timed_out, {}};
  }
  const bool reading = p.may_read;
  lock.unlock();
  if (reading) stop_reading();
  return std::move(p.what);
}

void channel::begin_call(const call_target& to, ndr::buffer& message, std::optional<deadline> until,
                         rt::unique_function<void(answer&&)> done) {
  auto owned = std::make_unique<pending>();
  owned->then = std::move(done);
  pending* p = owned.get();
  const auto id = enter(*p);
  if (!id) {
    io_.post([p = std::move(owned)] { p->then({rpc_too_busy, {}}); });
    return;
  }
  (void)owned.release();  // the table's now: complete() deletes it
  if (until) {
    std::lock_guard lock(calls_mutex_);
    if (calls_.contains(*id))
      p->timer = io_.at(*until, [self = self_, this, id = *id] {
        if (const auto held = self.lock()) complete(id, {rpc_timed_out, {}});
      });
  }
  const HRESULT sent = send_request(*id, to, message, nullptr);
  if (FAILED(sent)) complete(*id, {sent, {}});
}

void channel::complete(std::uint32_t call_id, answer&& what, bool read) {
  std::unique_lock lock(calls_mutex_);
  const auto it = calls_.find(call_id);
  if (it == calls_.end()) return;  // timed out, or never asked
  pending* p = it->second;
  calls_.erase(it);
  if (!p->then) {
    std::erase(in_line_, p);
    p->what = std::move(what);
    p->done = true;
    p->ready.notify_one();  // under the lock: the waiter's frame may be gone right after
    return;
  }
  lock.unlock();
  std::unique_ptr<pending> owned(p);
  if (owned->timer) io_.cancel(owned->timer);
  job next = [then = std::move(owned->then), what = std::move(what)]() mutable { then(std::move(what)); };
  if (read)
    jobs_.push_back(std::move(next));
  else
    io_.post(std::move(next));
}

std::size_t channel::waiting_calls() const {
  std::lock_guard lock(calls_mutex_);
  return calls_.size();
}

// --- reading --------------------------------------------------------------------------------------------------------

void channel::on_ready(std::uint32_t events) {
  bool mine = false;
  {
    std::lock_guard lock(state_mutex_);
    if (events & EPOLLOUT) flush_locked();
    if ((events & ~std::uint32_t{EPOLLOUT}) && armed_for_reading_) {
      armed_for_reading_ = false;
      mine = true;
    }
    if (!mine || want_write_) arm_locked();
  }
  if (!mine) return;
  while (read(false)) {
  }
  std::vector<job> work;
  work.swap(jobs_);
  stop_reading();
  for (std::size_t i = 0; i + 1 < work.size(); ++i) io_.post(std::move(work[i]));
  if (!work.empty()) work.back()();
}

bool channel::read(bool block) {
  std::byte bytes[receive_bytes];
  const auto n = ::recv(fd_.get(), bytes, sizeof bytes, block ? 0 : MSG_DONTWAIT);
  if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (n <= 0) {
    close();
    return false;
  }
  if (auto ok = receiver_.receive({bytes, static_cast<std::size_t>(n)}, *this); !ok) {
    log::warn("closing a connection: {}", ok.error().message());
    close();
    return false;
  }
  return static_cast<std::size_t>(n) == sizeof bytes;
}

void channel::read_until_done(pending& p, std::optional<deadline> until) {
  while (!p.done && !closed_) {
    if (until) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - monotonic::now()).count();
      if (left <= 0) return;
      pollfd wait{fd_.get(), POLLIN, 0};
      if (::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left, 1 << 30))) <= 0) continue;
    }
    read(!until);
    for (auto& work : jobs_) io_.post(std::move(work));  // the caller has its own answer to wait for
    jobs_.clear();
  }
}

void channel::stop_reading() {
  std::lock_guard lock(state_mutex_);
  {
    std::lock_guard calls_lock(calls_mutex_);
    if (!in_line_.empty()) {
      // The latest: it will probably wait the longest, and so hand on the least often.
      pending* next = in_line_.back();
      in_line_.pop_back();
      next->may_read = true;
      next->ready.notify_one();
      return;
    }
  }
  armed_for_reading_ = true;
  arm_locked();
}

void channel::on_request(rpc::request&& request) {
  if (auto work = user_.on_request(std::move(request))) jobs_.push_back(std::move(work));
}
void channel::on_response(std::uint32_t call_id, ndr::buffer&& stub) {
  complete(call_id, {S_OK, std::move(stub)}, true);
}
void channel::on_fault(std::uint32_t call_id, std::uint32_t status) {
  complete(call_id, {hresult_of_fault(status), {}}, true);
}
void channel::on_reply(std::span<const std::byte> pdu) { send(pdu); }
void channel::on_peer_fragment(std::uint16_t bytes) {
  std::lock_guard lock(state_mutex_);
  binder_.on_peer_fragment(bytes);
}
void channel::on_bind_result(std::uint32_t call_id, bool accepted) {
  std::lock_guard lock(state_mutex_);
  binder_.on_result(call_id, accepted);
}

// --- sending --------------------------------------------------------------------------------------------------------

void channel::reply(std::uint32_t call_id, std::uint16_t context, ndr::buffer& message) {
  ndr::buffer spill;
  std::unique_lock lock(state_mutex_);
  if (closed_) return;
  const bool sent = send_locked(rpc::finish_response(message, call_id, context, binder_.max_fragment(), spill));
  lock.unlock();
  if (!sent) close();
}

void channel::reply_fault(std::uint32_t call_id, std::uint16_t context, std::uint32_t status) {
  ndr::buffer pdu;
  rpc::write_fault(pdu, call_id, context, status);
  send(pdu);
}

void channel::send(std::span<const std::byte> bytes) {
  std::unique_lock lock(state_mutex_);
  const bool sent = send_locked(bytes);
  lock.unlock();
  if (!sent) close();
}

// false: the connection has to be closed, by the caller and without the lock.
bool channel::send_locked(std::span<const std::byte> bytes) {
  if (closed_) return true;
  while (queue_.empty() && !bytes.empty()) {
    const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    break;
  }
  if (bytes.empty()) return true;
  if (bytes.size() > limits_.queued_bytes - std::min(limits_.queued_bytes, queue_.size() - queue_sent_)) {
    log::warn("closing a connection: its peer does not read, {} bytes wait", queue_.size() - queue_sent_);
    return false;
  }
  queue_.insert(queue_.end(), bytes.begin(), bytes.end());
  if (!want_write_) {
    want_write_ = true;
    arm_locked();
  }
  return true;
}

void channel::flush_locked() {
  while (queue_sent_ < queue_.size()) {
    const auto n =
        ::send(fd_.get(), queue_.data() + queue_sent_, queue_.size() - queue_sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;  // full again; a broken connection shows itself to the reader
    queue_sent_ += static_cast<std::size_t>(n);
  }
  if (queue_sent_ == queue_.size()) {
    if (queue_.capacity() > keep_queue_bytes) ndr::buffer().swap(queue_);
    queue_.clear();
    queue_sent_ = 0;
    want_write_ = false;
  } else if (queue_sent_ > queue_.size() / 2) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_sent_));
    queue_sent_ = 0;
  }
}

void channel::close() {
  {
    std::lock_guard lock(state_mutex_);
    if (closed_.exchange(true)) return;
    ::shutdown(fd_.get(), SHUT_RDWR);
    ndr::buffer().swap(queue_);
    queue_sent_ = 0;
  }
  std::vector<std::uint32_t> ids;
  {
    std::lock_guard lock(calls_mutex_);
    for (const auto& [id, p] : calls_) ids.push_back(id);
  }
  for (const std::uint32_t id : ids) complete(id, {rpc_disconnected, {}});
  user_.on_closed();
}

}  // namespace vds::wire
