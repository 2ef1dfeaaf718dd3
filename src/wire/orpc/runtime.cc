#include "wire/orpc/runtime.h"

#include "wire/orpc/poller.h"
#include "wire/orpc/worker_pool.h"

namespace vds::wire {

namespace {
constexpr unsigned blocking_threads = 32;
constexpr std::size_t blocking_queue = 4096;
}  // namespace

runtime::runtime(unsigned threads)
    : blocking_(std::make_unique<worker_pool>(blocking_threads, blocking_queue)),
      io_(std::make_unique<poller>(threads)) {}

// Blocked calls end first: they may still answer through the poller, whose threads may still try to post more.
runtime::~runtime() { blocking_->stop(); }

void runtime::post(rt::unique_function<void()> work) { io_->post(std::move(work)); }

}  // namespace vds::wire
