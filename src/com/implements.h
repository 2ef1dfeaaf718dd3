// implements.h: the reference count and QueryInterface of a COM object.
//   class sink final : public implements<IVdsAdviseSink> { HRESULT OnNotify(...) noexcept override; };
//   com_ptr<sink> s = make<sink>(arguments...);
// An object is born with one reference, which make() hands to its com_ptr, and deletes itself with the last. Any
// thread.
#pragma once

#include <atomic>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "com/com.h"
#include "com/com_ptr.h"

namespace vds {

template <class First, class... Rest>
class implements : public First, public Rest... {
  static_assert(std::is_base_of_v<IUnknown, First> && (std::is_base_of_v<IUnknown, Rest> && ...));

 public:
  implements() = default;
  implements(const implements&) = delete;
  implements& operator=(const implements&) = delete;

  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) noexcept override {
    if (!out) return E_POINTER;
    *out = nullptr;
    if (iid == IID_IUnknown)
      *out = identity();
    else if (!(offer<First>(iid, out) || ... || offer<Rest>(iid, out)))
      return query_more(iid, out);
    AddRef();
    return S_OK;
  }

  ULONG STDMETHODCALLTYPE AddRef() noexcept override {
    // Relaxed: who adds a reference holds one already.
    return static_cast<ULONG>(references_.fetch_add(1, std::memory_order_relaxed) + 1);
  }

  ULONG STDMETHODCALLTYPE Release() noexcept override {
    // Whatever other threads did through their references happens before the destructor.
    const auto left = references_.fetch_sub(1, std::memory_order_acq_rel) - 1;
    always(left >= 0);
    if (left == 0) delete this;
    return static_cast<ULONG>(left);
  }

  // The one IUnknown pointer, always the same, that COM knows the object by. (With several interfaces, a plain
  // conversion to IUnknown would be ambiguous.) Adds no reference.
  IUnknown* identity() noexcept { return static_cast<First*>(this); }

 protected:
  virtual ~implements() = default;

  // For interfaces that an object has only sometimes. `*out` is null at entry; a derived class that has the interface
  // stores it, adds a reference and answers S_OK.
  virtual HRESULT query_more([[maybe_unused]] REFIID iid, [[maybe_unused]] void** out) noexcept {
    return E_NOINTERFACE;
  }

 private:
  template <class I>
  bool offer(REFIID iid, void** out) noexcept {
    if (iid != __uuidof(I)) return false;
    *out = static_cast<I*>(this);
    return true;
  }

  std::atomic<long> references_{1};
};

template <class T, class... Arguments>
com_ptr<T> make(Arguments&&... arguments) {
  return adopt(new T(std::forward<Arguments>(arguments)...));
}

}  // namespace vds
