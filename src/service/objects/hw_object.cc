#include "service/objects/hw_object.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "sdk/enum_object.h"

namespace vds::service {

limited_call::limited_call(monotonic::duration limit, const guid& operation)
    : scope_([&] {
        call_context context = current_call();
        const deadline latest = monotonic::now() + limit;
        context.deadline = context.deadline ? std::min(*context.deadline, latest) : latest;
        if (operation) context.operation_id = operation;
        return context;
      }()) {}

com_ptr<hw_object> hw_object::make(VDS_OBJECT_TYPE kind, const guid& id, std::shared_ptr<border> behind) {
  com_ptr<hw_object> made;
  made.attach(new hw_object(kind, id, std::move(behind)));
  return made;
}

void hw_object::keep(kept_ptr first, kept_ptr second) {
  const std::lock_guard lock(mutex_);
  first_.swap(first);
  second_.swap(second);
}

kept_ptr hw_object::kept_first() const {
  const std::lock_guard lock(mutex_);
  return first_;
}

kept_ptr hw_object::kept_second() const {
  const std::lock_guard lock(mutex_);
  return second_;
}

HRESULT hw_object::QueryInterface(REFIID iid, void** out) noexcept try {
  if (out == nullptr) return E_POINTER;
  *out = nullptr;
  if (iid == __uuidof(IUnknown) || iid == __uuidof(IVdsLocalDispatch)) {
    *out = static_cast<IVdsLocalDispatch*>(this);
    AddRef();
    return S_OK;
  }
  const std::span<const offered> rows = interfaces_of(kind_);
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const offered& o) { return *o.iid == iid; });
  if (row == rows.end()) return E_NOINTERFACE;
  const std::lock_guard lock(mutex_);
  for (const auto& [known, made] : facets_) {
    if (known != row->iid) continue;
    *out = made->as_interface();
    AddRef();
    return S_OK;
  }
  if (!row->always && !behind_->offers(kind_, iid)) return E_NOINTERFACE;
  facets_.emplace_back(row->iid, make_facet(iid, *this));
  *out = facets_.back().second->as_interface();
  AddRef();
  return S_OK;
} catch (...) {
  return hresult_from_exception();
}

ULONG hw_object::AddRef() noexcept {
  return static_cast<ULONG>(references_.fetch_add(1, std::memory_order_relaxed) + 1);
}

ULONG hw_object::Release() noexcept {
  const long left = references_.fetch_sub(1, std::memory_order_acq_rel) - 1;
  if (left == 0) delete this;
  return static_cast<ULONG>(left);
}

com_work_queue* hw_object::queue_for(REFIID iid, ULONG slot) noexcept {
  constexpr ULONG query_plexes_slot = 9;
  const bool must_read = (!complete() && iid == __uuidof(IVdsLun) && slot == query_plexes_slot) || lun_to_be_read();
  return answered_from_model(iid, slot) && !must_read ? nullptr : behind_->gate();
}

com_ptr<hw_object> hw_object::lun_to_be_read() const {
  if (kind_ != VDS_OT_LUN_PLEX || deleted()) return {};
  com_ptr<hw_object> lun = behind_->parent(id_, VDS_OT_LUN);
  if (lun && lun->complete()) lun = {};
  return lun;
}

HRESULT hw_object::children(VDS_OBJECT_TYPE kind, IEnumVdsObject** out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  if (deleted()) return VDS_E_OBJECT_DELETED;
  if (!complete()) behind_->complete(*this);
  *out = sdk::make_enum(behind_->children(id_, kind)).detach();
  return S_OK;
}

HRESULT hw_object::parent(VDS_OBJECT_TYPE kind, REFIID iid, void** out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = nullptr;
  if (const com_ptr<hw_object> lun = lun_to_be_read()) behind_->complete(*lun);
  if (deleted()) return VDS_E_OBJECT_DELETED;
  const com_ptr<hw_object> found = behind_->parent(id_, kind);
  return found ? found->QueryInterface(iid, out) : VDS_E_OBJECT_NOT_FOUND;
}

HRESULT hw_object::before(REFIID iid, void** target) {
  if (deleted()) return VDS_E_OBJECT_DELETED;
  return behind_->bind(kind_, id_, iid, target);
}

HRESULT hw_object::after(const method& m, HRESULT hr) {
  hr = behind_->answered(m.name, hr);
  if (m.what == effect::deletes || m.what == effect::changes) behind_->changed(*this, m, hr);
  if (hr == VDS_E_OBJECT_DELETED || (SUCCEEDED(hr) && m.what == effect::deletes)) {
    behind_->disappeared(kind_, id_);
  } else if (SUCCEEDED(hr) && m.what == effect::changes) {
    behind_->reread(kind_, id_);
  } else if (SUCCEEDED(hr) && m.what == effect::resyncs) {
    behind_->resync();
  }
  return hr;
}

HRESULT hw_object::nonsense(const method& m) {
  log::warn("provider {}: {} succeeded with data that cannot be", behind_->provider_id(), m.name);
  return VDS_E_BAD_PROVIDER_DATA;
}

HRESULT hw_object::deliver(HRESULT hr, IUnknown* theirs, VDS_OBJECT_TYPE kind, REFIID iid, void** out) {
  if (FAILED(hr)) return hr;
  if (theirs == nullptr) return E_UNEXPECTED;
  com_ptr<hw_object> ours;
  if (const HRESULT adopted = behind_->adopt(kind, theirs, ours); FAILED(adopted)) return adopted;
  if (const HRESULT found = ours->QueryInterface(iid, out); FAILED(found)) return found;
  return hr;
}

HRESULT hw_object::deliver_all(HRESULT hr, com_ptr<IEnumVdsObject> theirs, VDS_OBJECT_TYPE kind, IEnumVdsObject** out) {
  if (FAILED(hr)) return hr;
  if (!theirs) return E_UNEXPECTED;
  std::vector<com_ptr<IUnknown>> found;
  {
    const limited_call limited(behind_->call_limit());
    if (const HRESULT read = behind_->answered("IEnumVdsObject::Next", sdk::read_enum(theirs.get(), found));
        FAILED(read))
      return read;
  }
  std::vector<com_ptr<IUnknown>> ours;
  ours.reserve(found.size());
  for (const com_ptr<IUnknown>& each : found) {
    com_ptr<hw_object> object;
    const HRESULT adopted = behind_->adopt(kind, each.get(), object);
    // Gone between the enumeration and our look at it: it is simply not in the list.
    if (adopted == VDS_E_OBJECT_DELETED || adopted == VDS_E_OBJECT_NOT_FOUND) continue;
    if (FAILED(adopted)) return adopted;
    ours.emplace_back(object->unknown());
  }
  *out = sdk::make_enum(std::move(ours)).detach();
  return hr;
}

}  // namespace vds::service
