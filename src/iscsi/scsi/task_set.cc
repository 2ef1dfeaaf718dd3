#include "iscsi/scsi/task_set.h"

namespace vds::iscsi {

void task_set::enter(command& c) {
  always(!c.registered_);
  c.registered_ = true;
  c.previous_ = last_;
  c.next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = &c;
  last_ = &c;
  ++size_;
  if (c.attribute == task_attribute::ordered) ++ordered_;
}

void task_set::leave(command& c) {
  if (!c.registered_) return;
  c.registered_ = false;
  (c.previous_ != nullptr ? c.previous_->next_ : first_) = c.next_;
  (c.next_ != nullptr ? c.next_->previous_ : last_) = c.previous_;
  --size_;
  const bool others_wait = ordered_ != 0;
  if (c.attribute == task_attribute::ordered) --ordered_;
  if (others_wait) moved_.set();
  for (drain* d : c.drains_)
    if (--d->left == 0 && d->waiter) executor_.post([h = d->waiter] { h.resume(); });
  c.drains_.clear();
}

bool task_set::held_up(const command& c) const {
  if (ordered_ == 0 || c.attribute == task_attribute::head_of_queue) return false;
  if (c.attribute == task_attribute::ordered) return first_ != &c;
  for (const command* p = c.previous_; p != nullptr; p = p->previous_)
    if (p->attribute == task_attribute::ordered) return true;
  return false;
}

rt::task<void> task_set::turn(command& c) {
  while (!c.aborted() && held_up(c)) {
    moved_.reset();
    co_await moved_;
  }
}

rt::task<void> task_set::abort(std::function<bool(const command&)> which, bool silently) {
  drain d;
  for (command* c = first_; c != nullptr; c = c->next_) {
    if (!which(*c)) continue;
    c->mark_aborted(silently);
    c->drains_.push_back(&d);
    ++d.left;
    c->abort_requested();
  }
  if (ordered_ != 0) moved_.set();
  if (d.left == 0) co_return;
  struct gone {
    drain& d;
    bool await_ready() const noexcept { return d.left == 0; }
    void await_suspend(std::coroutine_handle<> h) const noexcept { d.waiter = h; }
    void await_resume() const noexcept {}
  };
  co_await gone{d};
}

bool task_set::any(const std::function<bool(const command&)>& which) const {
  for (const command* c = first_; c != nullptr; c = c->next_)
    if (which(*c)) return true;
  return false;
}

}  // namespace vds::iscsi
