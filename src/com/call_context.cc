#include "com/call_context.h"

#include <utility>

namespace vds {

call_context& current_call() noexcept {
  thread_local call_context context;
  return context;
}

scoped_call::scoped_call(call_context context) : previous_(std::exchange(current_call(), std::move(context))) {}
scoped_call::~scoped_call() { current_call() = std::move(previous_); }

}  // namespace vds
