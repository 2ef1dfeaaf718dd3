#include "sdk/enum_object.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include "com/hresult.h"
#include "com/implements.h"

namespace vds::sdk {
namespace {

using snapshot = std::shared_ptr<const std::vector<com_ptr<IUnknown>>>;

class enum_object final : public implements<IEnumVdsObject> {
 public:
  enum_object(snapshot objects, std::size_t at) : objects_(std::move(objects)), at_(at) {}

  HRESULT STDMETHODCALLTYPE Next(ULONG celt, IUnknown** ppObjectArray, ULONG* pcFetched) noexcept override {
    if (pcFetched != nullptr) *pcFetched = 0;
    if (ppObjectArray == nullptr || (pcFetched == nullptr && celt != 1)) return E_INVALIDARG;
    const std::lock_guard lock(mutex_);
    const std::size_t n = std::min<std::size_t>(celt, objects_->size() - at_);
    for (std::size_t i = 0; i < n; ++i) ppObjectArray[i] = (*objects_)[at_ + i].copy();
    // What was asked for and is not there is null, so that a caller that ignores the count reads no garbage.
    if (n == 0 && celt > 0) ppObjectArray[0] = nullptr;
    at_ += n;
    if (pcFetched != nullptr) *pcFetched = static_cast<ULONG>(n);
    return n == celt ? S_OK : S_FALSE;
  }
  HRESULT STDMETHODCALLTYPE Skip(ULONG celt) noexcept override {
    const std::lock_guard lock(mutex_);
    const std::size_t n = std::min<std::size_t>(celt, objects_->size() - at_);
    at_ += n;
    return n == celt ? S_OK : S_FALSE;
  }
  HRESULT STDMETHODCALLTYPE Reset() noexcept override {
    const std::lock_guard lock(mutex_);
    at_ = 0;
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE Clone(IEnumVdsObject** ppEnum) noexcept override try {
    if (ppEnum == nullptr) return E_INVALIDARG;
    *ppEnum = nullptr;
    const std::lock_guard lock(mutex_);
    *ppEnum = make<enum_object>(objects_, at_).detach();
    return S_OK;
  } catch (...) {
    return hresult_from_exception();
  }

 private:
  const snapshot objects_;
  std::mutex mutex_;
  std::size_t at_;
};

}  // namespace

com_ptr<IEnumVdsObject> make_enum(std::vector<com_ptr<IUnknown>> objects) {
  auto made = make<enum_object>(std::make_shared<const std::vector<com_ptr<IUnknown>>>(std::move(objects)), 0U);
  com_ptr<IEnumVdsObject> out;
  out.attach(made.detach());
  return out;
}

HRESULT read_enum(IEnumVdsObject* from, std::vector<com_ptr<IUnknown>>& objects, std::size_t limit) {
  constexpr ULONG batch = 64;
  for (;;) {
    std::array<IUnknown*, batch> raw{};
    ULONG fetched = 0;
    const HRESULT hr = from->Next(batch, raw.data(), &fetched);
    bool sound = fetched <= batch && (hr == S_OK || hr == S_FALSE);
    // On success take over what was fetched; on failure the array is the callee's mess and may hold anything.
    if (SUCCEEDED(hr)) {
      for (ULONG i = 0; i < std::min(fetched, batch); ++i) {
        com_ptr<IUnknown> object;
        object.attach(raw[i]);
        if (object)
          objects.push_back(std::move(object));
        else
          sound = false;
      }
    }
    if (FAILED(hr)) return hr;
    if (!sound || objects.size() > limit) return E_UNEXPECTED;
    if (hr == S_FALSE || fetched < batch) return S_OK;
  }
}

}  // namespace vds::sdk
