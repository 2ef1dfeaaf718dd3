// com_ptr.h: owns one reference to a COM object. As thread-safe as a plain pointer; the object counts atomically.
#pragma once

#include <cstddef>
#include <utility>

#include "base/assert.h"
#include "com/com.h"

namespace vds {

template <class T>
class com_ptr {
 public:
  com_ptr() = default;
  com_ptr(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor)
  com_ptr(T* p) noexcept : p_(p) {     // NOLINT(google-explicit-constructor): adds a reference
    if (p_) p_->AddRef();
  }
  com_ptr(const com_ptr& other) noexcept : com_ptr(other.p_) {}
  com_ptr(com_ptr&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  template <class U>
  requires std::is_convertible_v<U*, T*> com_ptr(const com_ptr<U>& other)
  noexcept : com_ptr(static_cast<T*>(other.get())) {}  // NOLINT(google-explicit-constructor)
  template <class U>
  requires std::is_convertible_v<U*, T*> com_ptr(com_ptr<U>&& other)
  noexcept : p_(other.detach()) {}  // NOLINT(google-explicit-constructor)
  ~com_ptr() { reset(); }

  com_ptr& operator=(com_ptr other) noexcept {
    std::swap(p_, other.p_);
    return *this;
  }

  T* get() const noexcept { return p_; }
  T* operator->() const noexcept {
    always(p_ != nullptr);
    return p_;
  }
  T& operator*() const noexcept {
    always(p_ != nullptr);
    return *p_;
  }
  explicit operator bool() const noexcept { return p_ != nullptr; }

  // For out parameters: what was held is released first.
  T** put() noexcept {
    reset();
    return &p_;
  }
  void** put_void() noexcept { return reinterpret_cast<void**>(put()); }

  // Takes over a reference that the caller has.
  void attach(T* p) noexcept {
    reset();
    p_ = p;
  }
  [[nodiscard]] T* detach() noexcept { return std::exchange(p_, nullptr); }
  // Hands out a reference of its own: `*out = held.copy();`
  [[nodiscard]] T* copy() const noexcept {
    if (p_) p_->AddRef();
    return p_;
  }
  void copy(T* p) noexcept { *this = com_ptr(p); }

  void reset() noexcept {
    // The member is cleared before the call: Release may run a destructor that looks back at this pointer.
    if (T* p = std::exchange(p_, nullptr)) p->Release();
  }

  // Null when the object does not have U, or when there is none. An object that answers S_OK with a null pointer, as
  // foreign ones may, has not got it either.
  template <class U>
  com_ptr<U> as() const noexcept {
    com_ptr<U> out;
    if (p_ && FAILED(p_->QueryInterface(__uuidof(U), out.put_void()))) (void)out.detach();
    return out;
  }

  friend bool operator==(const com_ptr& a, const com_ptr& b) noexcept { return a.p_ == b.p_; }
  friend bool operator==(const com_ptr& a, std::nullptr_t) noexcept { return a.p_ == nullptr; }

 private:
  T* p_ = nullptr;
};

// The reference that a new object is born with becomes the com_ptr's.
template <class T>
com_ptr<T> adopt(T* p) noexcept {
  com_ptr<T> out;
  out.attach(p);
  return out;
}

// Whether two pointers, to whatever interfaces, are the same object: COM's identity rule.
inline bool same_object(IUnknown* a, IUnknown* b) noexcept {
  if (!a || !b) return a == b;
  com_ptr<IUnknown> x, y;
  return SUCCEEDED(a->QueryInterface(IID_IUnknown, x.put_void())) &&
         SUCCEEDED(b->QueryInterface(IID_IUnknown, y.put_void())) && x == y;
}

}  // namespace vds
