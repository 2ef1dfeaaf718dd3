// The COM object of a LUN's plex: IVdsLunPlex.
#include <algorithm>

#include "com/implements.h"
#include "providers/array/edge.h"

namespace vds::array_provider {

namespace {

struct found {
  array::lun_info lun;
  array::plex_info plex;
};

class plex final : public implements<IVdsLunPlex> {
 public:
  plex(context_ptr c, const guid& lun, const guid& id) : context_(std::move(c)), lun_(lun), id_(id) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_LUN_PLEX_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto p = info();
    if (!p) return gone(p.error());
    put_plex(p->lun, p->plex, *out);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetLun(IVdsLun** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (const auto p = info(); !p) return gone(p.error());
    *out = make_lun(context_, lun_).as<IVdsLun>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryExtents(VDS_DRIVE_EXTENT** out, LONG* count) noexcept override try {
    if (out) *out = nullptr;
    if (count) *count = 0;
    if (!out || !count) return E_INVALIDARG;
    const auto p = info();
    if (!p) return gone(p.error());
    std::vector<VDS_DRIVE_EXTENT> extents;
    for (const auto& e : p->plex.extents) extents.push_back({to_com(e.drive), to_com(lun_), e.size.n, TRUE});
    put_extents(extents, out, count);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // All plexes follow their LUN's hints.
  HRESULT STDMETHODCALLTYPE QueryHints(VDS_HINTS* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto p = info();
    if (!p) return gone(p.error());
    put_hints(p->lun.hints, *out);
    out->bHardwareChecksumEnabled = p->lun.checked ? TRUE : FALSE;  // what is, not what was wished
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  // So those of the only plex are the LUN's, and one of several can have no others than it has.
  HRESULT STDMETHODCALLTYPE ApplyHints(VDS_HINTS* hints) noexcept override try {
    if (!hints) return E_INVALIDARG;
    auto wishes = hints_from(*hints);
    if (!wishes) return E_INVALIDARG;
    const auto p = info();
    if (!p) return gone(p.error());
    if (p->lun.hints == *wishes) return S_OK;
    if (p->lun.plexes.size() != 1) return VDS_E_NOT_SUPPORTED;
    const auto set = context_->core->call([&](array::array& a) { return a.set_hints(lun_, *wishes); });
    return set ? S_OK : gone(set.error());
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  result<found> info() {
    return context_->core->call([this](array::array& a) -> rt::task<result<found>> {
      auto lun = a.lun(lun_);
      if (!lun) co_return lun.error();
      const auto at =
          std::find_if(lun->plexes.begin(), lun->plexes.end(), [this](const auto& p) { return p.id == id_; });
      if (at == lun->plexes.end()) co_return errc::not_found;
      array::plex_info mine = *at;
      co_return found{std::move(*lun), std::move(mine)};
    });
  }
  static HRESULT gone(const failure& why) { return refused(why, "a plex", VDS_E_OBJECT_DELETED); }

  const context_ptr context_;
  const guid lun_, id_;
};

}  // namespace

com_ptr<IUnknown> make_plex(context_ptr c, const guid& lun, const guid& id) {
  auto made = make<plex>(std::move(c), lun, id);
  return com_ptr<IUnknown>(static_cast<IVdsLunPlex*>(made.get()));
}

}  // namespace vds::array_provider
