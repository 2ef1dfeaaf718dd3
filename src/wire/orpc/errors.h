// errors.h: what a caller gets when the wire, not the method, failed.
#pragma once

#include "base/result.h"
#include "com/com.h"
#include "wire/rpc/pdu.h"

namespace vds::wire {

constexpr HRESULT as_hresult(std::uint32_t v) { return static_cast<HRESULT>(v); }
constexpr HRESULT from_win32(std::uint32_t code) { return as_hresult(0x80070000u | (code & 0xffff)); }

inline constexpr HRESULT rpc_disconnected = as_hresult(0x80010108);    // RPC_E_DISCONNECTED
inline constexpr HRESULT rpc_timed_out = as_hresult(0x8001011f);       // RPC_E_TIMEOUT
inline constexpr HRESULT rpc_invalid_object = as_hresult(0x80010114);  // RPC_E_INVALID_OBJECT
inline constexpr HRESULT rpc_invalid_data = as_hresult(0x8001000f);    // RPC_E_INVALID_DATA
inline constexpr HRESULT rpc_unavailable = from_win32(1722);           // RPC_S_SERVER_UNAVAILABLE
inline constexpr HRESULT rpc_too_busy = from_win32(1723);              // RPC_S_SERVER_TOO_BUSY
inline constexpr HRESULT rpc_unknown_interface = from_win32(1717);     // RPC_S_UNKNOWN_IF
inline constexpr HRESULT rpc_no_such_method = from_win32(1745);        // RPC_S_PROCNUM_OUT_OF_RANGE
inline constexpr HRESULT rpc_protocol = from_win32(1728);              // RPC_S_PROTOCOL_ERROR
inline constexpr HRESULT rpc_call_failed = from_win32(1726);           // RPC_S_CALL_FAILED
inline constexpr HRESULT rpc_bad_stub_data = from_win32(rpc::bad_stub_data);

// A fault's status: an HRESULT, a Win32 code, or one of DCE's own.
constexpr HRESULT hresult_of_fault(std::uint32_t status) {
  switch (status) {
    case rpc::nca_op_range:
      return rpc_no_such_method;
    case rpc::nca_unknown_interface:
      return rpc_unknown_interface;
    case rpc::nca_too_busy:
      return rpc_too_busy;
    case rpc::nca_proto_error:
      return rpc_protocol;
    default:
      break;
  }
  if (status & 0x80000000u) return as_hresult(status);
  return status != 0 && status < 0x10000 ? from_win32(status) : rpc_call_failed;
}

// Why arguments could not be sent: the caller's own mistake, or too much of it.
constexpr HRESULT hresult_of_encoding(errc why) {
  switch (why) {
    case errc::invalid_argument:
      return E_INVALIDARG;
    case errc::too_large:
    case errc::out_of_memory:
      return E_OUTOFMEMORY;
    case errc::unavailable:
      return rpc_disconnected;  // an interface pointer could not be marshalled
    default:
      return rpc_call_failed;
  }
}

}  // namespace vds::wire
