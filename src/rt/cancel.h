// cancel.h: a request to stop, which the worker looks at where stopping is safe. Any thread may ask or look.
#pragma once

#include <atomic>
#include <memory>

namespace vds::rt {

class cancel_token {
 public:
  cancel_token() = default;  // never cancelled
  bool requested() const noexcept { return flag_ && flag_->load(std::memory_order_acquire); }

 private:
  friend class cancel_source;
  explicit cancel_token(std::shared_ptr<const std::atomic<bool>> flag) : flag_(std::move(flag)) {}
  std::shared_ptr<const std::atomic<bool>> flag_;
};

class cancel_source {
 public:
  cancel_token token() const { return cancel_token(flag_); }
  void request() noexcept { flag_->store(true, std::memory_order_release); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace vds::rt
