// The LUN's COM object: IVdsLun, IVdsLun2, IVdsLunIscsi, IVdsLunNaming, IVdsLunNumber, IVdsxLun, IVdsxLunCheck.
#include <vdsxarray.h>

#include "com/implements.h"
#include "providers/array/edge.h"
#include "providers/array/iscsi_edge.h"
#include "providers/array/plex_change.h"
#include "providers/array/recover.h"
#include "providers/array/resize.h"
#include "sdk/enum_object.h"

namespace vds::array_provider {

namespace {

constexpr std::size_t longest_name = 255;  // bytes of UTF-8, what the array keeps

class lun final
    : public implements<IVdsLun, IVdsLun2, IVdsLunIscsi, IVdsLunNaming, IVdsLunNumber, IVdsxLun, IVdsxLunCheck> {
 public:
  lun(context_ptr c, const guid& id) : context_(std::move(c)), id_(id) {}

  // --- what it is
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_LUN_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto l = info();
    if (!l) return gone(l.error(), "properties");
    put_lun(*l, *out);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetIdentificationData(VDS_LUN_INFORMATION* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto l = info();
    if (!l) return gone(l.error(), "identification");
    put_identification(*l, *out);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetDetails(VDSX_LUN_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto l = info();
    if (!l) return gone(l.error(), "details");
    put_details(*l, context_->core->iscsi_url(l->id), *out);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetLunNumber(ULONG* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = 0;
    const auto l = info();
    if (!l) return gone(l.error(), "number");
    *out = l->number;
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryHints(VDS_HINTS* out) noexcept override { return query_hints(out); }
  HRESULT STDMETHODCALLTYPE QueryHints2(VDS_HINTS2* out) noexcept override { return query_hints(out); }

  // --- what is around it
  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (const auto l = info(); !l) return gone(l.error(), "subsystem");
    *out = make_subsystem(context_).as<IVdsSubSystem>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryPlexes(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto l = info();
    if (!l) return gone(l.error(), "plexes");
    std::vector<com_ptr<IUnknown>> plexes;
    for (const auto& p : l->plexes) plexes.push_back(make_plex(context_, id_, p.id));
    *out = sdk::make_enum(std::move(plexes)).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  // The array has no controllers of its own: every portal reaches every LUN.
  HRESULT STDMETHODCALLTYPE QueryActiveControllers(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (const auto l = info(); !l) return gone(l.error(), "controllers");
    *out = sdk::make_enum({}).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE AssociateControllers(VDS_OBJECT_ID* active, LONG actives, VDS_OBJECT_ID* inactive,
                                                 LONG inactives) noexcept override try {
    std::vector<guid> named;
    if (!read_ids(active, actives, named) || !read_ids(inactive, inactives, named)) return E_INVALIDARG;
    if (const auto l = info(); !l) return gone(l.error(), "controllers");
    return named.empty() ? S_OK : VDS_E_OBJECT_NOT_FOUND;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE AssociateTargets(VDS_OBJECT_ID* named, LONG count) noexcept override {
    return associate_targets(context_, id_, named, count);
  }
  HRESULT STDMETHODCALLTYPE QueryAssociatedTargets(IEnumVdsObject** out) noexcept override {
    return query_associated_targets(context_, id_, out);
  }

  // --- what can be changed
  HRESULT STDMETHODCALLTYPE SetMask(LPWSTR list) noexcept override try {
    if (!list) return E_INVALIDARG;
    auto unmask = parse_unmask(to_utf8(list));
    if (!unmask) return E_INVALIDARG;
    const auto set = context_->core->set_mask(id_, std::move(*unmask));
    return set ? S_OK : gone(set.error(), "setting the unmasking list");
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE Delete() noexcept override try {
    const auto deleted = context_->core->delete_lun(id_);
    return deleted ? S_OK : gone(deleted.error(), "deleting a LUN");
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE SetFriendlyName(LPWSTR name) noexcept override try {
    if (!name) return E_INVALIDARG;
    std::string text = to_utf8(name);
    const bool truncated = text.size() > longest_name;
    if (truncated) {
      std::size_t end = longest_name;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // no half character
      text.resize(end);
    }
    const auto set = context_->core->call([&](array::array& a) { return a.set_name(id_, text); });
    if (!set) return gone(set.error(), "naming a LUN");
    return truncated ? VDS_S_NAME_TRUNCATED : S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE ApplyHints(VDS_HINTS* hints) noexcept override { return apply_hints(hints); }
  HRESULT STDMETHODCALLTYPE ApplyHints2(VDS_HINTS2* hints) noexcept override { return apply_hints(hints); }

  HRESULT STDMETHODCALLTYPE SetStatus(VDS_LUN_STATUS status) noexcept override try {
    switch (status) {
      case VDS_LS_ONLINE:
      case VDS_LS_OFFLINE:
        break;
      case VDS_LS_NOT_READY:
      case VDS_LS_FAILED:
        if (const auto l = info(); !l) return gone(l.error(), "status");
        return VDS_E_NOT_SUPPORTED;
      default:
        return E_INVALIDARG;
    }
    const bool offline = status == VDS_LS_OFFLINE;
    const auto set = context_->core->call([&](array::array& a) { return a.set_offline(id_, offline); });
    return set ? S_OK : gone(set.error(), "status");
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE Recover(IVdsAsync** out) noexcept override { return recover_lun(context_, id_, out); }

  HRESULT STDMETHODCALLTYPE Extend(ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count,
                                   IVdsAsync** out) noexcept override {
    return extend_lun(context_, id_, bytes, drives, count, out);
  }
  HRESULT STDMETHODCALLTYPE Shrink(ULONGLONG bytes, IVdsAsync** out) noexcept override {
    return shrink_lun(context_, id_, bytes, out);
  }
  HRESULT STDMETHODCALLTYPE QueryMaxLunExtendSize(VDS_OBJECT_ID* drives, LONG count, ULONGLONG* out) noexcept override {
    return max_extend_size(context_, id_, drives, count, out);
  }

  HRESULT STDMETHODCALLTYPE Scrub(ULONG flags, VDS_OBJECT_ID* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = GUID_NULL;
    if (flags != 0) return E_INVALIDARG;
    const auto begun = context_->core->begin_scrub(id_);
    if (!begun) return gone(begun.error(), "scrubbing a LUN");
    *out = to_com(*begun);
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE AddPlex(VDS_OBJECT_ID source, IVdsAsync** out) noexcept override {
    return add_plex(context_, id_, from_com(source), out);
  }
  HRESULT STDMETHODCALLTYPE RemovePlex(VDS_OBJECT_ID plex, IVdsAsync** out) noexcept override {
    return remove_plex(context_, id_, from_com(plex), out);
  }

 private:
  result<array::lun_info> info() {
    return context_->core->call([this](array::array& a) -> rt::task<result<array::lun_info>> { co_return a.lun(id_); });
  }
  static HRESULT gone(const failure& why, std::string_view doing) { return refused(why, doing, VDS_E_OBJECT_DELETED); }

  template <class Hints>
  HRESULT query_hints(Hints* out) noexcept try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto l = info();
    if (!l) return gone(l.error(), "hints");
    put_hints(l->hints, *out);
    out->bHardwareChecksumEnabled = l->checked ? TRUE : FALSE;  // what is, not what was wished
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  template <class Hints>
  HRESULT apply_hints(const Hints* hints) noexcept try {
    if (!hints) return E_INVALIDARG;
    const auto wishes = hints_from(*hints);
    if (!wishes) return E_INVALIDARG;
    const auto set = context_->core->call([&](array::array& a) { return a.set_hints(id_, *wishes); });
    return set ? S_OK : gone(set.error(), "hints");
  } catch (...) {
    return hresult_from_exception();
  }

  const context_ptr context_;
  const guid id_;
};

}  // namespace

com_ptr<IUnknown> make_lun(context_ptr c, const guid& id) {
  auto made = make<lun>(std::move(c), id);
  return com_ptr<IUnknown>(static_cast<IVdsLun*>(made.get()));
}

}  // namespace vds::array_provider
