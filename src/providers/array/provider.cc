#include "providers/array/provider.h"

#include "base/log.h"
#include "com/hresult.h"
#include "com/implements.h"
#include "com/memory.h"
#include "com/strings.h"
#include "providers/array/context.h"
#include "providers/array/pool.h"
#include "providers/array/translate.h"
#include "sdk/enum_object.h"

namespace vds::array_provider {

namespace {

std::vector<VDS_NOTIFICATION> notifications(const host::events& events, const guid& subsystem) {
  std::vector<VDS_NOTIFICATION> out;
  std::vector<std::pair<ULONG, guid>> seen;  // one change may touch a drive twice
  for (const auto& e : events.objects) {
    using enum array::array_event::kind;
    const ULONG code = [&e]() -> ULONG {
      switch (e.what) {
        case lun_arrived:
          return VDS_NF_LUN_ARRIVE;
        case lun_departed:
          return VDS_NF_LUN_DEPART;
        case lun_modified:
          return VDS_NF_LUN_MODIFY;
        case drive_arrived:
          return VDS_NF_DRIVE_ARRIVE;
        case drive_departed:
          return VDS_NF_DRIVE_DEPART;
        case drive_modified:
          return VDS_NF_DRIVE_MODIFY;
      }
      return 0;
    }();
    const std::pair key(code, e.object);
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
    seen.push_back(key);
    out.push_back(sdk::hardware_event(code, e.object));
  }
  if (events.subsystem) out.push_back(sdk::hardware_event(VDS_NF_SUB_SYSTEM_MODIFY, subsystem));
  return out;
}

std::vector<VDS_NOTIFICATION> notifications(const targets::events& events) {
  std::vector<VDS_NOTIFICATION> out;
  for (const auto& e : events) {
    ULONG arrive = 0;  // the codes of departing and changing follow it
    switch (e.of) {
      case iscsi_event::kind::target:
        arrive = VDS_NF_TARGET_ARRIVE;
        break;
      case iscsi_event::kind::portal:
        arrive = VDS_NF_PORTAL_ARRIVE;
        break;
      case iscsi_event::kind::portal_group:
        arrive = VDS_NF_PORTAL_GROUP_ARRIVE;
        break;
      case iscsi_event::kind::lun:
        continue;  // told with the LUN's own events
    }
    out.push_back(sdk::hardware_event(arrive + static_cast<ULONG>(e.what), e.object));
  }
  return out;
}
static_assert(VDS_NF_TARGET_DEPART == VDS_NF_TARGET_ARRIVE + 1 && VDS_NF_TARGET_MODIFY == VDS_NF_TARGET_ARRIVE + 2);
static_assert(VDS_NF_PORTAL_DEPART == VDS_NF_PORTAL_ARRIVE + 1 && VDS_NF_PORTAL_MODIFY == VDS_NF_PORTAL_ARRIVE + 2);
static_assert(VDS_NF_PORTAL_GROUP_DEPART == VDS_NF_PORTAL_GROUP_ARRIVE + 1 &&
              VDS_NF_PORTAL_GROUP_MODIFY == VDS_NF_PORTAL_GROUP_ARRIVE + 2);

class root final
    : public implements<IVdsProvider, IVdsHwProvider, IVdsProviderPrivate, IVdsHwProviderPrivate, IVdsProviderSupport,
                        IVdsHwProviderType, IVdsHwProviderType2, IVdsHwProviderStoragePools, IVdsxProviderOperations> {
 public:
  explicit root(context_ptr c) : context_(std::move(c)) {}

  // IVdsProvider
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_PROVIDER_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    co_task_ptr<wchar_t> name(co_task_string("VDS array"));
    co_task_ptr<wchar_t> version(co_task_string("1.0"));
    out->id = provider_id;
    out->guidVersionId = to_com(name_guid(from_com(clsid), "1.0"));
    out->type = VDS_PT_HARDWARE;
    out->pwszName = name.release();
    out->pwszVersion = version.release();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // IVdsHwProvider
  HRESULT STDMETHODCALLTYPE QuerySubSystems(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (!context_->is_loaded()) return VDS_E_INITIALIZE_NOT_CALLED;
    *out = sdk::make_enum({make_subsystem(context_)}).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }
  // There is one subsystem, and it tells by itself what changes.
  HRESULT STDMETHODCALLTYPE Reenumerate() noexcept override { return loaded_or_error(); }
  HRESULT STDMETHODCALLTYPE Refresh() noexcept override { return loaded_or_error(); }

  // IVdsProviderPrivate
  HRESULT STDMETHODCALLTYPE GetObject(VDS_OBJECT_ID object, VDS_OBJECT_TYPE type, IUnknown** out) noexcept override
      try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    if (!context_->is_loaded()) return VDS_E_INITIALIZE_NOT_CALLED;
    const guid id = from_com(object);
    host& core = *context_->core;
    switch (type) {
      case VDS_OT_SUB_SYSTEM:
        if (id != core.id()) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_subsystem(context_).detach();
        return S_OK;
      case VDS_OT_DRIVE: {
        const auto there = core.read([&](array::array& a) { return a.drive(id).has_value(); });
        if (!there || !*there) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_drive(context_, id).detach();
        return S_OK;
      }
      case VDS_OT_LUN: {
        const auto there = core.read([&](array::array& a) { return a.lun(id).has_value(); });
        if (!there || !*there) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_lun(context_, id).detach();
        return S_OK;
      }
      case VDS_OT_LUN_PLEX: {
        const auto lun = core.lun_of_plex(id);
        if (!lun) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_plex(context_, *lun, id).detach();
        return S_OK;
      }
      case VDS_OT_TARGET: {
        const auto there = core.read_iscsi([&](const targets& t) { return t.target(id).has_value(); });
        if (!there || !*there) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_target(context_, id).detach();
        return S_OK;
      }
      case VDS_OT_PORTAL: {
        const auto there = core.read_iscsi([&](const targets& t) { return t.portal(id).has_value(); });
        if (!there || !*there) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_portal(context_, id).detach();
        return S_OK;
      }
      case VDS_OT_PORTAL_GROUP: {
        const auto there = core.read_iscsi([&](const targets& t) { return t.group(id).has_value(); });
        if (!there || !*there) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_portal_group(context_, id).detach();
        return S_OK;
      }
      case VDS_OT_CONTROLLER:
      case VDS_OT_PORT:
        return VDS_E_OBJECT_NOT_FOUND;
      case VDS_OT_STORAGE_POOL:
        if (id != pool_id(context_)) return VDS_E_OBJECT_NOT_FOUND;
        *out = make_pool(context_).detach();
        return S_OK;
      default:
        return E_INVALIDARG;
    }
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE OnLoad(LPWSTR, IUnknown* callback) noexcept override try {
    if (!callback) return E_INVALIDARG;
    auto next = std::make_shared<sdk::notifier>();
    const HRESULT hr = next->start(callback);
    if (FAILED(hr)) return hr;
    std::shared_ptr<sdk::notifier> previous;
    {
      const std::lock_guard lock(context_->mutex);
      previous = std::exchange(context_->notifier, next);
      context_->loaded = true;
    }
    // A service that died without unloading us leaves its ear behind.
    if (previous) previous->stop();
    context_->core->listen(
        [ear = std::weak_ptr(next), id = context_->core->id()](const host::events& events) {
          if (const auto to = ear.lock()) to->notify(notifications(events, id));
        },
        [ear = std::weak_ptr(next)](const targets::events& events) {
          if (const auto to = ear.lock()) to->notify(notifications(events));
        });
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // The array and its target stay; only the service is let go. bForceUnload makes no difference: nothing is pending
  // that could not go on without it.
  HRESULT STDMETHODCALLTYPE OnUnload(BOOL) noexcept override try {
    std::shared_ptr<sdk::notifier> ear;
    {
      const std::lock_guard lock(context_->mutex);
      ear = std::exchange(context_->notifier, nullptr);
      context_->loaded = false;
    }
    context_->core->listen({});
    if (ear) ear->stop();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // IVdsHwProviderPrivate
  HRESULT STDMETHODCALLTYPE QueryIfCreatedLun(LPWSTR path, VDS_LUN_INFORMATION* info,
                                              VDS_OBJECT_ID* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = GUID_NULL;
    if (!path || !info) return E_INVALIDARG;
    if (!context_->is_loaded()) return VDS_E_INITIALIZE_NOT_CALLED;
    const auto& list = info->m_deviceIdDescriptor;
    if (list.m_cIdentifiers != 0 && !list.m_rgIdentifiers) return E_INVALIDARG;
    for (ULONG i = 0; i < list.m_cIdentifiers; ++i) {
      const VDS_STORAGE_IDENTIFIER& d = list.m_rgIdentifiers[i];
      host::naa_id naa;
      if (d.m_Type != VDSStorageIdTypeFCPHName || d.m_cbIdentifier != naa.size() || !d.m_rgbIdentifier) continue;
      std::copy_n(d.m_rgbIdentifier, naa.size(), naa.begin());
      if (const auto lun = context_->core->lun_of_naa(naa)) {
        *out = to_com(*lun);
        return S_OK;
      }
    }
    return S_FALSE;
  } catch (...) {
    return hresult_from_exception();
  }

  // IVdsProviderSupport
  HRESULT STDMETHODCALLTYPE GetVersionSupport(ULONG* out) noexcept override {
    if (!out) return E_INVALIDARG;
    *out = VDS_VSF_1_0 | VDS_VSF_1_1 | VDS_VSF_2_0 | VDS_VSF_2_1 | VDS_VSF_3_0;
    return S_OK;
  }
  // IVdsHwProviderType, IVdsHwProviderType2
  HRESULT STDMETHODCALLTYPE GetProviderType(VDS_HWPROVIDER_TYPE* out) noexcept override {
    if (!out) return E_INVALIDARG;
    *out = VDS_HWT_ISCSI;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE GetProviderType2(VDS_HWPROVIDER_TYPE* out) noexcept override {
    return GetProviderType(out);
  }

  // IVdsHwProviderStoragePools
  HRESULT STDMETHODCALLTYPE QueryStoragePools(ULONG flags, ULONGLONG least_free, VDS_POOL_ATTRIBUTES* attributes,
                                              IEnumVdsObject** out) noexcept override {
    return query_pools(context_, flags, least_free, attributes, out);
  }
  HRESULT STDMETHODCALLTYPE CreateLunInStoragePool(VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID pool, LPWSTR unmask,
                                                   VDS_HINTS2* hints, IVdsAsync** out) noexcept override {
    return create_in_pool(context_, type, size, pool, unmask, hints, out);
  }
  HRESULT STDMETHODCALLTYPE QueryMaxLunCreateSizeInStoragePool(VDS_LUN_TYPE type, VDS_OBJECT_ID pool, VDS_HINTS2* hints,
                                                               ULONGLONG* out) noexcept override {
    return max_size_in_pool(context_, type, pool, hints, out);
  }

  // IVdsxProviderOperations
  HRESULT STDMETHODCALLTYPE QueryOperation(VDS_OBJECT_ID id, VDSX_OPERATION_OUTCOME* out) noexcept override try {
    return context_->operations.query(id, out);
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE OpenOperation(VDS_OBJECT_ID id, IVdsAsync** out) noexcept override try {
    return context_->operations.open(id, out);
  } catch (...) {
    return hresult_from_exception();
  }
  HRESULT STDMETHODCALLTYPE ForgetOperation(VDS_OBJECT_ID id) noexcept override try {
    return context_->operations.forget(id);
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  HRESULT loaded_or_error() { return context_->is_loaded() ? S_OK : VDS_E_INITIALIZE_NOT_CALLED; }

  const context_ptr context_;
};

}  // namespace

// Only LUN creations leave a LUN behind.
std::optional<sdk::operation_outcome> durable_outcome(const array::array& a, const targets& t, const guid& id) {
  sdk::operation_outcome out;
  if (const auto past = t.past(id)) {
    out.type = static_cast<VDS_ASYNC_OUTPUT_TYPE>(past->type);
    out.object_id = past->object;
    return out;
  }
  using state = array::operation_outcome::state;
  for (const auto type : {VDS_ASYNCOUT_CREATELUN, VDS_ASYNCOUT_EXTENDLUN, VDS_ASYNCOUT_SHRINKLUN,
                          VDS_ASYNCOUT_ADDLUNPLEX, VDS_ASYNCOUT_REMOVELUNPLEX}) {
    const auto known = a.operation(log_id(id, type));
    if (known.is == state::unknown) continue;
    out.running = known.is == state::running;
    out.type = type;
    if (type == VDS_ASYNCOUT_CREATELUN) out.object_id = known.lun;
    if (known.failed) out.result = refused(*known.failed, "an earlier operation", VDS_E_OBJECT_NOT_FOUND);
    return out;
  }
  return std::nullopt;
}

guid log_id(guid operation, VDS_ASYNC_OUTPUT_TYPE type) {
  if (operation && type != VDS_ASYNCOUT_CREATELUN) operation.bytes[15] ^= static_cast<std::uint8_t>(type);
  return operation;
}

com_ptr<IUnknown> make_root(context_ptr c) {
  return com_ptr<IUnknown>(static_cast<IVdsProvider*>(make<root>(std::move(c)).get()));
}

com_ptr<IUnknown> make_provider(std::shared_ptr<host> core) {
  auto c = std::make_shared<context>(core);
  // The table lives in the context: a plain pointer back, or the two would keep each other alive.
  context* const shared = c.get();
  c->operations.use_durable(
      [core](const guid& id) {
        const auto found =
            core->read_both([&](const array::array& a, const targets& t) { return durable_outcome(a, t, id); });
        return found ? *found : std::nullopt;
      },
      [shared](const guid& object, VDS_OBJECT_TYPE type) {
        const auto c = shared->shared_from_this();
        return type == VDS_OT_LUN            ? make_lun(c, object)
               : type == VDS_OT_TARGET       ? make_target(c, object)
               : type == VDS_OT_PORTAL_GROUP ? make_portal_group(c, object)
                                             : com_ptr<IUnknown>();
      },
      // The log keeps a bounded number of outcomes by itself; a write for each that is let
      // go would double the cost of an operation.
      {});
  return make_root(std::move(c));
}

}  // namespace vds::array_provider
