// crooked_enum.cc: enumerations that do not keep what IEnumVdsObject promises.
#include "com/implements.h"
#include "providers/sim/world.h"
#include "sdk/enum_object.h"

namespace vds::sim {

namespace {

class crooked_enum final : public implements<IEnumVdsObject> {
 public:
  crooked_enum(enum_lie lie, com_ptr<IUnknown> object) : lie_(lie), object_(std::move(object)) {}

  HRESULT STDMETHODCALLTYPE Next(ULONG celt, IUnknown** objects, ULONG* fetched) noexcept override {
    if (objects == nullptr) return E_INVALIDARG;
    for (ULONG n = 0; n < celt; ++n) objects[n] = lie_ == enum_lie::endless ? object_.copy() : nullptr;
    if (fetched != nullptr) {
      *fetched = celt;
      if (lie_ == enum_lie::stuck) *fetched = 0;
      if (lie_ == enum_lie::too_many) *fetched = celt + 1000;
    }
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE Skip(ULONG) noexcept override { return S_OK; }
  HRESULT STDMETHODCALLTYPE Reset() noexcept override { return S_OK; }
  HRESULT STDMETHODCALLTYPE Clone(IEnumVdsObject** out) noexcept override {
    if (out == nullptr) return E_INVALIDARG;
    *out = make<crooked_enum>(lie_, object_).detach();
    return S_OK;
  }

 private:
  const enum_lie lie_;
  const com_ptr<IUnknown> object_;
};

}  // namespace

com_ptr<IEnumVdsObject> make_played_enum(world& w, std::vector<com_ptr<IUnknown>> objects) {
  const enum_lie lie = w.play.now().enumeration;
  if (lie == enum_lie::honest) return sdk::make_enum(std::move(objects));
  // Endless repetition of one object; where there is none, of the subsystem.
  return make<crooked_enum>(lie, objects.empty() ? com_ptr<IUnknown>(make_subsystem(w).get()) : objects.front());
}

}  // namespace vds::sim
