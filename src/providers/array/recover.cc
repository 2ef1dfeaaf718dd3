#include "providers/array/recover.h"

#include "sdk/async_object.h"

namespace vds::array_provider {

namespace {

constexpr auto look_again = 50ms;

bool redundant(array::lun_type type) {
  using enum array::lun_type;
  return type == mirror || type == parity || type == raid6 || type == raid10 || type == raid50 || type == raid60;
}

}  // namespace

rt::task<void> host::follow(host& h, recovery what, [[maybe_unused]] rt::gate::held held) {
  if (const auto lun = h.array_->lun(what.lun); lun && lun->health == array::lun_health::degraded) {
    // A spare may be taking over already: then there may be nothing left to do here.
    auto rebuilt = co_await h.array_->recover_lun(what.lun, what.report);
    if (!rebuilt && rebuilt.error() != errc::invalid_argument) co_return what.done(rebuilt);
  }
  for (;;) {
    const auto lun = h.array_->lun(what.lun);
    if (!lun) co_return what.done(lun.error());
    switch (lun->health) {
      case array::lun_health::healthy:
        co_return what.done({});
      case array::lun_health::degraded:
        if (lun->change == array::lun_change::reconfiguring) break;  // a plex is being filled
        [[fallthrough]];
      case array::lun_health::failed:
        co_return what.done(failure(errc::unavailable, "a drive was lost meanwhile"));
      case array::lun_health::resyncing:
        break;
    }
    if (h.jobs_->closing()) co_return what.done(failure(errc::closing, "the array is shutting down"));
    if (lun->work) what.report(*lun->work);
    co_await h.reactor().sleep_for(look_again);
  }
}

status host::begin_recovery(recovery what) {
  return call([this, &what](array::array&) -> rt::task<status> {
    auto held = jobs_->hold();
    if (!held) co_return errc::closing;
    rt::start(follow(*this, std::move(what), std::move(held)));
    co_return status();
  });
}

HRESULT recover_lun(const context_ptr& c, const guid& lun, IVdsAsync** out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  const auto now = c->core->call([&](array::array& a) -> rt::task<result<array::lun_info>> { co_return a.lun(lun); });
  if (!now) return refused(now.error(), "recovery", VDS_E_OBJECT_DELETED);
  if (!redundant(now->type)) return VDS_E_INVALID_OPERATION;
  if (now->health == array::lun_health::failed) return VDS_E_OBJECT_STATUS_FAILED;
  const guid operation = sdk::current_operation();
  auto begun = c->operations.begin(operation, VDS_ASYNCOUT_RECOVERLUN);
  if (!begun.async) return E_INVALIDARG;  // the id of some other kind of operation
  if (!begun.joined) {
    recovery what;
    what.lun = lun;
    what.report = [async = begun.async](const array::progress& p) {
      async->phase(std::string(p.phase), p.done.n, p.total.n);
      if (p.total.n != 0) async->progress(static_cast<ULONG>(p.done.n / (p.total.n / 100 + 1)));
    };
    what.done = [async = begun.async](const status& s) {
      if (s)
        async->finish(S_OK, sdk::async_output(VDS_ASYNCOUT_RECOVERLUN));
      else
        async->finish(refused(s.error(), "recovery", VDS_E_OBJECT_DELETED));
    };
    if (const auto started = c->core->begin_recovery(std::move(what)); !started) {
      const HRESULT hr = refused(started.error(), "recovery", VDS_E_OBJECT_DELETED);
      c->operations.abandon(operation);
      begun.async->finish(hr);  // for whoever joined in between
      return hr;
    }
  }
  *out = begun.async.detach();
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
