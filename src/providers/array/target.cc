// The target's COM object: IVdsIscsiTarget; and what subsystem and LUN have to do with targets.
#include "com/implements.h"
#include "iscsi/pdu/iscsi_name.h"
#include "providers/array/iscsi_edge.h"

namespace vds::array_provider {

namespace {

// A secret as VDS passes it. False: E_INVALIDARG. Null, or size 0: none.
bool read_secret(const VDS_ISCSI_SHARED_SECRET* from, std::optional<iscsi::chap_secret>& out) {
  if (from == nullptr || from->ulSharedSecretSize == 0) return true;
  if (from->pSharedSecret == nullptr || from->ulSharedSecretSize > iscsi::max_secret) return false;
  auto made = iscsi::chap_secret::from(std::as_bytes(std::span(from->pSharedSecret, from->ulSharedSecretSize)));
  if (made) out = std::move(*made);
  return made.has_value();
}

class target final : public implements<IVdsIscsiTarget> {
 public:
  target(context_ptr c, const guid& id) : context_(std::move(c)), id_(id) {}

  HRESULT STDMETHODCALLTYPE GetProperties(VDS_ISCSI_TARGET_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto t = info();
    if (!t) return gone(t.error(), "properties");
    co_task_ptr<wchar_t> iqn(co_task_string(t->iqn));
    co_task_ptr<wchar_t> name(co_task_string(t->name));
    out->id = to_com(id_);
    out->bChapEnabled = t->authenticates ? TRUE : FALSE;
    out->pwszIscsiName = iqn.release();
    out->pwszFriendlyName = name.release();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetSubSystem(IVdsSubSystem** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (const auto t = info(); !t) return gone(t.error(), "subsystem");
    *out = make_subsystem(context_).as<IVdsSubSystem>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryPortalGroups(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto t = info();
    if (!t) return gone(t.error(), "portal groups");
    return enumerate(t->groups, out, [this](const guid& g) { return make_portal_group(context_, g); });
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE QueryAssociatedLuns(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto t = info();
    if (!t) return gone(t.error(), "LUNs");
    return enumerate(t->luns, out, [this](const guid& l) { return make_lun(context_, l); });
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE CreatePortalGroup(IVdsAsync** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    return finish_at_once(
        context_, VDS_ASYNCOUT_CREATEPORTALGROUP, out,
        [this](targets::named_operation op) {
          return context_->core->iscsi([&](targets& t) { return t.create_group(id_, op); });
        },
        [this](const guid& made) { return make_portal_group(context_, made); },
        [](const failure& f) { return gone(f, "creating a portal group"); });
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE Delete(IVdsAsync** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    return finish_at_once(
        context_, VDS_ASYNCOUT_DELETETARGET, out,
        [this](targets::named_operation op) -> result<guid> {
          auto done = context_->core->iscsi([&](targets& t) { return t.delete_target(id_, op); });
          return done ? result<guid>(guid{}) : result<guid>(std::move(done).error());
        },
        [](const guid&) { return com_ptr<IUnknown>(); },
        [](const failure& f) { return f == errc::busy ? VDS_E_ASSOCIATED_LUNS_EXIST : gone(f, "deleting a target"); });
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE SetFriendlyName(LPWSTR name) noexcept override try {
    if (!name) return E_INVALIDARG;
    auto to = friendly_name(name);
    const auto done = context_->core->iscsi([&](targets& t) { return t.rename_target(id_, std::move(to.text)); });
    if (!done) return gone(done.error(), "naming a target");
    return to.cut ? VDS_S_NAME_TRUNCATED : S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // What initiators have to know: all of them, or one.
  HRESULT STDMETHODCALLTYPE SetSharedSecret(VDS_ISCSI_SHARED_SECRET* secret, LPWSTR initiator) noexcept override try {
    std::optional<iscsi::chap_secret> value;
    if (!read_secret(secret, value)) return E_INVALIDARG;
    std::optional<std::string> name;
    if (initiator && *initiator) {
      name = iscsi::normalised_name(to_utf8(initiator));
      if (!name) return E_INVALIDARG;
    }
    const auto done =
        context_->core->iscsi([&](targets& t) { return t.set_secret(id_, std::move(name), std::move(value)); });
    return done ? S_OK : gone(done.error(), "setting a secret");
  } catch (...) {
    return hresult_from_exception();
  }

  // With what the target proves itself to an initiator.
  HRESULT STDMETHODCALLTYPE RememberInitiatorSharedSecret(LPWSTR initiator,
                                                          VDS_ISCSI_SHARED_SECRET* secret) noexcept override try {
    if (!initiator) return E_INVALIDARG;
    std::optional<iscsi::chap_secret> value;
    auto name = iscsi::normalised_name(to_utf8(initiator));
    if (!name || !read_secret(secret, value)) return E_INVALIDARG;
    const auto done =
        context_->core->iscsi([&](targets& t) { return t.set_own_secret(id_, std::move(*name), std::move(value)); });
    return done ? S_OK : gone(done.error(), "remembering a secret");
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE GetConnectedInitiators(LPWSTR** out, LONG* count) noexcept override try {
    if (out) *out = nullptr;
    if (count) *count = 0;
    if (!out || !count) return E_INVALIDARG;
    const auto names = look(context_, [this](const targets& t) { return t.initiators_of(id_); });
    if (!names) return gone(names.error(), "initiators");
    if (names->empty()) return S_OK;
    std::vector<co_task_ptr<wchar_t>> each;
    for (const std::string& n : *names) each.emplace_back(co_task_string(n));
    co_task_ptr<LPWSTR> list(co_task_alloc<LPWSTR>(each.size()));
    for (std::size_t i = 0; i < each.size(); ++i) list.get()[i] = each[i].release();
    *out = list.release();
    *count = static_cast<LONG>(each.size());
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  result<targets::target_info> info() {
    return look(context_, [this](const targets& t) { return t.target(id_); });
  }
  static HRESULT gone(const failure& why, std::string_view doing) { return refused(why, doing, VDS_E_OBJECT_DELETED); }

  const context_ptr context_;
  const guid id_;
};

}  // namespace

com_ptr<IUnknown> make_target(context_ptr c, const guid& id) {
  auto made = make<target>(std::move(c), id);
  return com_ptr<IUnknown>(static_cast<IVdsIscsiTarget*>(made.get()));
}

cut_name friendly_name(const wchar_t* name) {
  constexpr std::size_t longest = 255;
  cut_name out{to_utf8(name), false};
  if (out.text.size() <= longest) return out;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(out.text[end]) & 0xc0) == 0x80) --end;  // no half character
  out.text.resize(end);
  out.cut = true;
  return out;
}

HRESULT query_targets(const context_ptr& c, IEnumVdsObject** out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  const auto all = c->core->read_iscsi([](const targets& t) { return t.all_targets(); });
  if (!all) return refused(all.error(), "targets", VDS_E_OBJECT_NOT_FOUND);
  std::vector<guid> ids;
  for (const auto& t : *all) ids.push_back(t.id);
  return enumerate(ids, out, [&](const guid& id) { return make_target(c, id); });
} catch (...) {
  return hresult_from_exception();
}

HRESULT create_target(const context_ptr& c, const wchar_t* iqn, const wchar_t* name, IVdsAsync** out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  if (!name) return E_INVALIDARG;
  const std::string wanted = iqn ? to_utf8(iqn) : std::string();
  return finish_at_once(
      c, VDS_ASYNCOUT_CREATETARGET, out,
      [&](targets::named_operation op) {
        return c->core->iscsi([&](targets& t) { return t.create_target(wanted, friendly_name(name).text, op); });
      },
      [&](const guid& made) { return make_target(c, made); },
      [](const failure& f) {
        if (f == errc::already_exists) return VDS_E_NAME_NOT_UNIQUE;
        if (f == errc::invalid_argument) return VDS_E_INVALID_ISCSI_TARGET_NAME;
        return refused(f, "creating a target", VDS_E_OBJECT_NOT_FOUND);
      });
} catch (...) {
  return hresult_from_exception();
}

ULONG iscsi_capabilities(const context_ptr& c) {
  const auto simple = c->core->read_iscsi([](const targets& t) { return t.has_automatic(); });
  ULONG flags = VDS_SF_SUPPORTS_AUTH_CHAP | VDS_SF_SUPPORTS_AUTH_MUTUAL_CHAP;
  if (simple && *simple) flags |= VDS_SF_SUPPORTS_SIMPLE_TARGET_CONFIG;
  return flags;
}

HRESULT associate_targets(const context_ptr& c, const guid& lun, VDS_OBJECT_ID* named, LONG count) noexcept try {
  std::vector<guid> ids;
  if (!read_ids(named, count, ids)) return E_INVALIDARG;
  const auto done = c->core->associate(lun, std::move(ids));
  if (done) return S_OK;
  if (done.error() == errc::out_of_range) return VDS_E_OBJECT_NOT_FOUND;
  return refused(done.error(), "associating targets", VDS_E_OBJECT_DELETED);
} catch (...) {
  return hresult_from_exception();
}

HRESULT query_associated_targets(const context_ptr& c, const guid& lun, IEnumVdsObject** out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  const auto ids = c->core->call([&](array::array& a) -> rt::task<result<guid>> {
    if (auto l = a.lun(lun); !l) co_return std::move(l).error();
    co_return lun;
  });
  if (!ids) return refused(ids.error(), "targets of a LUN", VDS_E_OBJECT_DELETED);
  const auto shown = c->core->read_iscsi([&](const targets& t) { return t.targets_of(lun); });
  if (!shown) return refused(shown.error(), "targets of a LUN", VDS_E_OBJECT_DELETED);
  return enumerate(*shown, out, [&](const guid& id) { return make_target(c, id); });
} catch (...) {
  return hresult_from_exception();
}

}  // namespace vds::array_provider
