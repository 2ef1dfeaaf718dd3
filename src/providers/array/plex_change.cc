#include "providers/array/plex_change.h"

#include <algorithm>

#include "base/log.h"
#include "sdk/async_object.h"

namespace vds::array_provider {

namespace {

HRESULT outcome(const failure& why, bool adding, HRESULT gone) {
  const HRESULT hr = refused(why, adding ? "adding a plex" : "removing a plex", gone);
  if (why == errc::invalid_argument || why == errc::too_large) return VDS_E_INVALID_OPERATION;
  return why == errc::busy ? VDS_E_ANOTHER_CALL_IN_PROGRESS : hr;
}

HRESULT change(const context_ptr& c, plex_order order, IVdsAsync** out) {
  const bool adding = order.adding;
  const guid lun = order.lun;
  const auto type = adding ? VDS_ASYNCOUT_ADDLUNPLEX : VDS_ASYNCOUT_REMOVELUNPLEX;
  const guid operation = sdk::current_operation();
  auto begun = c->operations.begin(operation, type);
  if (!begun.async) return E_INVALIDARG;  // the id of some other kind of operation
  if (!begun.joined) {
    rt::cancel_source cancel;
    order.how.operation = log_id(operation, type);
    order.how.cancel = cancel.token();
    order.how.commit = [async = begun.async] { return async->state().forbid_cancel(); };
    order.report = [async = begun.async](const array::progress& p) {
      async->phase(std::string(p.phase), p.done.n, p.total.n);
      if (p.total.n != 0) async->progress(static_cast<ULONG>(p.done.n / (p.total.n / 100 + 1)));
    };
    order.done = [async = begun.async, type, adding](const status& s) {
      if (s)
        async->finish(S_OK, sdk::async_output(type));
      else
        async->finish(ends_with(*async, outcome(s.error(), adding, VDS_E_OBJECT_DELETED)));
    };
    begun.async->state().on_cancel([cancel]() mutable {
      cancel.request();
      return S_OK;
    });
    if (const auto started = c->core->begin_plex_change(std::move(order)); !started) {
      // Which of the two is not there?
      const auto here = c->core->read([&](array::array& a) { return a.lun(lun).has_value(); });
      const HRESULT hr =
          outcome(started.error(), adding, here && *here ? VDS_E_OBJECT_NOT_FOUND : VDS_E_OBJECT_DELETED);
      c->operations.abandon(operation);
      begun.async->finish(hr);  // for whoever joined in between
      return hr;
    }
  }
  *out = begun.async.detach();
  return S_OK;
}

}  // namespace

status host::begin_plex_change(plex_order order) {
  return call([this, &order](array::array& a) -> rt::task<status> {
    if (order.adding) {
      // Before anything is taken from initiators; the array looks again.
      VDS_CO_RETURN_IF_FAILED(a.may_add_plexes(order.lun, order.other));
      if (changing_.contains(order.other)) co_return failure(errc::busy, "the LUN is being changed");
    } else {
      const auto lun = a.lun(order.lun);
      if (!lun) co_return lun.error();
      const auto same = [&order](const auto& p) { return p.id == order.other; };
      if (std::none_of(lun->plexes.begin(), lun->plexes.end(), same)) co_return errc::not_found;
    }
    auto held = jobs_->hold();
    if (!held) co_return errc::closing;
    rt::start(carry_out_plex_change(*this, std::move(order), std::move(held)));
    co_return status();
  });
}

// Runs on after begin_plex_change() has returned; `held` keeps the host open until it ends.
rt::task<void> host::carry_out_plex_change(host& h, plex_order order, [[maybe_unused]] rt::gate::held held) {
  std::map<guid, byte_count> free;
  for (const auto& d : h.array_->drives()) free[d.id] = d.free;
  status s;
  if (order.adding)
    s = co_await h.absorb(order);
  else
    s = co_await h.array_->remove_plex(order.lun, order.other, std::move(order.how));
  if (s) {  // the array tells of the LUNs
    h.note_plexes(order.lun);
    for (const auto& d : h.array_->drives())
      if (free[d.id] != d.free) h.on_event({array::array_event::kind::drive_modified, d.id});
    if (order.adding) s = co_await h.array_->wait_filled(order.lun, std::move(order.report), h.closing_.token());
  }
  order.done(s);
}

rt::task<status> host::absorb(const plex_order& order) {
  const guid source = order.other;
  auto info = array_->lun(source);
  if (!info) co_return std::move(info).error();
  if (!changing_.insert(source).second) co_return failure(errc::busy, "the LUN is being changed");
  if (published_.contains(source)) {
    // From here on no initiator's command touches the device.
    co_await targets_->unpublish(source);
    forget(source);
  }
  leaving_[source] = info->drives;
  auto added = co_await array_->add_plexes(order.lun, source, order.how);
  if (added) co_await forget_settings(source);
  changing_.erase(source);
  if (!added) {
    leaving_.erase(source);
    if (array_->lun(source)) publish(*info);
  }
  co_return added;
}

// Which LUN a plex is of, after some came or went.
void host::note_plexes(const guid& lun) {
  const auto at = published_.find(lun);
  const auto info = array_->lun(lun);
  if (at == published_.end() || !info) return;
  for (const guid& plex : at->second.plexes) lun_of_plex_.erase(plex);
  at->second.plexes.clear();
  for (const auto& plex : info->plexes) {
    at->second.plexes.push_back(plex.id);
    lun_of_plex_[plex.id] = lun;
  }
}

HRESULT add_plex(const context_ptr& c, const guid& lun, const guid& source, IVdsAsync** out) noexcept try {
  if (out) *out = nullptr;
  if (!out) return E_INVALIDARG;
  plex_order order;
  order.lun = lun;
  order.other = source;
  return change(c, std::move(order), out);
} catch (...) {
  return hresult_from_exception();
}

HRESULT remove_plex(const context_ptr& c, const guid& lun, const guid& plex, IVdsAsync** out) noexcept try {
  if (out) *out = nullptr;
  if (!out) return E_INVALIDARG;
  plex_order order;
  order.lun = lun;
  order.other = plex;
  order.adding = false;
  return change(c, std::move(order), out);
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
