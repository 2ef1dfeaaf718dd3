// hw_object.h: the service's object for one object of a provider (subsystem, LUN, drive, ...). Clients only ever hold
// these. One id, one object, for as long as the id lives: it stays valid while its provider restarts, and answers
// VDS_E_OBJECT_DELETED when what it stands for is gone.
//
// Property getters and enumerations are answered from what the model keeps; everything else is forwarded, on the
// provider's gate, and what comes back is checked: no success without its objects, no failure with them, no success
// code that means nothing.
// Any thread. Owned by its references; the model holds one while the object exists.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "com/call_context.h"
#include "com/com_ptr.h"
#include "com/hresult.h"
#include "com/local.h"
#include "service/objects/border.h"
#include "service/objects/kept.h"

namespace vds::service {

class hw_object final : public IVdsLocalDispatch {
 public:
  static com_ptr<hw_object> make(VDS_OBJECT_TYPE kind, const guid& id, std::shared_ptr<border> behind);

  VDS_OBJECT_TYPE kind() const noexcept { return kind_; }
  const guid& id() const noexcept { return id_; }
  border& behind() const noexcept { return *behind_; }
  IUnknown* unknown() noexcept { return static_cast<IUnknown*>(this); }

  bool deleted() const noexcept { return deleted_.load(std::memory_order_acquire); }
  void mark_deleted() noexcept { deleted_.store(true, std::memory_order_release); }
  // A LUN whose plexes have to be read before they are listed (border::complete) is not. What was read counts unless
  // expire() came after its beginning.
  bool complete() const noexcept {
    return read_.load(std::memory_order_acquire) == wanted_.load(std::memory_order_acquire);
  }
  void expire() noexcept { wanted_.fetch_add(1, std::memory_order_acq_rel); }
  unsigned begin_completing() const noexcept { return wanted_.load(std::memory_order_acquire); }
  void completed(unsigned begun) noexcept { read_.store(begun, std::memory_order_release); }
  void keep(kept_ptr first, kept_ptr second);  // second: the PROP2 of kinds that have one, or null
  kept_ptr kept_first() const;
  kept_ptr kept_second() const;

  // IUnknown, IVdsLocalDispatch
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) noexcept override;
  ULONG STDMETHODCALLTYPE AddRef() noexcept override;
  ULONG STDMETHODCALLTYPE Release() noexcept override;
  com_work_queue* STDMETHODCALLTYPE queue_for(REFIID iid, ULONG slot) noexcept override;

  // --- for the generated facets
  template <class T>
  HRESULT properties(T* out);
  HRESULT children(VDS_OBJECT_TYPE kind, IEnumVdsObject** out);
  HRESULT parent(VDS_OBJECT_TYPE kind, REFIID iid, void** out);

  template <class I, class Call>
  HRESULT forward(const method& m, Call&& call);
  template <class I, class Call>
  HRESULT begin(const method& m, IVdsAsync** out, Call&& call);

  HRESULT deliver(HRESULT hr, IUnknown* theirs, VDS_OBJECT_TYPE kind, REFIID iid, void** out);
  HRESULT deliver_all(HRESULT hr, com_ptr<IEnumVdsObject> theirs, VDS_OBJECT_TYPE kind, IEnumVdsObject** out);
  HRESULT nonsense(const method& m);  // success with data that cannot be: logged, VDS_E_BAD_PROVIDER_DATA
  void appeared(VDS_OBJECT_TYPE kind, const VDS_OBJECT_ID& id) { behind_->appeared(kind, from_com(id)); }
  void disappeared(VDS_OBJECT_TYPE kind, const VDS_OBJECT_ID& id) { behind_->disappeared(kind, from_com(id)); }

 private:
  hw_object(VDS_OBJECT_TYPE kind, const guid& id, std::shared_ptr<border> behind)
      : kind_(kind), id_(id), behind_(std::move(behind)), wanted_(kind == VDS_OT_LUN ? 1 : 0) {}
  ~hw_object() = default;
  // Of a plex, which may be gone since its LUN changed: VDS has no events for plexes. Null: there is nothing to read.
  com_ptr<hw_object> lun_to_be_read() const;
  HRESULT before(REFIID iid, void** target);
  HRESULT after(const method& m, HRESULT hr);

  const VDS_OBJECT_TYPE kind_;
  const guid id_;
  const std::shared_ptr<border> behind_;
  std::atomic<long> references_{1};
  std::atomic<bool> deleted_{false};
  std::atomic<unsigned> wanted_, read_{0};
  mutable std::mutex mutex_;
  kept_ptr first_, second_;
  std::vector<std::pair<const IID*, std::unique_ptr<facet>>> facets_;  // few: a linear search
};

// A call's context for a provider: the caller's, with the provider's time limit.
class limited_call {
 public:
  explicit limited_call(monotonic::duration limit, const guid& operation = {});

 private:
  scoped_call scope_;
};

template <class T>
HRESULT hw_object::properties(T* out) {
  if (out == nullptr) return E_INVALIDARG;
  *out = T{};
  if (const com_ptr<hw_object> lun = lun_to_be_read()) behind_->complete(*lun);
  if (deleted()) return VDS_E_OBJECT_DELETED;
  for (const kept_ptr& k : {kept_first(), kept_second()})
    if (const auto* held = dynamic_cast<const kept_struct<T>*>(k.get())) return copy_members(held->value(), out);
  return VDS_E_NOT_SUPPORTED;
}

template <class I, class Call>
HRESULT hw_object::forward(const method& m, Call&& call) {
  com_ptr<I> target;
  if (const HRESULT hr = before(__uuidof(I), target.put_void()); FAILED(hr)) return hr;
  HRESULT hr;
  {
    const limited_call limited(behind_->call_limit());
    hr = call(target.get());
  }
  return after(m, hr);
}

template <class I, class Call>
HRESULT hw_object::begin(const method& m, IVdsAsync** out, Call&& call) {
  if (deleted()) return VDS_E_OBJECT_DELETED;
  return behind_->begin(
      *this, m,
      [&](IVdsAsync** async) -> HRESULT {
        com_ptr<I> target;
        if (const HRESULT hr = before(__uuidof(I), target.put_void()); FAILED(hr)) return hr;
        return behind_->answered(m.name, call(target.get(), async));
      },
      out);
}

// --- facets count with their owner
template <class I>
class facet_of : public facet, public I {
 public:
  explicit facet_of(hw_object& owner) : owner_(owner) {}
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) noexcept override {
    return owner_.QueryInterface(iid, out);
  }
  ULONG STDMETHODCALLTYPE AddRef() noexcept override { return owner_.AddRef(); }
  ULONG STDMETHODCALLTYPE Release() noexcept override { return owner_.Release(); }
  void* as_interface() noexcept override { return static_cast<I*>(this); }

 protected:
  hw_object& owner_;
};

}  // namespace vds::service
