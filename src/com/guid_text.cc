// The calls of combaseapi.h that make GUIDs and turn them into text and back.
#include <algorithm>
#include <cctype>
#include <string>

#include "base/guid.h"
#include "base/random.h"
#include "com/com.h"
#include "com/memory.h"
#include "com/strings.h"

namespace {

constexpr std::size_t text_length = 38;  // with braces, without the terminator

std::wstring braced(const GUID& id) {
  std::wstring out = L"{";
  for (const char c : to_string(vds::from_com(id)))
    out += static_cast<wchar_t>(std::toupper(static_cast<unsigned char>(c)));
  return out + L"}";
}

HRESULT parse(const wchar_t* text, GUID* out, HRESULT otherwise) noexcept try {
  if (!out) return E_INVALIDARG;
  *out = GUID{};
  if (!text) return S_OK;  // as COM has it
  const std::wstring_view wide(text);
  if (wide.size() != text_length || wide.front() != L'{') return otherwise;
  const auto id = vds::parse_guid(vds::to_utf8(wide));
  if (!id) return otherwise;
  *out = vds::to_com(*id);
  return S_OK;
} catch (...) {
  return E_OUTOFMEMORY;
}

}  // namespace

extern "C" {

const GUID VDS_GUID_NULL = {};
const IID IID_IUnknown = __uuidof(IUnknown);
const IID IID_IClassFactory = __uuidof(IClassFactory);

HRESULT WINAPI CoCreateGuid(GUID* pguid) {
  if (!pguid) return E_INVALIDARG;
  *pguid = vds::to_com(vds::random_guid(vds::system_random()));
  return S_OK;
}

int WINAPI StringFromGUID2(REFGUID rguid, LPOLESTR lpsz, int cchMax) {
  if (!lpsz || cchMax < static_cast<int>(text_length + 1)) return 0;
  const std::wstring text = braced(rguid);
  *std::copy(text.begin(), text.end(), lpsz) = L'\0';
  return static_cast<int>(text_length + 1);
}

HRESULT WINAPI StringFromCLSID(REFCLSID rclsid, LPOLESTR* lplpsz) {
  if (!lplpsz) return E_INVALIDARG;
  *lplpsz = nullptr;
  try {
    *lplpsz = vds::co_task_string(braced(rclsid));
  } catch (...) {
    return E_OUTOFMEMORY;
  }
  return S_OK;
}

HRESULT WINAPI StringFromIID(REFIID rclsid, LPOLESTR* lplpsz) { return StringFromCLSID(rclsid, lplpsz); }
HRESULT WINAPI CLSIDFromString(LPCOLESTR lpsz, LPCLSID pclsid) { return parse(lpsz, pclsid, CO_E_CLASSSTRING); }
HRESULT WINAPI IIDFromString(LPCOLESTR lpsz, LPIID lpiid) { return parse(lpsz, lpiid, CO_E_IIDSTRING); }

}  // extern "C"
