// channel.h: one connection as a carrier of calls in both directions: sending with a bounded queue, reading, and the
// table of calls that wait for their answers.
// Reading has one owner at a time, whose right is the armed descriptor: a pool thread that was woken by it, or a caller
// that disarmed it to wait for its own answer itself and so spares the detour over a pool thread. Whoever stops reading
// hands the right to another waiting caller, if there is one: pool threads may all be such callers, blocked.
// Every message is handled by the owner in the order of arrival; jobs that may take longer run after, elsewhere.
// Invariants: a call ends exactly once (answer, fault, time-out, connection lost); after close() nothing is sent.
// Lock order: state_mutex_ before calls_mutex_; neither is held while anything foreign runs.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "com/com.h"
#include "wire/orpc/limits.h"
#include "wire/orpc/poller.h"
#include "wire/rpc/binder.h"
#include "wire/rpc/receiver.h"

namespace vds::wire {

using job = rt::unique_function<void()>;

struct answer {
  HRESULT transport = S_OK;  // otherwise what became of the call; no stub data then
  ndr::buffer stub;
};

struct call_target {
  const uuid& interface_id;
  const uuid& object;
  std::uint16_t opnum;
};

// What stands above a channel. Called by the owner of reading: must not block.
class channel_user {
 public:
  virtual ~channel_user() = default;
  virtual job on_request(rpc::request&& request) = 0;  // may return work to be run after
  virtual bool knows(const uuid& interface_id) = 0;
  virtual void on_closed() = 0;  // once, on any thread
};

class channel final : public poll_handler, private rpc::receiver_events {
 public:
  channel(poller& io, unique_fd fd, const connection_limits& limits, channel_user& user);
  ~channel() override;

  // self keeps the channel while it is polled. Call once, before anything else.
  void start(const std::weak_ptr<poll_handler>& self);

  // message: room of rpc::request_bytes, then the stub data. Its content is used up.
  answer call(const call_target& to, ndr::buffer& message, std::optional<deadline> until);
  // done runs exactly once, on a pool thread.
  void begin_call(const call_target& to, ndr::buffer& message, std::optional<deadline> until,
                  rt::unique_function<void(answer&&)> done);
  // message: room of rpc::response_bytes, then the stub data.
  void reply(std::uint32_t call_id, std::uint16_t context, ndr::buffer& message);
  void reply_fault(std::uint32_t call_id, std::uint16_t context, std::uint32_t status);

  void close();
  bool closed() const noexcept { return closed_; }
  int fd() const noexcept { return fd_.get(); }
  poller& io() noexcept { return io_; }
  std::size_t waiting_calls() const;

 private:
  struct pending {
    std::atomic<bool> done = false;
    std::condition_variable ready;  // used with calls_mutex_
    answer what;
    std::uint64_t timer = 0;
    bool may_read = false;                     // the right to read was handed to it; guarded by calls_mutex_
    rt::unique_function<void(answer&&)> then;  // set: an asynchronous call, on the heap
  };

  void on_ready(std::uint32_t events) override;
  void on_request(rpc::request&& request) override;
  void on_response(std::uint32_t call_id, ndr::buffer&& stub) override;
  void on_fault(std::uint32_t call_id, std::uint32_t status) override;
  void on_reply(std::span<const std::byte> pdu) override;
  void on_peer_fragment(std::uint16_t bytes) override;
  void on_bind_result(std::uint32_t call_id, bool accepted) override;
  bool knows(const uuid& interface_id) override { return user_.knows(interface_id); }

  std::optional<std::uint32_t> enter(pending& p);
  // waiter: the caller who will wait here. It gets the right to read if that is free, or stands in line for it.
  HRESULT send_request(std::uint32_t call_id, const call_target& to, ndr::buffer& message, pending* waiter);
  bool read(bool block);  // one receive; false: nothing there, or the end
  void read_until_done(pending& p, std::optional<deadline> until);
  void stop_reading();
  // `read`: by the owner of reading, who runs what follows when it has read all there is.
  void complete(std::uint32_t call_id, answer&& what, bool read = false);
  bool forget(std::uint32_t call_id);
  void send(std::span<const std::byte> bytes);
  bool send_locked(std::span<const std::byte> bytes);
  void flush_locked();
  void arm_locked() noexcept;

  poller& io_;
  const unique_fd fd_;
  const connection_limits limits_;
  channel_user& user_;
  std::uint64_t key_ = 0;
  std::weak_ptr<poll_handler> self_;
  std::atomic<bool> closed_ = false;
  std::atomic<std::uint32_t> next_call_ = 1;

  std::mutex state_mutex_;
  bool armed_for_reading_ = false;  // nobody reads; the poller will say when there is something
  bool want_write_ = false;
  ndr::buffer queue_;  // not yet taken by the socket, from queue_sent_ on
  std::size_t queue_sent_ = 0;
  rpc::binder binder_;

  mutable std::mutex calls_mutex_;
  std::unordered_map<std::uint32_t, pending*> calls_;
  std::vector<pending*> in_line_;  // callers that wait while somebody else reads

  // The owner of reading's.
  rpc::receiver receiver_;
  std::vector<job> jobs_;
};

}  // namespace vds::wire
