// interface.h: what the generated code says about an interface: how its methods travel, how a stub calls them, how a
// proxy is made. All tables are constant and live for ever.
#pragma once

#include <span>

#include "com/com.h"
#include "wire/ndr/method.h"

namespace vds::wire {

class proxy_manager;
struct interface_info;

// ndr::method::waits: how a stub spares the thread of a method that may take long.
inline constexpr std::uint8_t waits_async = 1;   // IVdsAsync::Wait, by IVdsLocalAsync
inline constexpr std::uint8_t waits_events = 2;  // IVdsxEvents::Read, by IVdsLocalEvents

using invoke_function = HRESULT (*)(IUnknown* object, const ndr::arguments& a);

// One interface of a proxy; it lives as long as its manager.
struct proxy_face {
  IUnknown* pointer = nullptr;
  void (*destroy)(IUnknown*) = nullptr;
  IUnknown* local = nullptr;  // the local continuation interface, if the proxy has one
};
using make_proxy_function = proxy_face (*)(proxy_manager& manager, const interface_info& info, const uuid& ipid);

struct interface_info {
  uuid iid;
  const char* name;
  const ndr::method* methods;  // row = slot - 3
  const invoke_function* invokes;
  std::uint32_t method_count;
  make_proxy_function make;

  const ndr::method* method_at(std::uint32_t slot) const noexcept {
    return slot >= 3 && slot - 3 < method_count ? &methods[slot - 3] : nullptr;
  }
};

// Null: not one of ours.
const interface_info* find_interface(const uuid& iid) noexcept;
// Every interface of the IDL.
std::span<const interface_info* const> all_interfaces();

inline uuid to_uuid(const GUID& id) noexcept { return to_uuid<GUID>(id); }
inline const GUID& to_guid(const uuid& id) noexcept { return reinterpret_cast<const GUID&>(id); }

}  // namespace vds::wire
