// hresult.h: where a failure becomes a number, and a number a name. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "com/com.h"

namespace vds {

inline constexpr HRESULT server_unavailable = HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE);
inline constexpr HRESULT bad_stub_data = HRESULT_FROM_WIN32(RPC_X_BAD_STUB_DATA);

// The code for the caller's branch; the story is the log's.
HRESULT to_hresult(const failure& why) noexcept;
HRESULT to_hresult(errc code) noexcept;

// Inside a catch block at the COM edge: the number for whatever was thrown. Logs what only a bug throws.
HRESULT hresult_from_exception() noexcept;

std::string_view hresult_name(HRESULT hr) noexcept;  // "VDS_E_NOT_SUPPORTED", "E_FAIL"; empty when unknown
std::string_view hresult_text(HRESULT hr) noexcept;  // one sentence; empty when unknown
std::string describe(HRESULT hr);                    // "VDS_E_NOT_SUPPORTED (0x80042400): This object cannot ..."

// A failure that carries what a callee answered, for code that goes on in plain C++.
failure failure_from_hresult(HRESULT hr, std::string_view doing);

}  // namespace vds
