#include "service/operations/operation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "com/hresult.h"
#include "com/strings.h"
#include "service/objects/hw_object.h"
#include "service/operations/operations.h"

namespace vds::service {
namespace {

using enum operation_state;

constexpr auto edges = std::to_array<std::pair<operation_state, operation_state>>({
    {queued, running},
    {queued, cancelling},
    {queued, finishing},
    {running, cancelling},
    {running, finishing},
    {cancelling, finishing},
    {finishing, done},
});

constexpr std::array<const char*, 6> names = {"", "queued", "running", "finishing", "cancelling", "done"};

constexpr auto progress_age = std::chrono::milliseconds(100);  // QueryStatus asks the provider at most this often
constexpr auto first_poll = std::chrono::milliseconds(20);
constexpr auto slowest_poll = std::chrono::seconds(1);

}  // namespace

operation::operation(std::shared_ptr<operations> table, operation_record record)
    : id_(record.id), table_(std::move(table)), async_(record.type), record_(std::move(record)) {
  async_.on_cancel([this] { return cancel_theirs(); });
}

operation_record operation::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

operation_state operation::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void operation::become(operation_state next) {
  always(std::find(edges.begin(), edges.end(), std::pair(state_, next)) != edges.end());
  log::debug("operation {} ({}): {} -> {}", id_, record_.kind, names[static_cast<std::size_t>(state_)],
             names[static_cast<std::size_t>(next)]);
  state_ = next;
}

void operation::answered(answer what, HRESULT hr) {
  const std::lock_guard lock(mutex_);
  answer_ = what;
  refusal_ = hr;
  answered_.notify_all();
}

HRESULT operation::join(deadline until) {
  std::unique_lock lock(mutex_);
  if (!answered_.wait_until(lock, until, [this] { return answer_ != answer::pending; })) return RPC_E_TIMEOUT;
  return answer_ == answer::refused ? refusal_ : S_OK;
}

void operation::never_began(HRESULT hr) {
  answered(answer::refused, hr);
  const com_ptr<operation> alive(this);
  table_->dropped(*this);
  async_.finish(hr);
}

HRESULT operation::start(const border::asynchronous_call& call, std::shared_ptr<operation_provider> provider,
                         const char* method) {
  const com_ptr<operation> alive(this);
  {
    std::unique_lock lock(mutex_);
    provider_ = provider;
    asked_ = provider->incarnation();
    if (cancel_before_start_) {
      // Somebody found it by its id and cancelled it while it was being journaled: the provider never hears of it.
      become(cancelling);
      lock.unlock();
      answered(answer::accepted, S_OK);
      finish(VDS_E_OPERATION_CANCELED, sdk::async_output(async_.type()), {});
      return S_OK;
    }
  }
  com_ptr<IVdsAsync> theirs;
  HRESULT hr;
  {
    const limited_call limited(provider->call_limit(), id_);
    hr = call(theirs.put());
  }
  if (FAILED(hr) && outcome_unknown(hr)) {
    // The caller hears that nobody knows; the operation stays, and ends when the provider can be asked.
    {
      const std::lock_guard lock(mutex_);
      become(running);
    }
    answered(answer::accepted, S_OK);
    detached("the provider did not answer " + std::string(method));
    return hr;
  }
  if (FAILED(hr)) {
    never_began(hr);
    return hr;
  }
  if (!theirs) {
    // Errant provider: success with a null pointer. What it did, nobody knows; that it was asked stays in the history.
    log::warn("provider {}: {} succeeded without an async object", provider->provider_name(), method);
    answered(answer::refused, E_UNEXPECTED);
    finish(E_UNEXPECTED, sdk::async_output(async_.type()), {});
    return E_UNEXPECTED;
  }
  {
    const std::lock_guard lock(mutex_);
    become(running);
  }
  answered(answer::accepted, S_OK);
  attach(std::move(theirs));
  return hr;
}

void operation::attach(com_ptr<IVdsAsync> theirs) {
  unsigned attached;
  com_ptr<IVdsAsync> before;
  com_ptr<IVdsxProgress> progress_before;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done) return;
    // Found again: it no longer waits for its provider.
    if (const auto was = async_.report(); !was.waiting_for.empty()) async_.phase({}, was.done, was.total);
    before = std::exchange(theirs_, theirs);
    progress_before = std::exchange(their_progress_, {});
    attached = ++attached_;
  }
  if (const auto local = theirs.as<IVdsLocalAsync>()) {
    const com_ptr<operation> self(this);
    const HRESULT hr = local->begin_wait([self, attached](HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& raw) {
      auto out = std::make_shared<sdk::async_output>(sdk::async_output::adopt(raw));
      const auto end = [self, wait, result, out] { self->provider_ended(wait, result, std::move(*out)); };
      std::shared_ptr<operation_provider> provider;
      {
        const std::lock_guard lock(self->mutex_);
        if (self->attached_ != attached) return;  // an async object of an earlier life
        provider = self->provider_;
      }
      // Never on the thread that brings the news: what follows may ask the provider.
      if (!provider->post(end)) log::debug("operation {}: the service is stopping; left to the next start", self->id_);
    });
    if (SUCCEEDED(hr)) return;
  }
  poll_later(first_poll, attached);
}

// For async objects that cannot be waited for without a thread.
void operation::poll_later(monotonic::duration delay, unsigned attached) {
  const com_ptr<operation> self(this);
  table_->later().after(delay, [self, delay, attached] {
    std::shared_ptr<operation_provider> provider;
    {
      const std::lock_guard lock(self->mutex_);
      if (self->state_ == done || self->attached_ != attached) return;
      provider = self->provider_;
    }
    provider->post([self, provider, delay, attached] {
      com_ptr<IVdsAsync> theirs;
      {
        const std::lock_guard lock(self->mutex_);
        if (self->attached_ == attached) theirs = self->theirs_;
      }
      if (!theirs) return;
      HRESULT result = VDS_E_OPERATION_PENDING;
      ULONG percent = 0;
      const limited_call limited(provider->call_limit(), self->id_);
      HRESULT asked = theirs->QueryStatus(&result, &percent);
      if (SUCCEEDED(asked) && result == VDS_E_OPERATION_PENDING) {
        self->async_.progress(percent);
        self->poll_later(std::min<monotonic::duration>(delay * 2, slowest_poll), attached);
        return;
      }
      VDS_ASYNC_OUTPUT out{};
      if (SUCCEEDED(asked)) asked = theirs->Wait(&result, &out);
      self->provider_ended(asked, result, sdk::async_output::adopt(out));
    });
  });
}

// On the provider's gate.
void operation::provider_ended(HRESULT wait, HRESULT result, sdk::async_output out) {
  std::shared_ptr<operation_provider> provider;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done) return;
    provider = provider_;
  }
  if (FAILED(wait)) {
    provider->answered("IVdsAsync::Wait", wait);
    if (outcome_unknown(wait)) {
      detached("the provider was lost");
      return;
    }
    // It says that waiting failed: there is nothing more to learn from this object.
    deliver(wait, sdk::async_output(async_.type()));
    return;
  }
  deliver(provider->answered("IVdsAsync::Wait", result), std::move(out));
}

void operation::deliver(HRESULT result, sdk::async_output out) {
  std::shared_ptr<operation_provider> provider;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done) return;
    provider = provider_;
    if (state_ != finishing) become(finishing);
  }
  const VDS_ASYNC_OUTPUT_TYPE type = async_.type();
  const VDS_OBJECT_TYPE kind = sdk::object_type_of(type);
  // "Pending" is no way to end.
  if (result == VDS_E_OPERATION_PENDING) result = E_UNEXPECTED;
  if (SUCCEEDED(result) && (out.type() != type || (kind != VDS_OT_UNKNOWN && out.object() == nullptr))) {
    log::warn("provider {}: operation {} ended with output type {} {}", provider->provider_name(), id_,
              static_cast<int>(out.type()), out.object() == nullptr ? "and no object" : "");
    result = E_UNEXPECTED;
  }
  if (FAILED(result)) {
    finish(result, sdk::async_output(type), {});
    return;
  }
  if (kind == VDS_OT_UNKNOWN) {
    const operation_record r = record();
    if (type == VDS_ASYNCOUT_DELETETARGET || type == VDS_ASYNCOUT_DELETEPORTALGROUP)
      provider->disappeared(r.object_type, r.object);
    else
      provider->reread(r.object_type, r.object);
    finish(result, std::move(out), {});
    return;
  }
  com_ptr<hw_object> ours;
  const HRESULT adopted = provider->adopt(kind, out.object(), ours);
  if (FAILED(adopted) && outcome_unknown(adopted)) {
    detached("the provider was lost");
    return;
  }
  if (FAILED(adopted)) {
    finish(adopted, sdk::async_output(type), {});
    return;
  }
  finish(result, sdk::async_output::of(type, ours->unknown()), ours->id());
}

void operation::deliver_by_id(HRESULT result, const guid& output_id) {
  std::shared_ptr<operation_provider> provider;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done) return;
    provider = provider_;
  }
  const VDS_ASYNC_OUTPUT_TYPE type = async_.type();
  const VDS_OBJECT_TYPE kind = sdk::object_type_of(type);
  if (FAILED(result) || kind == VDS_OT_UNKNOWN) {
    deliver(result, sdk::async_output(type));
    return;
  }
  com_ptr<hw_object> ours;
  const HRESULT found = provider->object(kind, output_id, ours);
  if (FAILED(found) && outcome_unknown(found)) {
    detached("the provider was lost");
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done) return;
    if (state_ != finishing) become(finishing);
  }
  // Made, and deleted again since: the operation succeeded, its object answers that it is gone.
  if (FAILED(found)) ours = model::gone(kind, output_id);
  finish(result, sdk::async_output::of(type, ours->unknown()), output_id);
}

void operation::finish(HRESULT result, sdk::async_output out, const guid& output_id) {
  const com_ptr<operation> alive(this);
  com_ptr<IVdsAsync> theirs;  // released without the lock: it is another process's object
  com_ptr<IVdsxProgress> progress;
  std::shared_ptr<operation_provider> provider;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done) return;
    if (state_ != finishing) become(finishing);
    record_.result = result;
    record_.output = output_id;
    record_.ended_ns = std::max<std::uint64_t>(table_->unix_ns(), 1);
    become(done);
    theirs = std::move(theirs_);
    progress = std::move(their_progress_);
    provider = provider_;
  }
  log::info("operation {} ({}) ended: {}", id_, record_.kind, describe(result));
  table_->ended(*this, provider);
  async_.finish(result, std::move(out));
}

void operation::reload() {
  {
    const std::lock_guard lock(mutex_);
    state_ = running;  // whatever it was: the provider knows
    answer_ = answer::accepted;
  }
  async_.phase("waiting for the provider, to ask what became of it", 0, 0, "its provider to start");
}

void operation::restore(HRESULT result, sdk::async_output out) {
  {
    const std::lock_guard lock(mutex_);
    state_ = done;  // not a move: it was done when it was written down
    answer_ = answer::accepted;
  }
  async_.finish(result, std::move(out));
}

void operation::detached(std::string why) {
  com_ptr<IVdsAsync> theirs;
  com_ptr<IVdsxProgress> progress;
  bool ask = false;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done) return;
    theirs = std::move(theirs_);
    progress = std::move(their_progress_);
    ask = provider_ && provider_->incarnation() != 0;
  }
  const sdk::progress_report now = async_.report();
  log::warn("operation {}: {}; it will be settled when the provider answers", id_, why);
  async_.phase(why + "; asking what became of it", now.done, now.total, "its provider to answer");
  // A provider that starts again settles everything; one that is up, and only slow, is asked from time to time.
  if (ask) ask_later();
}

void operation::let_go() {
  com_ptr<IVdsAsync> theirs;  // released without the lock
  com_ptr<IVdsxProgress> progress;
  const std::lock_guard lock(mutex_);
  theirs = std::move(theirs_);
  progress = std::move(their_progress_);
  ++attached_;
}

void operation::ask_later() {
  const com_ptr<operation> self(this);
  unsigned asks;
  {
    const std::lock_guard lock(mutex_);
    asks = asks_++;
  }
  const auto delay = std::min<monotonic::duration>(std::chrono::milliseconds(200) * (1U << std::min(asks, 8U)),
                                                   std::chrono::seconds(30));
  table_->later().after(delay, [self] {
    std::shared_ptr<operation_provider> provider;
    {
      const std::lock_guard lock(self->mutex_);
      if (self->state_ == done || self->theirs_) return;
      provider = self->provider_;
    }
    if (provider->incarnation() == 0) return;  // its next start settles
    provider->post([self, provider] { self->settle(provider); });
  });
}

void operation::settle(const std::shared_ptr<operation_provider>& provider) {
  const com_ptr<operation> alive(this);
  com_ptr<IVdsAsync> stale;
  com_ptr<IVdsxProgress> stale_progress;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == done || answer_ == answer::pending) return;  // over, or its call is under way
    if (theirs_ && asked_ == provider->incarnation()) return;  // settled already
    stale = std::move(theirs_);
    stale_progress = std::move(their_progress_);
    ++attached_;
    provider_ = provider;
  }
  const com_ptr<IVdsxProviderOperations> ask = provider->provider_operations();
  if (!ask) {
    if (provider->incarnation() == 0) return;  // down again; the next start settles
    const std::uint64_t now = provider->incarnation();
    bool same_life;
    {
      const std::lock_guard lock(mutex_);
      same_life = asked_ == now;
    }
    if (same_life) return ask_later();
    // It cannot tell, and what it was doing died with it.
    finish(VDS_E_PROVIDER_FAILURE, sdk::async_output(async_.type()), {});
    return;
  }
  VDSX_OPERATION_OUTCOME outcome{};
  HRESULT hr;
  {
    const limited_call limited(provider->call_limit());
    hr = provider->answered("IVdsxProviderOperations::QueryOperation", ask->QueryOperation(to_com(id_), &outcome));
  }
  CoTaskMemFree(outcome.pwszPhase);
  if (FAILED(hr)) {
    if (outcome_unknown(hr))
      detached("the provider did not answer");
    else
      finish(VDS_E_PROVIDER_FAILURE, sdk::async_output(async_.type()), {});
    return;
  }
  switch (outcome.outcome) {
    case VDSX_OUTCOME_RUNNING: {
      com_ptr<IVdsAsync> theirs;
      {
        const limited_call limited(provider->call_limit());
        hr =
            provider->answered("IVdsxProviderOperations::OpenOperation", ask->OpenOperation(to_com(id_), theirs.put()));
      }
      if (SUCCEEDED(hr) && theirs) {
        {
          const std::lock_guard lock(mutex_);
          if (state_ == queued) become(running);
          asked_ = provider->incarnation();
        }
        log::info("operation {}: still running in provider {}; resumed", id_, provider->provider_name());
        attach(std::move(theirs));
      } else {
        ask_later();  // it ended in between, or is not to be had now
      }
      return;
    }
    case VDSX_OUTCOME_DONE:
      if (outcome.asyncType != async_.type() && SUCCEEDED(outcome.hrResult)) outcome.hrResult = E_UNEXPECTED;
      deliver_by_id(provider->answered("IVdsxProviderOperations::QueryOperation", outcome.hrResult),
                    from_com(outcome.objectId));
      return;
    default: {
      bool same_life;
      {
        const std::lock_guard lock(mutex_);
        same_life = asked_ != 0 && asked_ == provider->incarnation();
      }
      // The call that did not answer may still be on its way inside a provider that lives: no verdict yet.
      if (same_life) return ask_later();
      log::info("operation {}: provider {} never did it, or undid it", id_, provider->provider_name());
      finish(VDS_E_RETRY, sdk::async_output(async_.type()), {});
      return;
    }
  }
}

void operation::refresh_progress() {
  std::shared_ptr<operation_provider> provider;
  {
    const std::lock_guard lock(mutex_);
    const deadline now = monotonic::now();
    if ((state_ != running && state_ != cancelling) || polling_ || !theirs_ || now - polled_ < progress_age) return;
    polling_ = true;
    polled_ = now;
    provider = provider_;
  }
  const com_ptr<operation> self(this);
  const bool posted = provider->post([self, provider] {
    com_ptr<IVdsAsync> theirs;
    com_ptr<IVdsxProgress> progress;
    {
      const std::lock_guard lock(self->mutex_);
      theirs = self->theirs_;
      progress = self->their_progress_;
    }
    if (theirs) {
      const limited_call limited(provider->call_limit());
      HRESULT result = S_OK;
      ULONG percent = 0;
      if (SUCCEEDED(theirs->QueryStatus(&result, &percent)) && result == VDS_E_OPERATION_PENDING) {
        self->async_.progress(percent > 100 ? 0 : percent);
        const bool first = !progress;
        if (first) progress = theirs.as<IVdsxProgress>();
        VDSX_PROGRESS detail{};
        if (progress && SUCCEEDED(progress->GetProgress(&detail)))
          self->async_.phase(to_utf8(detail.pwszPhase), detail.ullBytesDone, detail.ullBytesTotal,
                             to_utf8(detail.pwszWaitingFor));
        CoTaskMemFree(detail.pwszPhase);
        CoTaskMemFree(detail.pwszWaitingFor);
        const std::lock_guard lock(self->mutex_);
        if (first && self->theirs_) self->their_progress_ = std::move(progress);
      }
    }
    const std::lock_guard lock(self->mutex_);
    self->polling_ = false;
  });
  if (!posted) {
    const std::lock_guard lock(mutex_);
    polling_ = false;
  }
}

// Asked by async_state when a client cancels; on the provider's gate or a caller's own thread.
HRESULT operation::cancel_theirs() {
  com_ptr<IVdsAsync> theirs;
  std::shared_ptr<operation_provider> provider;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == finishing || state_ == done) return VDS_E_CANCEL_TOO_LATE;
    if (state_ == queued && answer_ == answer::pending && !provider_) {
      cancel_before_start_ = true;
      return S_OK;
    }
    theirs = theirs_;
    provider = provider_;
  }
  if (!theirs) return provider && provider->incarnation() != 0 ? VDS_E_RETRY : VDS_E_PROVIDER_FAILURE;
  HRESULT hr;
  {
    const limited_call limited(provider->call_limit());
    hr = provider->answered("IVdsAsync::Cancel", theirs->Cancel());
  }
  const std::lock_guard lock(mutex_);
  if (SUCCEEDED(hr) && state_ == running) become(cancelling);
  return hr;
}

void operation::fill(VDSX_OPERATION_PROP& out) {
  refresh_progress();
  const operation_record r = record();
  const sdk::progress_report now = async_.report();
  out = VDSX_OPERATION_PROP{};
  out.id = to_com(r.id);
  // What it made, once it has made it; until then what it was called on.
  out.objectId = to_com(r.output ? r.output : r.object);
  out.objectType = r.output ? sdk::object_type_of(r.type) : r.object_type;
  out.state = static_cast<VDSX_OPERATION_STATE>(state());
  out.ulPercent = now.percent;
  out.ullBytesDone = now.done;
  out.ullBytesTotal = now.total;
  out.hrResult = r.ended() ? r.result : VDS_E_OPERATION_PENDING;
  out.asyncType = r.type;
  out.ullBegunUnixNs = r.begun_ns;
  out.ullEndedUnixNs = r.ended_ns;
  out.pwszKind = co_task_string(r.kind);
  out.pwszPhase = co_task_string(now.phase);
  out.pwszOwner = co_task_string(r.owner);
  const std::string waits = r.ended() ? std::string() : state() == queued ? "the journal" : now.waiting_for;
  if (!waits.empty()) out.pwszWaitingFor = co_task_string(waits);
}

HRESULT operation::Cancel() noexcept try { return async_.cancel(); } catch (...) {
  return hresult_from_exception();
}

HRESULT operation::Wait(HRESULT* pHrResult, VDS_ASYNC_OUTPUT* pAsyncOut) noexcept try {
  return async_.wait(pHrResult, pAsyncOut);
} catch (...) {
  return hresult_from_exception();
}

HRESULT operation::QueryStatus(HRESULT* pHrResult, ULONG* pulPercentCompleted) noexcept try {
  refresh_progress();
  return async_.query_status(pHrResult, pulPercentCompleted);
} catch (...) {
  return hresult_from_exception();
}

HRESULT operation::begin_wait(std::function<void(HRESULT, HRESULT, VDS_ASYNC_OUTPUT&)> done) noexcept try {
  if (!done) return E_INVALIDARG;
  async_.begin_wait(std::move(done));
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT operation::GetProperties(VDSX_OPERATION_PROP* pOperationProp) noexcept try {
  if (pOperationProp == nullptr) return E_INVALIDARG;
  fill(*pOperationProp);
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

com_work_queue* operation::queue_for(REFIID iid, ULONG slot) noexcept {
  constexpr ULONG cancel_slot = 3;
  if (iid != __uuidof(IVdsAsync) || slot != cancel_slot) return nullptr;
  const std::lock_guard lock(mutex_);
  return provider_ ? provider_->gate() : nullptr;
}

}  // namespace vds::service
