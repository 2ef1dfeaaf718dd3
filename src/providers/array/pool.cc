// The pool's COM object: IVdsStoragePool.
#include "providers/array/pool.h"

#include "com/implements.h"
#include "providers/array/create.h"
#include "providers/array/edge.h"
#include "providers/array/states.h"
#include "sdk/enum_object.h"

namespace vds::array_provider {

namespace {

struct totals {
  std::uint64_t size = 0, free = 0;
  bool healthy = true;
};

result<std::vector<array::drive_info>> drives(const context_ptr& c) {
  return c->core->read([](array::array& a) { return a.drives(); });
}

totals sum(const std::vector<array::drive_info>& all) {
  totals t;
  for (const auto& d : all) {
    t.size += d.size.n;
    t.free += d.free.n;
    t.healthy &= show(d).health == VDS_H_HEALTHY;
  }
  return t;
}

HRESULT unavailable(const failure& why) { return refused(why, "storage pool", VDS_E_OBJECT_NOT_FOUND); }

class pool final : public implements<IVdsStoragePool> {
 public:
  explicit pool(context_ptr c) : context_(std::move(c)) {}

  HRESULT STDMETHODCALLTYPE GetProvider(IVdsProvider** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = make_root(context_).as<IVdsProvider>().detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // What redundancy costs depends on each LUN's type and not on the pool: it manages what its drives have.
  HRESULT STDMETHODCALLTYPE GetProperties(VDS_STORAGE_POOL_PROP* out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = {};
    const auto all = drives(context_);
    if (!all) return unavailable(all.error());
    const totals t = sum(*all);
    co_task_ptr<wchar_t> name(co_task_string("all drives"));
    out->id = to_com(pool_id(context_));
    out->status = VDS_SPS_ONLINE;
    out->health = t.healthy ? VDS_H_HEALTHY : VDS_H_DEGRADED;
    out->type = VDS_SPT_CONCRETE;
    out->ullTotalConsumedSpace = t.size;
    out->ullTotalManagedSpace = t.size;
    out->ullRemainingFreeSpace = t.free;
    out->pwszDescription = co_task_string("every drive of the array");
    out->pwszName = name.release();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  // Layout and redundancy are chosen for each LUN: of the pool itself only this can be said.
  HRESULT STDMETHODCALLTYPE GetAttributes(VDS_POOL_ATTRIBUTES* out) noexcept override {
    if (!out) return E_INVALIDARG;
    *out = {};
    out->ullAttributeMask = VDS_POOL_ATTRIB_THIN_PROVISION | VDS_POOL_ATTRIB_ALLOW_SPINDOWN;
    return S_OK;
  }

  HRESULT STDMETHODCALLTYPE QueryDriveExtents(VDS_STORAGE_POOL_DRIVE_EXTENT** out, LONG* count) noexcept override try {
    if (out) *out = nullptr;
    if (count) *count = 0;
    if (!out || !count) return E_INVALIDARG;
    const auto all = drives(context_);
    if (!all) return unavailable(all.error());
    std::vector<VDS_STORAGE_POOL_DRIVE_EXTENT> extents;
    for (const auto& d : *all) {
      if (d.size.n > d.free.n) extents.push_back({to_com(d.id), d.size.n - d.free.n, TRUE});
      if (d.free.n != 0) extents.push_back({to_com(d.id), d.free.n, FALSE});
    }
    if (extents.empty()) return S_OK;
    *out = co_task_copy(std::span<const VDS_STORAGE_POOL_DRIVE_EXTENT>(extents));
    *count = static_cast<LONG>(extents.size());
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryAllocatedLuns(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = nullptr;
    const auto ids = context_->core->read([](array::array& a) { return a.lun_ids(); });
    if (!ids) return unavailable(ids.error());
    std::vector<com_ptr<IUnknown>> luns;
    luns.reserve(ids->size());
    for (const guid& id : *ids) luns.push_back(make_lun(context_, id));
    *out = sdk::make_enum(std::move(luns)).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

  HRESULT STDMETHODCALLTYPE QueryAllocatedStoragePools(IEnumVdsObject** out) noexcept override try {
    if (!out) return E_INVALIDARG;
    *out = sdk::make_enum({}).detach();  // nothing is made of it but LUNs
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  const context_ptr context_;
};

}  // namespace

guid pool_id(const context_ptr& c) { return name_guid(c->core->id(), "storage pool"); }

com_ptr<IUnknown> make_pool(context_ptr c) {
  return com_ptr<IUnknown>(static_cast<IVdsStoragePool*>(make<pool>(std::move(c)).get()));
}

HRESULT query_pools(const context_ptr& c, ULONG flags, ULONGLONG least_free, const VDS_POOL_ATTRIBUTES* attributes,
                    IEnumVdsObject** out) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  constexpr ULONG primordial = 1, concrete = 2;
  if ((flags & ~(primordial | concrete)) != 0) return E_INVALIDARG;
  if (!c->is_loaded()) return VDS_E_INITIALIZE_NOT_CALLED;
  const auto all = drives(c);
  if (!all) return unavailable(all.error());
  // Every attribute whose bit is set has to match; two can, and of everything else nothing can be said.
  constexpr ULONGLONG known = VDS_POOL_ATTRIB_THIN_PROVISION | VDS_POOL_ATTRIB_ALLOW_SPINDOWN;
  bool fits = flags == 0 || (flags & concrete) != 0;
  fits &= sum(*all).free >= least_free;
  if (attributes != nullptr) {
    const ULONGLONG mask = attributes->ullAttributeMask;
    fits &= (mask & ~known) == 0;
    fits &= (mask & VDS_POOL_ATTRIB_THIN_PROVISION) == 0 || !attributes->bIsThinProvisioned;
    fits &= (mask & VDS_POOL_ATTRIB_ALLOW_SPINDOWN) == 0 || !attributes->bSpinDown;
  }
  std::vector<com_ptr<IUnknown>> found;
  if (fits) found.push_back(make_pool(c));
  *out = sdk::make_enum(std::move(found)).detach();
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

HRESULT create_in_pool(const context_ptr& c, VDS_LUN_TYPE type, ULONGLONG size, const VDS_OBJECT_ID& pool,
                       const wchar_t* unmask, const VDS_HINTS2* hints, IVdsAsync** out) noexcept {
  if (!out) return E_INVALIDARG;
  *out = nullptr;
  if (!from_com(pool) || size == 0) return E_INVALIDARG;
  if (from_com(pool) != pool_id(c)) return VDS_E_OBJECT_NOT_FOUND;
  return create_lun(c, {type, size, nullptr, 0, unmask}, hints, out);
}

HRESULT max_size_in_pool(const context_ptr& c, VDS_LUN_TYPE type, const VDS_OBJECT_ID& pool, const VDS_HINTS2* hints,
                         ULONGLONG* out) noexcept {
  if (!out) return E_INVALIDARG;
  *out = 0;
  if (!from_com(pool)) return E_INVALIDARG;
  if (from_com(pool) != pool_id(c)) return VDS_E_OBJECT_NOT_FOUND;
  return max_create_size(c, {type, 0, nullptr, 0, nullptr}, hints, out);
}

}  // namespace vds::array_provider
