#include "iscsi/scsi/range_lock.h"

namespace vds::iscsi {

range_lock::held::held(range_lock& lock, lba at, block_count count, bool exclusive) noexcept
    : lock_(lock), first_block_(at.n), end_(at.n + count.n), exclusive_(exclusive), previous_(lock.last_) {
  for (held* h = lock_.first_; h != nullptr; h = h->next_)
    if (conflicts(*h)) ++blockers_;
  (previous_ != nullptr ? previous_->next_ : lock_.first_) = this;
  lock_.last_ = this;
}

bool range_lock::is_free(lba at, block_count count, bool exclusive) const noexcept {
  for (const held* h = first_; h != nullptr; h = h->next_)
    if (h->conflicts(at.n, at.n + count.n, exclusive)) return false;
  return true;
}

range_lock::held::~held() {
  (previous_ != nullptr ? previous_->next_ : lock_.first_) = next_;
  (next_ != nullptr ? next_->previous_ : lock_.last_) = previous_;
  // Only those behind us counted us.
  for (held* h = next_; h != nullptr; h = h->next_)
    if (conflicts(*h) && --h->blockers_ == 0 && h->waiter_)
      lock_.executor_.post([waiter = h->waiter_] { waiter.resume(); });
}

}  // namespace vds::iscsi
