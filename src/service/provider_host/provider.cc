#include "service/provider_host/provider.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "com/strings.h"
#include "service/provider_host/reader.h"

namespace vds::service {
namespace {

std::uint64_t unix_ns(clock_source& clock, monotonic::duration from_now = {}) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(clock.wall().time_since_epoch() + from_now).count());
}

// The sink that a provider gets in OnLoad. It knows which life of the provider it was given to: what an earlier one
// still sends is not believed.
class sink final : public implements<IVdsAdviseSink> {
 public:
  sink(std::weak_ptr<provider> to, std::uint64_t life) : to_(std::move(to)), life_(life) {}
  HRESULT STDMETHODCALLTYPE OnNotify(LONG n, VDS_NOTIFICATION* events) noexcept override try {
    if (n < 1 || n > 100 || events == nullptr) return E_INVALIDARG;
    const auto to = to_.lock();
    if (!to) return S_FALSE;
    to->notified(life_, {events, events + n});
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  const std::weak_ptr<provider> to_;
  const std::uint64_t life_;
};

}  // namespace

provider::provider(provider_spec spec, provider_options options, provider_launcher& launcher,
                   std::shared_ptr<model> objects, std::shared_ptr<operations> work, clock_source& clock,
                   event_function events)
    : spec_(std::move(spec)),
      options_(options),
      launcher_(launcher),
      objects_(std::move(objects)),
      operations_(std::move(work)),
      clock_(clock),
      events_(std::move(events)),
      gate_("gate " + spec_.name, options.gate),
      id_(spec_.id),
      pause_(options.first_pause) {}

provider::~provider() { always(!keeper_.joinable()); }

bool provider::iid_less::operator()(const std::pair<VDS_OBJECT_TYPE, GUID>& a,
                                    const std::pair<VDS_OBJECT_TYPE, GUID>& b) const noexcept {
  return a.first != b.first ? a.first < b.first : std::memcmp(&a.second, &b.second, sizeof(GUID)) < 0;
}

void provider::start() {
  keeper_ = std::thread([this] { keep(); });
}

void provider::stop(bool remove) {
  std::shared_ptr<provider_connection> hanging;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
    // Not ready yet: whatever the keeper waits for there, nobody will want it.
    if (life_.number == 0) hanging = connection_;
  }
  if (hanging) hanging->kill();
  if (keeper_.joinable()) keeper_.join();
  gate_.close();
  {
    decltype(incomplete_) dropped;  // released without the lock: they hold what is behind them, which is this
    const std::lock_guard lock(mutex_);
    dropped.swap(incomplete_);
  }
  if (remove) {
    if (const guid id = provider_id()) publish(depart(id));
  }
}

bool provider::wait_first_attempt(deadline until) {
  std::unique_lock lock(mutex_);
  return attempted_.wait_until(lock, until, [this] { return first_attempt_over_ || stopping_; });
}

guid provider::provider_id() const {
  const std::lock_guard lock(mutex_);
  return id_;
}

provider::life provider::current() const {
  const std::lock_guard lock(mutex_);
  return life_;
}

std::uint64_t provider::incarnation() const {
  const std::lock_guard lock(mutex_);
  return life_.number;
}

com_ptr<IVdsxProviderOperations> provider::provider_operations() { return current().operations; }

void provider::say(VDSX_PROVIDER_STATE state, HRESULT hr, std::string words) {
  if (FAILED(hr))
    log::warn("provider {}: {}", spec_.name, words);
  else
    log::info("provider {}: {}", spec_.name, words);
  const std::lock_guard lock(mutex_);
  if (state_ != state) since_ns_ = unix_ns(clock_);
  state_ = state;
  if (state == VDSX_PS_BACKING_OFF) pid_ = 0;
  last_hr_ = hr;
  last_words_ = std::move(words);
  if (state == VDSX_PS_READY || state == VDSX_PS_STARTING) retry_ns_ = 0;
}

void provider::status(VDSX_PROVIDER_STATUS& out) const {
  out = VDSX_PROVIDER_STATUS{};
  std::string words;
  {
    const std::lock_guard lock(mutex_);
    out.id = to_com(id_);
    // Lost, and its keeper has not said so yet: nobody who reads "ready" may be told a moment later that it is not.
    out.state = state_ == VDSX_PS_READY && life_.number == 0 && !stopping_ ? VDSX_PS_BACKING_OFF : state_;
    out.ulPid = pid_;
    out.ulRestarts = restarts_;
    out.hrLast = last_hr_;
    out.ullSinceUnixNs = since_ns_;
    out.ullRetryUnixNs = retry_ns_;
    words = last_words_;
  }
  out.pwszName = co_task_string(spec_.name);
  out.pwszLast = co_task_string(words);
}

// --- the keeper

void provider::keep() {
  pthread_setname_np(pthread_self(), ("keep " + spec_.name).substr(0, 15).c_str());
  for (;;) {
    const bool go_on = live_once();
    {
      const std::lock_guard lock(mutex_);
      first_attempt_over_ = true;
      attempted_.notify_all();
    }
    if (!go_on) break;
    pause_before_retry();
    const std::lock_guard lock(mutex_);
    if (stopping_) break;
    ++restarts_;
  }
  say(VDSX_PS_STOPPED, S_OK, "stopped");
}

void provider::pause_before_retry() {
  std::unique_lock lock(mutex_);
  if (ready_since_ != deadline{} && monotonic::now() - ready_since_ >= options_.stable) pause_ = options_.first_pause;
  ready_since_ = {};
  retry_ns_ = unix_ns(clock_, pause_);
  wake_.wait_for(lock, pause_, [this] { return stopping_; });
  pause_ = std::min(pause_ * 2, options_.longest_pause);
}

// From the start of its process to its end. Back-off and retries are the caller's.
bool provider::live_once() {
  std::uint64_t number;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    number = ++lives_;
    lost_.reset();
    hung_.clear();
    unanswered_ = 0;
    events_in_.clear();
  }
  say(VDSX_PS_STARTING, S_OK, "starting");
  const std::weak_ptr<provider> self = weak_from_this();
  auto connected = launcher_.launch(spec_, [self, number](const std::string& why) {
    if (const auto p = self.lock()) {
      const std::lock_guard lock(p->mutex_);
      if (p->lives_ != number || p->lost_) return;
      p->lost_ = why;
      p->life_ = {};  // from here on callers hear VDS_E_PROVIDER_FAILURE
      p->wake_.notify_all();
    }
  });
  if (!connected) {
    say(VDSX_PS_BACKING_OFF, to_hresult(connected.error()), "could not be started: " + connected.error().message());
    return true;
  }
  const std::shared_ptr<provider_connection> connection = std::move(*connected);
  life next;
  next.number = number;
  next.object = com_ptr<IUnknown>(connection->object());
  const auto refuse = [&](HRESULT hr, const std::string& words) {
    std::optional<std::string> lost;
    {
      const std::lock_guard lock(mutex_);
      connection_.reset();
      pid_ = 0;
      lost = lost_;
      if (stopping_) return false;
    }
    if (lost)
      say(VDSX_PS_BACKING_OFF, RPC_E_DISCONNECTED, "died while loading: " + *lost);
    else if (outcome_unknown(hr))
      say(VDSX_PS_BACKING_OFF, hr, words + ": " + describe(hr));
    else
      say(VDSX_PS_REFUSED, hr, words + ": " + describe(hr));
    return true;
  };
  {
    const std::lock_guard lock(mutex_);
    pid_ = connection->pid();
    connection_ = connection;
    if (stopping_) {
      connection_.reset();
      return false;
    }
  }
  next.private_side = next.object.as<IVdsProviderPrivate>();
  if (!next.private_side) return refuse(E_NOINTERFACE, "has no IVdsProviderPrivate");
  {
    const limited_call limited(options_.load_limit);
    const auto to = make<sink>(weak_from_this(), number);
    WCHAR machine[] = L"";  // local
    const HRESULT hr = next.private_side->OnLoad(machine, to.get());
    if (FAILED(hr)) return refuse(hr, "refused to load");
    if (FAILED(answered("IVdsProviderPrivate::OnLoad", hr)))
      return refuse(E_UNEXPECTED, "answered OnLoad with nonsense");
  }
  next.operations = next.object.as<IVdsxProviderOperations>();
  {
    // Unlocked: a provider that never asked its callers to wait may still take long to show ten thousand LUNs.
    const bool again = static_cast<bool>(provider_id()) && objects_->find(provider_id());
    if (const HRESULT hr = load_tree(next, again); FAILED(hr)) return refuse(hr, "could not be read");
  }
  {
    const std::lock_guard lock(mutex_);
    if (!lost_) life_ = next;
    ready_since_ = monotonic::now();
  }
  say(VDSX_PS_READY, S_OK, "ready");
  operations_->provider_started(shared_from_this());
  {
    std::unique_lock lock(mutex_);
    first_attempt_over_ = true;
    attempted_.notify_all();
    serve(lock);
    life_ = {};
    connection_.reset();
    if (!stopping_) {
      const std::string why = lost_.value_or("lost");
      lock.unlock();
      connection->kill();  // whatever is left of it
      say(VDSX_PS_BACKING_OFF, RPC_E_DISCONNECTED, why);
      const std::lock_guard bound(bound_mutex_);
      bound_.clear();
      bound_order_.clear();
      return true;
    }
  }
  {
    // In order: it hears of the end before its last reference goes. S_FALSE (not now) cannot be waited for here.
    const limited_call limited(options_.ping_limit);
    next.private_side->OnUnload(TRUE);
  }
  {
    const std::lock_guard bound(bound_mutex_);
    bound_.clear();
    bound_order_.clear();
  }
  const std::lock_guard lock(mutex_);
  pid_ = 0;
  return false;
}

// Until it is lost or we stop. Events first, in order; then calls that went unanswered; plexes when there is time.
void provider::serve(std::unique_lock<std::mutex>& lock) {
  while (!stopping_ && !lost_) {
    if (!events_in_.empty() && monotonic::now() < gathered_) {
      wake_.wait_until(lock, gathered_);
      continue;
    }
    if (!events_in_.empty()) {
      std::vector<std::vector<VDS_NOTIFICATION>> batches(std::make_move_iterator(events_in_.begin()),
                                                         std::make_move_iterator(events_in_.end()));
      events_in_.clear();
      lock.unlock();
      apply(std::move(batches));
      lock.lock();
      continue;
    }
    if (!hung_.empty()) {
      const std::string what = std::move(hung_.back());
      hung_.clear();
      lock.unlock();
      look_after_hang(what);
      lock.lock();
      continue;
    }
    if (!unannounced_.empty()) {
      const auto next = std::min_element(unannounced_.begin(), unannounced_.end(),
                                         [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
      if (next->second.due <= monotonic::now()) {
        lock.unlock();
        announce_due();
        lock.lock();
        continue;
      }
    }
    const bool quiet = monotonic::now() >= quiet_at_;
    if (!incomplete_.empty() && (quiet || incomplete_.size() > most_incomplete || incomplete_.front()->deleted())) {
      const com_ptr<hw_object> lun = std::move(incomplete_.front());
      incomplete_.pop_front();
      lock.unlock();
      complete(*lun);
      lock.lock();
      continue;
    }
    if (!incomplete_.empty())
      wake_.wait_until(lock, quiet_at_);
    else if (unannounced_.empty())
      wake_.wait(lock);
    else
      wake_.wait_for(lock, options_.announce);
  }
}

void provider::look_after_hang(const std::string& what) {
  const life l = current();
  if (l.number == 0) return;
  unsigned unanswered;
  {
    const std::lock_guard lock(mutex_);
    unanswered = unanswered_;
  }
  const std::string words = what + " was not answered in time";
  HRESULT hr = E_NOINTERFACE;
  if (const auto p = l.object.as<IVdsProvider>()) {
    const limited_call limited(options_.ping_limit);
    VDS_PROVIDER_PROP prop{};
    hr = p->GetProperties(&prop);
    clear_members(prop);
  }
  if (SUCCEEDED(hr) && unanswered < options_.hung_calls) {
    say(VDSX_PS_READY, RPC_E_TIMEOUT, words + "; other calls are");
    return;
  }
  if (!spec_.restart_when_hung) {
    say(VDSX_PS_READY, RPC_E_TIMEOUT, words + "; it carries I/O and is left running");
    return;
  }
  log::warn("provider {}: {}; ending it", spec_.name, words);
  {
    const std::lock_guard lock(mutex_);
    if (!lost_) lost_ = "ended because it hung: " + words;
    life_ = {};
  }
}

HRESULT provider::answered(const char* what, HRESULT hr) {
  if (hr == S_OK || hr == S_FALSE) return hr;
  if (hr == RPC_E_TIMEOUT) {
    const std::lock_guard lock(mutex_);
    ++unanswered_;
    hung_.emplace_back(what);
    wake_.notify_all();
    return hr;
  }
  if (FAILED(hr) || !hresult_name(hr).empty()) return hr;
  log::warn("provider {}: {} answered {:#010x}, a success that does not exist", spec_.name, what,
            static_cast<ULONG>(hr));
  return E_UNEXPECTED;
}

void provider::notified(std::uint64_t incarnation, std::vector<VDS_NOTIFICATION> events) {
  const std::lock_guard lock(mutex_);
  if (incarnation != lives_ || lost_ || stopping_) return;
  // A flood is one "look at everything again".
  constexpr std::size_t most = 10'000;
  if (events_in_.size() >= most) {
    events_in_.clear();
    VDS_NOTIFICATION all{};
    all.objectType = VDS_NTT_SERVICE;
    all.Service.ulEvent = VDS_NF_SERVICE_OUT_OF_SYNC;
    events_in_.push_back({all});
  }
  const deadline now = monotonic::now();
  quiet_at_ = now + options_.quiet;
  // What comes later does not postpone what came first.
  if (events_in_.empty()) gathered_ = now + options_.gather;
  events_in_.push_back(std::move(events));
  wake_.notify_all();
}

// --- the way to the provider

HRESULT provider::fetch(const life& l, VDS_OBJECT_TYPE kind, const guid& id, com_ptr<IUnknown>& out) {
  if (kind == VDS_OT_PROVIDER) {
    out = l.object;
    return S_OK;
  }
  HRESULT hr;
  {
    const limited_call limited(options_.call_limit);
    hr = answered("IVdsProviderPrivate::GetObject", l.private_side->GetObject(to_com(id), kind, out.put()));
  }
  if (hr == VDS_E_OBJECT_NOT_FOUND || hr == VDS_E_OBJECT_DELETED) return VDS_E_OBJECT_DELETED;
  if (FAILED(hr)) return hr;
  return out ? S_OK : E_UNEXPECTED;
}

HRESULT provider::bind(VDS_OBJECT_TYPE kind, const guid& id, REFIID iid, void** out) {
  *out = nullptr;
  const life l = current();
  if (l.number == 0) return VDS_E_PROVIDER_FAILURE;
  com_ptr<IUnknown> object;
  {
    const std::lock_guard lock(bound_mutex_);
    if (const auto at = bound_.find(id); at != bound_.end() && at->second.life == l.number) {
      for (const auto& [known, pointer] : at->second.interfaces) {
        if (known != iid) continue;
        *out = com_ptr<IUnknown>(pointer).detach();  // the pointer was got for this iid
        return S_OK;
      }
      object = at->second.object;
    }
  }
  if (!object) {
    if (const HRESULT hr = fetch(l, kind, id, object); FAILED(hr)) {
      if (hr == VDS_E_OBJECT_DELETED) disappeared(kind, id);
      return hr;
    }
  }
  com_ptr<IUnknown> typed;
  HRESULT hr;
  {
    const limited_call limited(options_.call_limit);
    hr = answered("QueryInterface", object->QueryInterface(iid, typed.put_void()));
  }
  if (hr == E_NOINTERFACE) return VDS_E_NOT_SUPPORTED;
  if (FAILED(hr)) return hr;
  if (!typed) return E_UNEXPECTED;
  remember(l.number, id, object, iid, typed);
  *out = typed.detach();
  return S_OK;
}

// So that the next call on the object does not have to look it up.
void provider::remember(std::uint64_t life, const guid& id, const com_ptr<IUnknown>& object, REFIID iid,
                        const com_ptr<IUnknown>& typed) {
  std::vector<bound> dropped;  // released without the lock: each is a call to the provider
  const std::lock_guard lock(bound_mutex_);
  auto [at, fresh] = bound_.try_emplace(id);
  if (fresh) bound_order_.push_back(id);
  if (at->second.life != life) dropped.push_back(std::exchange(at->second, bound{life, object, {}}));
  at->second.interfaces.emplace_back(iid, typed);
  while (bound_order_.size() > most_bound) {
    if (const auto oldest = bound_.find(bound_order_.front()); oldest != bound_.end()) {
      dropped.push_back(std::move(oldest->second));
      bound_.erase(oldest);
    }
    bound_order_.pop_front();
  }
}

void provider::let_go(const guid& id) {
  bound dropped;  // released without the lock
  const std::lock_guard lock(bound_mutex_);
  if (const auto at = bound_.find(id); at != bound_.end()) {
    dropped = std::move(at->second);
    bound_.erase(at);
  }
}

bool provider::offers(VDS_OBJECT_TYPE kind, REFIID iid) {
  const std::lock_guard lock(offers_mutex_);
  const auto at = offers_.find({kind, iid});
  return at != offers_.end() && at->second;
}

// Objects of one kind of one provider have the same interfaces; the first one is asked.
void provider::probe(VDS_OBJECT_TYPE kind, IUnknown* theirs) {
  for (const offered& each : interfaces_of(kind)) {
    if (each.always) continue;
    {
      const std::lock_guard lock(offers_mutex_);
      if (offers_.contains({kind, *each.iid})) continue;
    }
    com_ptr<IUnknown> typed;
    const HRESULT hr = theirs->QueryInterface(*each.iid, typed.put_void());
    if (FAILED(hr) && hr != E_NOINTERFACE) return;  // not an answer; the next object is asked
    const std::lock_guard lock(offers_mutex_);
    offers_[{kind, *each.iid}] = SUCCEEDED(hr) && typed;
  }
}

HRESULT provider::begin(hw_object& on, const method& m, const asynchronous_call& call, IVdsAsync** out) {
  return operations_->begin(shared_from_this(), on, m, call, out);
}

void provider::changed(hw_object& on, const method& m, HRESULT hr) {
  operations_->note(m.name, provider_id(), on.kind(), on.id(), hr);
}

}  // namespace vds::service
