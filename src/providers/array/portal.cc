// The portal's COM object: IVdsIscsiPortal; and portals that come and go (IVdsxPortalAdmin).
#include <netinet/in.h>

#include <cstring>

#include "com/implements.h"
#include "io/uring/address.h"
#include "providers/array/iscsi_edge.h"

namespace vds::array_provider {

namespace {

// IPv4 in network byte order, as in_addr has it; the port as a number.
bool put_address(const std::string& text, VDS_IPADDRESS& to) {
  const auto parsed = io::parse_address(text);
  if (!parsed) return false;
  if (parsed->family() == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &parsed->storage, sizeof in);
    to.type = VDS_IPT_IPV4;
    to.ipv4Address = in.sin_addr.s_addr;
    to.ulPort = ntohs(in.sin_port);
  } else {
    sockaddr_in6 in{};
    std::memcpy(&in, &parsed->storage, sizeof in);
    to.type = VDS_IPT_IPV6;
    std::memcpy(to.ipv6Address, &in.sin6_addr, sizeof to.ipv6Address);
    to.ulIpv6ScopeId = in.sin6_scope_id;
    to.ulPort = ntohs(in.sin6_port);
  }
  return true;
}

VDS_ISCSI_PORTAL_STATUS status_of(targets::portal_state s) {
  switch (s) {
    case targets::portal_state::online:
      return VDS_IPS_ONLINE;
    case targets::portal_state::offline:
      return VDS_IPS_OFFLINE;
    case targets::portal_state::failed:
      return VDS_IPS_FAILED;
  }
  return VDS_IPS_UNKNOWN;
}

class portal final : public implements<IVdsIscsiPortal> {
 public:
  portal(context_ptr c, const guid& id) : context_(std::move(c)), id_(id) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_ISCSI_PORTAL_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto p = info();
    if (!p) return gone(p.error(), "properties");
    out->id = to_com(id_);
    out->status = status_of(p->state);
    if (!put_address(p->address, out->address)) out->address.type = VDS_IPT_EMPTY;
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (const auto p = info(); !p) return gone(p.error(), "subsystem");
    *out = make_subsystem(context_).as<IVdsSubSystem>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryAssociatedPortalGroups(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto p = info();
    if (!p) return gone(p.error(), "portal groups");
    return enumerate(p->groups, out, [this](const guid& g) { return make_portal_group(context_, g); });
  } catch (...) {
    return hresult_from_exception();
  }

  // Offline: nobody reaches anything through it, and it stays so.
  HRESULT STDMETHODCALLTYPE SetStatus(VDS_ISCSI_PORTAL_STATUS status) noexcept override try {
    switch (status) {
      case VDS_IPS_ONLINE:
      case VDS_IPS_OFFLINE:
        break;
      case VDS_IPS_NOT_READY:
      case VDS_IPS_FAILED:
        return not_supported();
      default:
        return E_INVALIDARG;
    }
    const bool offline = status == VDS_IPS_OFFLINE;
    const auto done = context_->core->iscsi([&](targets& t) { return t.set_portal_offline(id_, offline); });
    if (done) return S_OK;
    return done.error() == errc::busy ? VDS_E_DEVICE_IN_USE : gone(done.error(), "status of a portal");
  } catch (...) {
    return hresult_from_exception();
  }

  // The target speaks no IPsec; the host's own, if any, is not its business.
  HRESULT STDMETHODCALLTYPE SetIpsecTunnelAddress(VDS_IPADDRESS* tunnel, VDS_IPADDRESS* to) noexcept override {
    return tunnel && to ? not_supported() : E_INVALIDARG;
  }
  HRESULT STDMETHODCALLTYPE GetIpsecSecurity(VDS_IPADDRESS* initiator, ULONGLONG* out) noexcept override {
    if (out) *out = 0;
    return initiator && out ? not_supported() : E_INVALIDARG;
  }
  HRESULT STDMETHODCALLTYPE SetIpsecSecurity(VDS_IPADDRESS* initiator, ULONGLONG,
                                             VDS_ISCSI_IPSEC_KEY*) noexcept override {
    return initiator ? not_supported() : E_INVALIDARG;
  }

 private:
  result<targets::portal_info> info() {
    return look(context_, [this](const targets& t) { return t.portal(id_); });
  }
  HRESULT not_supported() noexcept try {
    const auto p = info();
    return p ? VDS_E_NOT_SUPPORTED : gone(p.error(), "a portal");
  } catch (...) {
    return hresult_from_exception();
  }
  static HRESULT gone(const failure& why, std::string_view doing) { return refused(why, doing, VDS_E_OBJECT_DELETED); }

  const context_ptr context_;
  const guid id_;
};

}  // namespace

com_ptr<IUnknown> make_portal(context_ptr c, const guid& id) {
  auto made = make<portal>(std::move(c), id);
  return com_ptr<IUnknown>(static_cast<IVdsIscsiPortal*>(made.get()));
}

HRESULT query_portals(const context_ptr& c, IEnumVdsObject** out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  const auto all = c->core->read_iscsi([](const targets& t) { return t.all_portals(); });
  if (!all) return refused(all.error(), "portals", VDS_E_OBJECT_NOT_FOUND);
  std::vector<guid> ids;
  for (const auto& p : *all) ids.push_back(p.id);
  return enumerate(ids, out, [&](const guid& id) { return make_portal(c, id); });
} catch (...) {
  return hresult_from_exception();
}

HRESULT add_portal(const context_ptr& c, const wchar_t* address, VDS_OBJECT_ID* out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = GUID_NULL;
  if (!address) return E_INVALIDARG;
  const auto parsed = io::parse_address(to_utf8(address));
  if (!parsed) return E_INVALIDARG;
  const auto made = c->core->iscsi([&](targets& t) { return t.add_portal(io::to_string(*parsed)); });
  if (!made) {
    const HRESULT hr = refused(made.error(), "adding a portal", VDS_E_OBJECT_NOT_FOUND);
    return made.error() == errc::busy ? VDS_E_DEVICE_IN_USE : hr;
  }
  *out = to_com(*made);
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT remove_portal(const context_ptr& c, const guid& id) noexcept try {
  const auto done = c->core->iscsi([&](targets& t) { return t.remove_portal(id); });
  if (done) return S_OK;
  return done.error() == errc::busy ? VDS_E_ASSOCIATED_PORTALS_EXIST
                                    : refused(done.error(), "removing a portal", VDS_E_OBJECT_NOT_FOUND);
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
