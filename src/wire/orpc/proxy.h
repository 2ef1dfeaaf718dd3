// proxy.h: the client side of an interface. Generated proxies pass the addresses of their parameters to proxy_core,
// which encodes, calls, waits and decodes. One reference count serves all interfaces of an object (proxy_manager.h).
// Any thread, several at once.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <type_traits>

#include "com/local.h"
#include "wire/orpc/interface.h"

namespace vds::wire {

class proxy_core {
 public:
  proxy_core(proxy_manager& manager, const interface_info& info, const uuid& ipid) noexcept
      : manager_(manager), info_(info), ipid_(ipid) {}

 protected:
  // parameters: the address of each parameter.
  HRESULT call(std::uint32_t slot, std::initializer_list<void*> parameters);
  // Starts the call; `then` runs once, on a pool thread or here when it cannot be sent, with the parameters' memory
  // filled in. The parameters must live until then.
  void begin_call(const ndr::method& m, const ndr::arguments& a, std::function<void(HRESULT)> then);

  HRESULT query(REFIID iid, void** out) noexcept;
  ULONG add_ref() noexcept;
  ULONG release() noexcept;

  proxy_manager& manager_;
  const interface_info& info_;
  const uuid ipid_;

 private:
  HRESULT encode(const ndr::method& m, ndr::arguments& a, void*& spare_slot, std::uint64_t& spare,
                 ndr::buffer& message);
  HRESULT decode(const ndr::method& m, const ndr::arguments& a, std::span<const std::byte> stub);
};

template <class I>
class proxy_of : public I, public proxy_core {
 public:
  using remote = I;
  using proxy_core::proxy_core;
  virtual ~proxy_of() = default;
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override { return query(iid, out); }
  ULONG STDMETHODCALLTYPE AddRef() override { return add_ref(); }
  ULONG STDMETHODCALLTYPE Release() override { return release(); }
};

// The proxy of IVdsAsync also waits without a thread.
template <class Proxy>
class with_local_wait final : public Proxy, public IVdsLocalAsync {
 public:
  using Proxy::Proxy;
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override { return this->query(iid, out); }
  ULONG STDMETHODCALLTYPE AddRef() override { return this->add_ref(); }
  ULONG STDMETHODCALLTYPE Release() override { return this->release(); }
  IUnknown* local() noexcept { return static_cast<IVdsLocalAsync*>(this); }

  HRESULT STDMETHODCALLTYPE
  begin_wait(std::function<void(HRESULT, HRESULT, VDS_ASYNC_OUTPUT&)> then) noexcept override {
    struct state {
      HRESULT result = S_OK;
      VDS_ASYNC_OUTPUT out{};
      HRESULT* result_at = &result;
      VDS_ASYNC_OUTPUT* out_at = &out;
      std::function<void(HRESULT, HRESULT, VDS_ASYNC_OUTPUT&)> then;
    };
    constexpr std::uint32_t wait_slot = 4;
    auto s = std::make_shared<state>();
    s->then = std::move(then);
    ndr::arguments a{&s->result_at, &s->out_at};
    this->begin_call(*this->info_.method_at(wait_slot), a, [s](HRESULT hr) { s->then(hr, s->result, s->out); });
    return S_OK;
  }
};

// And that of IVdsxEvents reads without one.
template <class Proxy>
class with_local_read final : public Proxy, public IVdsLocalEvents {
 public:
  using Proxy::Proxy;
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override { return this->query(iid, out); }
  ULONG STDMETHODCALLTYPE AddRef() override { return this->add_ref(); }
  ULONG STDMETHODCALLTYPE Release() override { return this->release(); }
  IUnknown* local() noexcept { return static_cast<IVdsLocalEvents*>(this); }

  HRESULT STDMETHODCALLTYPE
  begin_read(ULONGLONG since, ULONG max, ULONG timeout_ms,
             std::function<void(HRESULT, VDSX_EVENT*, LONG, ULONGLONG, BOOL)> then) noexcept override {
    struct state {
      ULONGLONG since;
      ULONG max, timeout_ms;
      VDSX_EVENT* events = nullptr;
      LONG count = 0;
      ULONGLONG next = 0;
      BOOL lost = FALSE;
      VDSX_EVENT** events_at = &events;
      LONG* count_at = &count;
      ULONGLONG* next_at = &next;
      BOOL* lost_at = &lost;
      std::function<void(HRESULT, VDSX_EVENT*, LONG, ULONGLONG, BOOL)> then;
    };
    constexpr std::uint32_t read_slot = 3;
    auto s = std::make_shared<state>();
    s->since = since;
    s->max = max;
    s->timeout_ms = timeout_ms;
    s->then = std::move(then);
    ndr::arguments a{&s->since, &s->max, &s->timeout_ms, &s->events_at, &s->count_at, &s->next_at, &s->lost_at};
    this->begin_call(*this->info_.method_at(read_slot), a,
                     [s](HRESULT hr) { s->then(hr, s->events, s->count, s->next, s->lost); });
    return S_OK;
  }
};

template <class Proxy>
proxy_face make_proxy(proxy_manager& manager, const interface_info& info, const uuid& ipid) {
  auto* made = new Proxy(manager, info, ipid);
  using remote = typename Proxy::remote;  // there may be a second IUnknown in it, of a local interface
  proxy_face face;
  face.pointer = static_cast<remote*>(made);
  face.destroy = [](IUnknown* p) { delete static_cast<Proxy*>(static_cast<remote*>(p)); };
  if constexpr (requires { made->local(); }) face.local = made->local();
  return face;
}

// What stands in the slot of a stub's parameter.
template <class T>
T in(void* slot) noexcept {
  return *static_cast<T*>(slot);
}

}  // namespace vds::wire
