// event_hub.h: where notifications go: into a ring that late readers read from (IVdsxEvents), and to every sink that
// asked for them (IVdsService::Advise).
//
// A sink has a queue of its own. One that is slow delays nobody; one whose queue overflows hears
// VDS_NF_SERVICE_OUT_OF_SYNC instead of what it missed; one that is dead, or does not answer several times, is dropped.
// Events of one batch reach a sink in one call (100 at most, as the interface demands), batches in order.
// Numbers of events rise for ever, also over restarts; the ring does not survive one, and a reader is told that it lost
// something.
// Any thread; nothing is called with the lock held. Readers wait without a thread.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "com/com_ptr.h"
#include "service/registry/registry.h"
#include "service/timer.h"
#include "service/work_pool.h"

namespace vds::service {

class event_hub {
 public:
  struct options {
    std::size_t ring = 10'000;
    std::size_t sink_queue = 10'000;
    monotonic::duration sink_limit = std::chrono::seconds(5);
    unsigned sink_failures = 3;
    std::size_t parked_readers = 100'000;
  };
  struct events_read {
    HRESULT hr = S_OK;
    std::vector<VDSX_EVENT> events;
    std::uint64_t next = 0;
    bool lost = false;
  };
  using reader = std::function<void(events_read)>;
  static constexpr std::uint64_t only_what_comes = ~std::uint64_t{0};  // as `since`

  event_hub(options o, registry& numbers, timer& later, clock_source& clock);
  ~event_hub();

  void publish(std::vector<VDS_NOTIFICATION> events);
  HRESULT advise(IVdsAdviseSink* to, DWORD* cookie);
  // Returns when no more calls will come; not from within OnNotify, unless for another sink.
  HRESULT unadvise(DWORD cookie);
  // Calls `then` once: at once when there is something after `since`, or something was lost; else when there is, or
  // when the time is up.
  void read(std::uint64_t since, std::size_t max, monotonic::duration timeout, reader then);
  std::uint64_t last() const;
  std::size_t sinks() const;
  void stop();

 private:
  struct sink {
    DWORD cookie = 0;
    com_ptr<IVdsAdviseSink> to;
    std::deque<std::vector<VDS_NOTIFICATION>> queue;
    std::size_t queued = 0;
    bool lost = false, delivering = false, gone = false;
    unsigned failures = 0;
    std::thread::id thread;
  };
  struct parked {
    std::uint64_t since;
    std::size_t max;
    reader then;
    timer::id timeout;
  };

  void deliver(const std::shared_ptr<sink>& s);
  bool ready(std::uint64_t since) const;  // with the lock held
  events_read take(std::uint64_t since, std::size_t max) const;
  void timed_out(std::uint64_t which);

  const options options_;
  registry& numbers_;
  timer& later_;
  clock_source& clock_;
  work_pool pool_;
  mutable std::mutex mutex_;
  std::condition_variable delivered_;
  std::deque<VDSX_EVENT> ring_;
  std::uint64_t next_ = 1, reserved_ = 1;
  std::unordered_map<DWORD, std::shared_ptr<sink>> sinks_;
  DWORD next_cookie_ = 1;
  std::unordered_map<std::uint64_t, parked> parked_;
  std::uint64_t next_parked_ = 1;
  bool stopped_ = false;
};

}  // namespace vds::service
