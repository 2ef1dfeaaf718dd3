// iscsi_edge.h: what the COM methods of targets, portal groups, portals, and of subsystem and LUN where they speak of
// those, have in common. Internal to this folder.
#pragma once

#include <algorithm>

#include "providers/array/edge.h"
#include "sdk/async_object.h"
#include "sdk/enum_object.h"

namespace vds::array_provider {

// IVdsSubSystemIscsi and IVdsxPortalAdmin, for subsystem.cc.
HRESULT query_targets(const context_ptr& c, IEnumVdsObject** out) noexcept;
HRESULT query_portals(const context_ptr& c, IEnumVdsObject** out) noexcept;
HRESULT create_target(const context_ptr& c, const wchar_t* iqn, const wchar_t* name, IVdsAsync** out) noexcept;
HRESULT add_portal(const context_ptr& c, const wchar_t* address, VDS_OBJECT_ID* out) noexcept;
HRESULT remove_portal(const context_ptr& c, const guid& id) noexcept;
ULONG iscsi_capabilities(const context_ptr& c);  // flags of the subsystem
// IVdsLunIscsi, for lun.cc.
HRESULT associate_targets(const context_ptr& c, const guid& lun, VDS_OBJECT_ID* targets, LONG count) noexcept;
HRESULT query_associated_targets(const context_ptr& c, const guid& lun, IEnumVdsObject** out) noexcept;

// A friendly name in at most 255 bytes, cut at a whole character.
struct cut_name {
  std::string text;
  bool cut = false;
};
cut_name friendly_name(const wchar_t* name);

// One look at the iSCSI side: f(const targets&) -> result<T>.
template <class F>
auto look(const context_ptr& c, F f) {
  using answer = std::invoke_result_t<F&, const targets&>;
  return c->core->iscsi([&f](targets& t) -> rt::task<answer> { co_return f(std::as_const(t)); });
}

// An asynchronous method whose work is one change of the configuration, durable in milliseconds: it is done before the
// method returns, and the async object has ended. work(operation) -> result<guid>, the object that was made or nil;
// object(guid) makes its COM object. refusal(failure) is the method's answer.
template <class Work, class Object, class Refusal>
HRESULT finish_at_once(const context_ptr& c, VDS_ASYNC_OUTPUT_TYPE type, IVdsAsync** out, Work work, Object object,
                       Refusal refusal) {
  const guid operation = sdk::current_operation();
  auto begun = c->operations.begin(operation, type);
  if (!begun.async) return E_INVALIDARG;  // the id of some other kind of operation
  if (!begun.joined) {
    const result<guid> made = work(targets::named_operation{operation, static_cast<std::uint32_t>(type)});
    if (!made) {
      const HRESULT hr = refusal(made.error());
      c->operations.abandon(operation);
      begun.async->finish(hr);  // for whoever joined in between
      return hr;
    }
    if (*made)
      begun.async->finish_with(object(*made).get(), *made);
    else
      begun.async->finish(S_OK, sdk::async_output(type));
  }
  *out = begun.async.detach();
  return S_OK;
}

template <class Make>
HRESULT enumerate(const std::vector<guid>& ids, IEnumVdsObject** out, Make make) {
  std::vector<com_ptr<IUnknown>> objects;
  objects.reserve(ids.size());
  for (const guid& id : ids) objects.push_back(make(id));
  *out = sdk::make_enum(std::move(objects)).detach();
  return S_OK;
}

}  // namespace vds::array_provider
