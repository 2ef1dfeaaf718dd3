#include "service/events/event_hub.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "com/hresult.h"
#include "com/strings.h"
#include "sdk/notifier.h"
#include "service/objects/hw_object.h"

namespace vds::service {
namespace {

constexpr std::uint64_t reserve = 65'536;
constexpr std::size_t per_call = 100;

}  // namespace

event_hub::event_hub(options o, registry& numbers, timer& later, clock_source& clock)
    : options_(o), numbers_(numbers), later_(later), clock_(clock), pool_("sinks", {}) {
  if (const auto from = numbers_.reserve_events(reserve)) {
    next_ = *from;
    reserved_ = *from + reserve;
  } else {
    log::error("event numbers cannot be stored, they begin anew: {}", from.error());
    reserved_ = ~std::uint64_t{0};
  }
}

event_hub::~event_hub() { stop(); }

void event_hub::stop() {
  decltype(parked_) waiting;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    waiting.swap(parked_);
    for (auto& [cookie, s] : sinks_) s->gone = true;
    sinks_.clear();
  }
  for (auto& [which, p] : waiting) {
    later_.cancel(p.timeout);
    p.then({VDS_E_PROVIDER_EXITING, {}, p.since, false});
  }
  pool_.close();
}

void event_hub::publish(std::vector<VDS_NOTIFICATION> events) {
  if (events.empty()) return;
  std::vector<std::pair<reader, events_read>> answers;
  std::vector<std::shared_ptr<sink>> wake;
  std::vector<timer::id> timeouts;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    const auto now = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.wall().time_since_epoch()).count());
    for (const VDS_NOTIFICATION& n : events) {
      if (next_ >= reserved_) {
        if (const auto more = numbers_.reserve_events(reserve)) reserved_ = next_ + reserve;
      }
      VDSX_EVENT e{};
      e.ullSequence = next_++;
      e.ullUnixNs = now;
      e.ulEventCode = sdk::event_code(n);
      e.type = static_cast<VDS_OBJECT_TYPE>(n.objectType);
      e.id = to_com(sdk::event_object(n));
      ring_.push_back(e);
      if (ring_.size() > options_.ring) ring_.pop_front();
    }
    for (auto& [cookie, s] : sinks_) {
      if (s->queued + events.size() > options_.sink_queue) {
        s->lost = true;
      } else {
        s->queued += events.size();
        s->queue.push_back(events);
      }
      if (!std::exchange(s->delivering, true)) wake.push_back(s);
    }
    for (auto& [which, p] : parked_) {
      answers.emplace_back(std::move(p.then), take(p.since, p.max));
      timeouts.push_back(p.timeout);
    }
    parked_.clear();
  }
  for (const timer::id t : timeouts) later_.cancel(t);
  for (auto& [then, answer] : answers) then(std::move(answer));
  for (const std::shared_ptr<sink>& s : wake) pool_.post_own([this, s] { deliver(s); });
}

// On the pool; one at a time for a sink.
void event_hub::deliver(const std::shared_ptr<sink>& s) {
  std::unique_lock lock(mutex_);
  s->thread = std::this_thread::get_id();
  while (!s->gone && (!s->queue.empty() || s->lost)) {
    std::vector<VDS_NOTIFICATION> events;
    if (!s->queue.empty()) {
      events = std::move(s->queue.front());
      s->queue.pop_front();
      s->queued -= events.size();
    } else {
      s->lost = false;
      VDS_NOTIFICATION n{};
      n.objectType = VDS_NTT_SERVICE;
      n.Service.ulEvent = VDS_NF_SERVICE_OUT_OF_SYNC;
      n.Service.action = VDS_RA_REFRESH;
      events.push_back(n);
    }
    const com_ptr<IVdsAdviseSink> to = s->to;
    lock.unlock();
    HRESULT hr = S_OK;
    for (std::size_t at = 0; at < events.size() && SUCCEEDED(hr); at += per_call) {
      const limited_call limited(options_.sink_limit);
      hr = to->OnNotify(static_cast<LONG>(std::min(per_call, events.size() - at)), events.data() + at);
    }
    lock.lock();
    // What a sink thinks of an event is its own business; that it cannot be reached is ours.
    const bool dead = hr == RPC_E_DISCONNECTED || hr == server_unavailable;
    s->failures = hr == RPC_E_TIMEOUT ? s->failures + 1 : 0;
    if (dead || s->failures >= options_.sink_failures) {
      log::info("sink {} is dropped: {}", s->cookie, describe(hr));
      s->gone = true;
      sinks_.erase(s->cookie);
    }
  }
  s->delivering = false;
  s->thread = {};
  const com_ptr<IVdsAdviseSink> dropped = s->gone ? std::move(s->to) : com_ptr<IVdsAdviseSink>{};
  delivered_.notify_all();
  lock.unlock();
}

HRESULT event_hub::advise(IVdsAdviseSink* to, DWORD* cookie) {
  if (cookie != nullptr) *cookie = 0;
  if (to == nullptr || cookie == nullptr) return E_INVALIDARG;
  auto s = std::make_shared<sink>();
  s->to = com_ptr<IVdsAdviseSink>(to);
  const std::lock_guard lock(mutex_);
  if (stopped_) return VDS_E_PROVIDER_EXITING;
  while (next_cookie_ == 0 || sinks_.contains(next_cookie_)) ++next_cookie_;
  s->cookie = next_cookie_++;
  sinks_.emplace(s->cookie, s);
  *cookie = s->cookie;
  return S_OK;
}

HRESULT event_hub::unadvise(DWORD cookie) {
  std::shared_ptr<sink> s;
  com_ptr<IVdsAdviseSink> dropped;
  std::unique_lock lock(mutex_);
  const auto at = sinks_.find(cookie);
  if (at == sinks_.end()) return VDS_E_BAD_COOKIE;
  s = at->second;
  sinks_.erase(at);
  s->gone = true;
  // From within its own OnNotify waiting would be for ever.
  delivered_.wait(lock, [&] { return !s->delivering || s->thread == std::this_thread::get_id(); });
  if (!s->delivering) dropped = std::move(s->to);
  lock.unlock();
  return S_OK;
}

bool event_hub::ready(std::uint64_t since) const {
  if (since == only_what_comes) return false;
  const std::uint64_t oldest = ring_.empty() ? next_ : ring_.front().ullSequence;
  return since + 1 < oldest || since >= next_ || since + 1 < next_;
}

event_hub::events_read event_hub::take(std::uint64_t since, std::size_t max) const {
  events_read out;
  const std::uint64_t oldest = ring_.empty() ? next_ : ring_.front().ullSequence;
  const bool from_the_future = since >= next_ && since != only_what_comes;  // a cursor of another service's
  out.lost = since != only_what_comes && (since + 1 < oldest || from_the_future);
  out.next = next_ - 1;
  if (since == only_what_comes || from_the_future) return out;
  const std::uint64_t first = std::max(since + 1, oldest);
  for (std::uint64_t n = first; n < next_ && out.events.size() < max; ++n)
    out.events.push_back(ring_[static_cast<std::size_t>(n - oldest)]);
  if (!out.events.empty()) out.next = out.events.back().ullSequence;
  return out;
}

void event_hub::read(std::uint64_t since, std::size_t max, monotonic::duration timeout, reader then) {
  events_read now;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      now.hr = VDS_E_PROVIDER_EXITING;
    } else if (ready(since) || timeout <= monotonic::duration{}) {
      now = take(since, max);
    } else if (parked_.size() >= options_.parked_readers) {
      now.hr = E_OUTOFMEMORY;
    } else {
      const std::uint64_t which = next_parked_++;
      // Who waits for what comes waits from here.
      const std::uint64_t from = since == only_what_comes ? next_ - 1 : since;
      const timer::id t = later_.after(timeout, [this, which] { timed_out(which); });
      parked_.emplace(which, parked{from, max, std::move(then), t});
      return;
    }
  }
  then(std::move(now));
}

void event_hub::timed_out(std::uint64_t which) {
  reader then;
  events_read answer;
  {
    const std::lock_guard lock(mutex_);
    const auto at = parked_.find(which);
    if (at == parked_.end()) return;
    then = std::move(at->second.then);
    answer = take(at->second.since, at->second.max);
    parked_.erase(at);
  }
  then(std::move(answer));
}

std::uint64_t event_hub::last() const {
  const std::lock_guard lock(mutex_);
  return next_ - 1;
}

std::size_t event_hub::sinks() const {
  const std::lock_guard lock(mutex_);
  return sinks_.size();
}

}  // namespace vds::service
