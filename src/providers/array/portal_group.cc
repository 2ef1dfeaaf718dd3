// The portal group's COM object: IVdsIscsiPortalGroup.
#include "com/implements.h"
#include "providers/array/iscsi_edge.h"

namespace vds::array_provider {

namespace {

class portal_group final : public implements<IVdsIscsiPortalGroup> {
 public:
  portal_group(context_ptr c, const guid& id) : context_(std::move(c)), id_(id) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_ISCSI_PORTALGROUP_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto g = info();
    if (!g) return gone(g.error(), "properties");
    out->id = to_com(id_);
    out->tag = g->tag;
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE GetTarget(IVdsIscsiTarget** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto g = info();
    if (!g) return gone(g.error(), "target");
    *out = make_target(context_, g->target).as<IVdsIscsiTarget>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryAssociatedPortals(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto g = info();
    if (!g) return gone(g.error(), "portals");
    return enumerate(g->portals, out, [this](const guid& p) { return make_portal(context_, p); });
  } catch (...) {
    return hresult_from_exception();
  }

  // A portal that is there already is no mistake; one that is in another group of the target is.
  HRESULT STDMETHODCALLTYPE AddPortal(VDS_OBJECT_ID portal, IVdsAsync** out) noexcept override {
    return change(VDS_ASYNCOUT_ADDPORTAL, out, "adding a portal to a group", VDS_E_OBJECT_EXISTS,
                  [&](targets& t, targets::named_operation op) { return t.join_portal(id_, from_com(portal), op); });
  }
  HRESULT STDMETHODCALLTYPE RemovePortal(VDS_OBJECT_ID portal, IVdsAsync** out) noexcept override {
    return change(VDS_ASYNCOUT_REMOVEPORTAL, out, "removing a portal from a group", VDS_E_OBJECT_EXISTS,
                  [&](targets& t, targets::named_operation op) { return t.leave_portal(id_, from_com(portal), op); });
  }
  HRESULT STDMETHODCALLTYPE Delete(IVdsAsync** out) noexcept override {
    return change(VDS_ASYNCOUT_DELETEPORTALGROUP, out, "deleting a portal group", VDS_E_ASSOCIATED_PORTALS_EXIST,
                  [&](targets& t, targets::named_operation op) { return t.delete_group(id_, op); });
  }

 private:
  result<targets::group_info> info() {
    return look(context_, [this](const targets& t) { return t.group(id_); });
  }
  static HRESULT gone(const failure& why, std::string_view doing) { return refused(why, doing, VDS_E_OBJECT_DELETED); }

  template <class Work>
  HRESULT change(VDS_ASYNC_OUTPUT_TYPE type, IVdsAsync** out, std::string_view doing, HRESULT when_busy,
                 Work work) noexcept try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    return finish_at_once(
        context_, type, out,
        [&](targets::named_operation op) -> result<guid> {
          auto done = context_->core->iscsi([&](targets& t) { return work(t, op); });
          return done ? result<guid>(guid{}) : result<guid>(std::move(done).error());
        },
        [](const guid&) { return com_ptr<IUnknown>(); },
        [&](const failure& f) {
          if (f == errc::busy) return when_busy;
          return f == errc::out_of_range ? VDS_E_OBJECT_NOT_FOUND : gone(f, doing);
        });
  } catch (...) {
    return hresult_from_exception();
  }

  const context_ptr context_;
  const guid id_;
};

}  // namespace

com_ptr<IUnknown> make_portal_group(context_ptr c, const guid& id) {
  auto made = make<portal_group>(std::move(c), id);
  return com_ptr<IUnknown>(static_cast<IVdsIscsiPortalGroup*>(made.get()));
}

}  // namespace vds::array_provider
