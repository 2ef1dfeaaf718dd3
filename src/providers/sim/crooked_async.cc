// crooked_async.cc: async objects that break the rules of IVdsAsync, each in one way.
#include "com/hresult.h"
#include "com/implements.h"
#include "providers/sim/world.h"
#include "sdk/async_output.h"

namespace vds::sim {

namespace {

class crooked_async final : public implements<IVdsAsync> {
 public:
  crooked_async(world& w, async_lie lie, com_ptr<IUnknown> lun) : world_(w), lie_(lie), lun_(std::move(lun)) {}

  HRESULT STDMETHODCALLTYPE Cancel() noexcept override {
    if (const auto told = world_.play.play("IVdsAsync::Cancel")) return *told;
    return VDS_E_NOT_SUPPORTED;
  }

  HRESULT STDMETHODCALLTYPE Wait(HRESULT* result, VDS_ASYNC_OUTPUT* out) noexcept override {
    if (const auto told = world_.play.play("IVdsAsync::Wait")) return *told;
    if (result == nullptr || out == nullptr) return E_INVALIDARG;
    *out = {};
    out->type = VDS_ASYNCOUT_CREATELUN;
    *result = S_OK;
    switch (lie_) {
      case async_lie::wrong_type:
        out->type = VDS_ASYNCOUT_EXTENDLUN;
        break;
      case async_lie::garbage:
        *result = static_cast<HRESULT>(0xdeadbeef);
        break;
      case async_lie::garbage_success:
        *result = 0x1badf00d;
        break;
      case async_lie::failed_with_object:
        *result = VDS_E_IO_ERROR;
        out->cl.pLunUnk = lun_.copy();
        break;
      case async_lie::wait_fails:
        return E_NOTIMPL;
      case async_lie::never_blocking:
        world_.play.hang();
        return E_ABORT;
      default:  // null_object: the type is right and there is nothing in it
        break;
    }
    return S_OK;
  }

  HRESULT STDMETHODCALLTYPE QueryStatus(HRESULT* result, ULONG* percent) noexcept override {
    if (const auto told = world_.play.play("IVdsAsync::QueryStatus")) return *told;
    if (result == nullptr || percent == nullptr) return E_INVALIDARG;
    *result = lie_ == async_lie::never_blocking ? VDS_E_OPERATION_PENDING : S_OK;
    *percent = 50;
    return S_OK;
  }

 private:
  world& world_;
  const async_lie lie_;
  const com_ptr<IUnknown> lun_;
};

// Honest but for its percent, which jumps about until the work it stands before has ended.
class backwards_async final : public implements<IVdsAsync> {
 public:
  explicit backwards_async(com_ptr<sdk::async_object> real) : real_(std::move(real)) {}

  HRESULT STDMETHODCALLTYPE Cancel() noexcept override { return real_->Cancel(); }
  HRESULT STDMETHODCALLTYPE Wait(HRESULT* result, VDS_ASYNC_OUTPUT* out) noexcept override {
    return real_->Wait(result, out);
  }
  HRESULT STDMETHODCALLTYPE QueryStatus(HRESULT* result, ULONG* percent) noexcept override {
    static constexpr ULONG shown[] = {90, 40, 4000, 10};
    const HRESULT hr = real_->QueryStatus(result, percent);
    if (SUCCEEDED(hr) && *result == VDS_E_OPERATION_PENDING) *percent = shown[asked_++ % std::size(shown)];
    return hr;
  }

 private:
  const com_ptr<sdk::async_object> real_;
  std::atomic<unsigned> asked_ = 0;
};

}  // namespace

com_ptr<IVdsAsync> make_crooked_async(world& w, const lun_wish& wish) {
  const async_lie lie = w.play.now().async;
  switch (lie) {
    case async_lie::honest:
      return {};
    case async_lie::never:
      return sdk::make_async(VDS_ASYNCOUT_CREATELUN).as<IVdsAsync>();
    case async_lie::backwards: {
      const auto real = sdk::make_async(VDS_ASYNCOUT_CREATELUN);
      play_creation(w, real, wish);
      return make<backwards_async>(real);
    }
    default: {
      com_ptr<IUnknown> lun;
      if (lie == async_lie::failed_with_object) {
        if (const auto made = w.array.create(wish)) lun = make_lun(w, made->id);
      }
      return make<crooked_async>(w, lie, std::move(lun));
    }
  }
}

}  // namespace vds::sim
