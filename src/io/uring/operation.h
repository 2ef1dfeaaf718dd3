// operation.h: co_await one request to the kernel. Internal to this folder.
//   const int n = co_await request(reactor, [&](io_uring_sqe* e) { io_uring_prep_fsync(e, fd, 0); });
//   const int n = co_await request(reactor, slot_, prepare);  // the slot, a member, lets close() cancel it
// The value is the completion's: >= 0, or a negative errno. The callable runs before anything else does, unless the
// submission queue is full; what it names must live until the request ends, as everything in a coroutine's frame does.
#pragma once

#include <liburing.h>

#include <utility>

#include "io/uring/reactor.h"

namespace vds::io {

template <class Prepare>
class request_awaiter {
 public:
  request_awaiter(reactor& r, operation* slot, Prepare prepare)
      : reactor_(r), slot_(slot), prepare_(std::move(prepare)) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> h) {
    operation& op = slot_ != nullptr ? *slot_ : own_;
    always(op.where == operation::stage::idle);  // one request per slot
    op.waiter = h;
    op.request = this;
    op.prepare = [](void* self, io_uring_sqe* entry) { static_cast<request_awaiter*>(self)->prepare_(entry); };
    return reactor_.submit(op);
  }
  int await_resume() const noexcept { return slot_ != nullptr ? slot_->result : own_.result; }

 private:
  reactor& reactor_;
  operation* slot_;
  Prepare prepare_;
  operation own_;
};

template <class Prepare>
request_awaiter<Prepare> request(reactor& r, Prepare prepare) {
  return {r, nullptr, std::move(prepare)};
}
template <class Prepare>
request_awaiter<Prepare> request(reactor& r, operation& slot, Prepare prepare) {
  return {r, &slot, std::move(prepare)};
}

}  // namespace vds::io
