#include "providers/array/create.h"

#include "com/call_context.h"
#include "providers/array/edge.h"
#include "sdk/async_object.h"

namespace vds::array_provider {

namespace {

template <class Hints>
HRESULT read_spec(const create_arguments& a, const Hints* hints, array::lun_spec& spec) {
  if (const HRESULT hr = creatable(a.type, spec.type); hr != S_OK) return hr;
  if (!read_ids(a.drives, a.count, spec.drives)) return E_INVALIDARG;
  const bool automagic = static_cast<int>(spec.type) < static_cast<int>(array::lun_type::simple);
  if (automagic && !spec.drives.empty()) return E_INVALIDARG;  // the array chooses, or the caller: not both
  if (hints) {
    auto wishes = hints_from(*hints);
    if (!wishes) return E_INVALIDARG;
    spec.hints = *wishes;
  }
  // VDS has no number of plexes: a mirror on named drives has one on each; left to the array, two, or as many drives
  // as the hint allows.
  if (spec.type == array::lun_type::mirror) {
    spec.plexes = static_cast<unsigned>(spec.drives.size());
    if (spec.drives.empty() && spec.hints.maximum_drives > 2) spec.plexes = spec.hints.maximum_drives;
    if (spec.drives.size() == 1) spec.plexes = 2;
  }
  return S_OK;
}

template <class Hints>
HRESULT create(const context_ptr& c, const create_arguments& a, const Hints* hints, IVdsAsync** out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  lun_order order;
  if (a.size == 0 || !a.unmask) return E_INVALIDARG;
  if (const HRESULT hr = read_spec(a, hints, order.spec); hr != S_OK) return hr;
  auto unmask = parse_unmask(to_utf8(a.unmask));
  if (!unmask) return E_INVALIDARG;
  order.spec.unmask = std::move(*unmask);
  if (a.name) order.spec.name = to_utf8(a.name);
  order.spec.size = {a.size};
  order.spec.operation = sdk::current_operation();

  auto begun = c->operations.begin(order.spec.operation, VDS_ASYNCOUT_CREATELUN, false);
  if (!begun.async) return E_INVALIDARG;  // the id of some other kind of operation
  if (!begun.joined) {
    const guid operation = order.spec.operation;
    rt::cancel_source cancel;
    order.cancel = cancel.token();
    order.report = [async = begun.async](const array::progress& p) {
      // The only thing it reports is what it waits for.
      async->phase(std::string(p.phase), p.done.n, p.total.n, "deleted data to be wiped: there is no other room");
      // By thousandths first: bytes times a hundred would overflow beyond 184 PB.
      if (p.total.n != 0) async->progress(static_cast<ULONG>(p.done.n / (p.total.n / 100 + 1)));
    };
    order.commit = [async = begun.async] { return async->state().forbid_cancel(); };
    order.done = [async = begun.async, c](result<array::lun_info> made) {
      if (made)
        async->finish_with(make_lun(c, made->id).get(), made->id);
      else
        async->finish(ends_with(*async, refused(made.error(), "creating a LUN", VDS_E_OBJECT_NOT_FOUND)));
    };
    begun.async->state().on_cancel([cancel]() mutable {
      cancel.request();
      return S_OK;
    });
    // Looked up in the turn that begins it: another one would cost as much again.
    std::optional<sdk::operation_outcome> ended;
    if (operation)
      order.ended_before = [&ended, operation](const array::array& a, const targets& t) {
        ended = durable_outcome(a, t, operation);
        if (ended && ended->running) ended.reset();  // the array joins it
        return ended.has_value();
      };
    const auto check = c->core->begin_lun(std::move(order));
    if (ended) {
      if (const HRESULT hr = c->operations.ended_before(operation, begun.async, *ended); FAILED(hr)) return hr;
      *out = begun.async.detach();
      return S_OK;
    }
    const HRESULT hr = check ? to_hresult(*check) : refused(check.error(), "creating a LUN", VDS_E_OBJECT_NOT_FOUND);
    if (hr != S_OK) {
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

template <class Hints>
HRESULT max_size(const context_ptr& c, const create_arguments& a, const Hints* hints, ULONGLONG* out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = 0;
  array::lun_spec spec;
  if (const HRESULT hr = read_spec(a, hints, spec); hr != S_OK) return hr;
  const auto most = c->core->call([&](array::array& arr) -> rt::task<result<byte_count>> {
    for (const guid& id : spec.drives) {
      if (!arr.drive(id)) co_return errc::not_found;
    }
    co_return arr.max_lun_size(spec);
  });
  if (!most) return refused(most.error(), "asking for the largest LUN", VDS_E_OBJECT_NOT_FOUND);
  *out = most->n;
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

}  // namespace

HRESULT read_arguments(const create_arguments& a, const VDS_HINTS* hints, array::lun_spec& spec) {
  return read_spec(a, hints, spec);
}
HRESULT create_lun(const context_ptr& c, const create_arguments& a, const VDS_HINTS* h, IVdsAsync** out) noexcept {
  return create(c, a, h, out);
}
HRESULT create_lun(const context_ptr& c, const create_arguments& a, const VDS_HINTS2* h, IVdsAsync** out) noexcept {
  return create(c, a, h, out);
}
HRESULT max_create_size(const context_ptr& c, const create_arguments& a, const VDS_HINTS* h, ULONGLONG* out) noexcept {
  return max_size(c, a, h, out);
}
HRESULT max_create_size(const context_ptr& c, const create_arguments& a, const VDS_HINTS2* h, ULONGLONG* out) noexcept {
  return max_size(c, a, h, out);
}

}  // namespace vds::array_provider
