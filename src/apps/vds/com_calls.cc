#include "apps/vds/com_calls.h"

#include "apps/vds/command_error.h"
#include "com/hresult.h"

namespace vds::cli {

bool is_connection_loss(HRESULT hr) {
  return hr == RPC_E_DISCONNECTED || hr == server_unavailable || hr == HRESULT_FROM_WIN32(RPC_S_CALL_FAILED) ||
         hr == RPC_E_SERVER_DIED || hr == RPC_E_CONNECTION_TERMINATED;
}

void check(HRESULT hr, std::string_view doing, IVdsService* alive) {
  if (SUCCEEDED(hr)) return;
  const std::string name(hresult_name(hr)), text(hresult_text(hr));
  if (!is_connection_loss(hr)) throw command_error(std::string(doing), hr, name, text);
  if (alive != nullptr && !is_connection_loss(alive->IsServiceReady())) {
    command_error provider(std::string(doing), hr, name, "the provider went away during the call");
    provider.set_status(exit_status::failed);
    throw provider;
  }
  throw service_gone(std::string(doing), hr, name, text);
}

std::string take(LPWSTR& text) {
  std::string out = to_utf8(text);
  CoTaskMemFree(text);
  text = nullptr;
  return out;
}

std::vector<com_ptr<IUnknown>> all_of(IEnumVdsObject* list, std::string_view doing, IVdsService* alive) {
  constexpr ULONG batch = 64;
  std::vector<com_ptr<IUnknown>> out;
  if (list == nullptr) check(E_UNEXPECTED, doing, alive);
  while (true) {
    IUnknown* some[batch] = {};
    ULONG fetched = 0;
    const HRESULT hr = list->Next(batch, some, &fetched);
    check(hr, doing, alive);
    for (ULONG i = 0; i < fetched && i < batch; ++i)
      if (some[i] != nullptr) out.push_back(adopt(some[i]));
    if (hr != S_OK || fetched == 0) return out;  // S_FALSE: these were the last
  }
}

}  // namespace vds::cli
