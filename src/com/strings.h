// strings.h: text and ids across the COM edge. Inside, text is UTF-8; COM has wchar_t (UTF-32 here), the wire UTF-16.
// What is not valid in its encoding becomes U+FFFD, so no conversion fails. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/guid.h"
#include "com/com.h"

namespace vds {

std::string to_utf8(std::wstring_view text);
std::string to_utf8(const wchar_t* text);  // null: ""
std::string to_utf8(std::u16string_view text);
std::wstring to_wide(std::string_view utf8);
std::wstring to_wide(std::u16string_view text);
std::u16string to_utf16(std::string_view utf8);
std::u16string to_utf16(std::wstring_view text);

// For [out] strings: the receiver frees them with CoTaskMemFree. Throws std::bad_alloc, which hresult_from_exception
// knows.
wchar_t* co_task_string(std::string_view utf8);
wchar_t* co_task_string(std::wstring_view text);

GUID to_com(const guid& id) noexcept;
guid from_com(const GUID& id) noexcept;

}  // namespace vds
