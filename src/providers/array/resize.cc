#include "providers/array/resize.h"

#include "sdk/async_object.h"

namespace vds::array_provider {

namespace {

HRESULT outcome(const failure& why, bool grow) {
  const HRESULT hr = refused(why, grow ? "extending a LUN" : "shrinking a LUN", VDS_E_OBJECT_DELETED);
  if (why == errc::busy) return VDS_E_ANOTHER_CALL_IN_PROGRESS;
  if (why == errc::invalid_argument && !grow) return VDS_E_INVALID_SHRINK_SIZE;
  if (why == errc::too_large) return VDS_E_NOT_ENOUGH_SPACE;
  return hr;
}

HRESULT resize(const context_ptr& c, resize_order order, IVdsAsync** out) {
  const bool grow = order.grow;
  const auto type = grow ? VDS_ASYNCOUT_EXTENDLUN : VDS_ASYNCOUT_SHRINKLUN;
  const guid operation = sdk::current_operation();
  auto begun = c->operations.begin(operation, type);
  if (!begun.async) return E_INVALIDARG;  // the id of some other kind of operation
  if (!begun.joined) {
    rt::cancel_source cancel;
    order.how.operation = log_id(operation, type);
    order.how.cancel = cancel.token();
    order.how.report = [async = begun.async](const array::progress& p) {
      async->phase(std::string(p.phase), p.done.n, p.total.n, "deleted data to be wiped: there is no other room");
      if (p.total.n != 0) async->progress(static_cast<ULONG>(p.done.n / (p.total.n / 100 + 1)));
    };
    order.how.commit = [async = begun.async] { return async->state().forbid_cancel(); };
    order.done = [async = begun.async, type, grow](const status& s) {
      if (s)
        async->finish(S_OK, sdk::async_output(type));
      else
        async->finish(ends_with(*async, outcome(s.error(), grow)));
    };
    begun.async->state().on_cancel([cancel]() mutable {
      cancel.request();
      return S_OK;
    });
    const auto check = c->core->begin_resize(std::move(order));
    const HRESULT hr = check ? to_hresult(*check) : outcome(check.error(), grow);
    if (hr != S_OK) {
      c->operations.abandon(operation);
      begun.async->finish(hr);  // for whoever joined in between
      return hr;
    }
  }
  *out = begun.async.detach();
  return S_OK;
}

}  // namespace

result<order_check> host::begin_resize(resize_order order) {
  return call([this, &order](array::array& a) -> rt::task<result<order_check>> {
    const auto lun = a.lun(order.lun);
    if (!lun) co_return lun.error();
    if (const auto drives = check_drives(order.drives); drives != order_check::fine) co_return drives;
    if (lun->health == array::lun_health::failed) co_return failure(errc::unavailable, "the LUN has failed");
    auto held = jobs_->hold();
    if (!held) co_return errc::closing;
    rt::start(carry_out_resize(*this, std::move(order), std::move(held)));
    co_return order_check::fine;
  });
}

// Runs on after begin_resize() has returned; `held` keeps the host open until it ends.
rt::task<void> host::carry_out_resize(host& h, resize_order order, [[maybe_unused]] rt::gate::held held) {
  std::map<guid, byte_count> free;
  for (const auto& d : h.array_->drives()) free[d.id] = d.free;
  h.on_event({array::array_event::kind::lun_modified, order.lun});  // its transition state
  status s;
  if (order.grow)
    s = co_await h.array_->extend_lun(order.lun, order.by, std::move(order.drives), std::move(order.how));
  else
    s = co_await h.array_->shrink_lun(order.lun, order.by, std::move(order.how));
  if (s) {  // the array tells of the LUN
    h.targets_->resized(order.lun);
    for (const auto& d : h.array_->drives())
      if (free[d.id] != d.free) h.on_event({array::array_event::kind::drive_modified, d.id});
  } else {
    h.on_event({array::array_event::kind::lun_modified, order.lun});  // its transition is over
  }
  order.done(s);
}

HRESULT extend_lun(const context_ptr& c, const guid& lun, ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count,
                   IVdsAsync** out) noexcept try {
  if (out) *out = nullptr;
  resize_order order{lun, true, {bytes}, {}, {}, {}};
  if (!out || bytes == 0 || !read_ids(drives, count, order.drives)) return E_INVALIDARG;
  return resize(c, std::move(order), out);
} catch (...) {
  return hresult_from_exception();
}

HRESULT shrink_lun(const context_ptr& c, const guid& lun, ULONGLONG bytes, IVdsAsync** out) noexcept try {
  if (out) *out = nullptr;
  if (!out || bytes == 0) return E_INVALIDARG;
  return resize(c, {lun, false, {bytes}, {}, {}, {}}, out);
} catch (...) {
  return hresult_from_exception();
}

HRESULT max_extend_size(const context_ptr& c, const guid& lun, VDS_OBJECT_ID* drives, LONG count,
                        ULONGLONG* out) noexcept try {
  if (out) *out = 0;
  std::vector<guid> ids;
  if (!out || !read_ids(drives, count, ids)) return E_INVALIDARG;
  bool stranger = false;
  const auto most = c->core->call([&](array::array& a) -> rt::task<result<byte_count>> {
    for (const guid& id : ids) stranger = stranger || !a.drive(id);
    co_return a.max_extension(lun, ids);
  });
  if (!most && stranger) {
    if (const auto here =
            c->core->call([&](array::array& a) -> rt::task<result<array::lun_info>> { co_return a.lun(lun); }))
      return VDS_E_OBJECT_NOT_FOUND;
  }
  if (!most) return refused(most.error(), "asking how far a LUN can be extended", VDS_E_OBJECT_DELETED);
  *out = most->n;
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
