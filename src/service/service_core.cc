#include "service/service_core.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/log.h"
#include "com/strings.h"

namespace vds::service {

service_core::service_core(service_options options, provider_launcher& launcher, clock_source& clock)
    : options_(std::move(options)),
      launcher_(launcher),
      clock_(clock),
      timer_(std::make_shared<timer>()),
      objects_(std::make_shared<model>()),
      slow_("service", {}),
      readers_("readers", {}) {}

service_core::~service_core() { stop(); }

result<std::shared_ptr<service_core>> service_core::make(service_options options, provider_launcher& launcher,
                                                         clock_source& clock) {
  std::shared_ptr<service_core> made(new service_core(std::move(options), launcher, clock));
  auto opened = registry::open(made->options_.state_dir + "/service.db");
  if (!opened) return std::move(opened).error();
  made->registry_ = std::move(*opened);
  journal_options journal;
  journal.path = made->options_.state_dir + "/operations.db";
  journal.history = made->options_.history;
  journal.at_step = made->options_.at_journal_step;
  auto work = operations::open(std::move(journal), made->objects_, made->timer_, clock);
  if (!work) return std::move(work).error();
  made->operations_ = std::move(*work);
  made->events_ = std::make_shared<event_hub>(made->options_.events, *made->registry_, *made->timer_, clock);
  auto registered = made->registry_->providers();
  if (!registered) return std::move(registered).error();
  for (const provider_spec& p : *registered) made->providers_.push_back(made->make_provider(p));
  for (const provider_spec& p : made->options_.providers) {
    const auto same = [&](const auto& known) { return known->spec().name == p.name; };
    if (std::none_of(made->providers_.begin(), made->providers_.end(), same))
      made->providers_.push_back(made->make_provider(p));
  }
  return made;
}

std::shared_ptr<provider> service_core::make_provider(provider_spec p) {
  // Weakly: a provider may be kept alive by clients' objects after the service has ended.
  return std::make_shared<provider>(std::move(p), options_.provider, launcher_, objects_, operations_, clock_,
                                    [events = std::weak_ptr<event_hub>(events_)](std::vector<VDS_NOTIFICATION> news) {
                                      if (const auto hub = events.lock()) hub->publish(std::move(news));
                                    });
}

// Providers start side by side; one that does not make it in time is left out, and goes on trying.
void service_core::start_providers() {
  for (const auto& p : providers_) p->start();
  starter_ = std::thread([this] {
    const deadline until = monotonic::now() + options_.ready_limit;
    for (const auto& p : providers())
      if (!p->wait_first_attempt(until)) log::warn("provider {} is not there yet; ready without it", p->spec().name);
    const std::lock_guard lock(mutex_);
    ready_ = true;
    ready_signal_.notify_all();
  });
}

bool service_core::ready() const {
  const std::lock_guard lock(mutex_);
  return ready_;
}

bool service_core::await_ready(deadline until) {
  std::unique_lock lock(mutex_);
  return ready_signal_.wait_until(lock, until, [this] { return ready_ || stopped_; }) && ready_;
}

void service_core::await_ready() {
  std::unique_lock lock(mutex_);
  ready_signal_.wait(lock, [this] { return ready_ || stopped_; });
}

void service_core::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    ready_signal_.notify_all();
  }
  const auto all = providers();
  std::vector<std::thread> stopping;  // side by side: each may take its time to unload
  stopping.reserve(all.size());
  for (const auto& p : all) stopping.emplace_back([p] { p->stop(false); });
  for (std::thread& t : stopping) t.join();
  if (starter_.joinable()) starter_.join();
  timer_->stop();
  if (events_) events_->stop();
  if (operations_) operations_->stop();
  slow_.close();
  readers_.close();
  objects_->clear();
}

std::vector<std::shared_ptr<provider>> service_core::providers() const {
  const std::lock_guard lock(mutex_);
  return providers_;
}

status service_core::add(provider_spec p) {
  std::shared_ptr<provider> made;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return errc::closing;
    for (const auto& known : providers_)
      if (known->provider_id() == p.id) return errc::already_exists;
  }
  VDS_RETURN_IF_FAILED(registry_->add(p));
  made = make_provider(std::move(p));
  made->start();
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      providers_.push_back(made);
      return {};
    }
  }
  made->stop(false);  // registered all the same: it is started with the service
  return {};
}

status service_core::remove(const guid& id) {
  VDS_RETURN_IF_FAILED(registry_->remove(id));
  std::shared_ptr<provider> gone;
  {
    const std::lock_guard lock(mutex_);
    const auto at =
        std::find_if(providers_.begin(), providers_.end(), [&](const auto& p) { return p->provider_id() == id; });
    if (at == providers_.end()) return {};
    gone = *at;
    providers_.erase(at);
  }
  gone->stop(true);
  operations_->provider_gone(id);
  return {};
}

HRESULT service_core::for_all(HRESULT (IVdsHwProvider::*what)(), bool wait) {
  struct shared {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t open = 0;
    bool failed = false;
  };
  const auto state = std::make_shared<shared>();
  for (const auto& p : providers()) {
    const com_ptr<hw_object> object = objects_->find(p->provider_id(), VDS_OT_PROVIDER);
    if (!object) continue;
    {
      const std::lock_guard lock(state->mutex);
      ++state->open;
    }
    const auto work = [object, what, state] {
      const auto hardware = com_ptr<IUnknown>(object->unknown()).as<IVdsHwProvider>();
      const HRESULT hr = hardware ? (hardware.get()->*what)() : E_NOINTERFACE;
      const std::lock_guard lock(state->mutex);
      state->failed |= FAILED(hr);
      --state->open;
      state->done.notify_all();
    };
    if (!p->post(work)) {
      const std::lock_guard lock(state->mutex);
      --state->open;
      state->failed = true;
    }
  }
  if (!wait) return S_OK;
  std::unique_lock lock(state->mutex);
  // Each call has its own limit; this one is for a gate that is full of others.
  if (!state->done.wait_for(lock, 2 * options_.provider.load_limit, [&] { return state->open == 0; })) return S_FALSE;
  return state->failed ? S_FALSE : S_OK;
}

}  // namespace vds::service
