#include "com/hresult.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <system_error>

#include "base/log.h"

namespace vds {
namespace {

struct row {
  std::uint32_t value;
  std::string_view name;
  std::string_view text;
};

constexpr auto vds_codes = std::to_array<row>({
#include <hresult_table.inc>
});

#define VDS_COM_CODE(name, text) \
  row { static_cast<std::uint32_t>(name), #name, text }
constexpr auto com_codes = std::to_array<row>({
    VDS_COM_CODE(S_OK, "Done."),
    VDS_COM_CODE(S_FALSE, "Done, with less than was asked for or nothing to do."),
    VDS_COM_CODE(E_NOTIMPL, "The method is not implemented."),
    VDS_COM_CODE(E_NOINTERFACE, "The object does not have this interface."),
    VDS_COM_CODE(E_POINTER, "A pointer is missing."),
    VDS_COM_CODE(E_ABORT, "The call was given up."),
    VDS_COM_CODE(E_FAIL, "It failed, for a reason that was not told."),
    VDS_COM_CODE(E_PENDING, "The data is not there yet."),
    VDS_COM_CODE(E_UNEXPECTED, "An internal fault; look in the log."),
    VDS_COM_CODE(E_ACCESSDENIED, "The caller may not do this."),
    VDS_COM_CODE(E_HANDLE, "The handle is not valid."),
    VDS_COM_CODE(E_OUTOFMEMORY, "Out of memory."),
    VDS_COM_CODE(E_INVALIDARG, "An argument is not valid."),
    VDS_COM_CODE(CLASS_E_NOAGGREGATION, "The class cannot be aggregated."),
    VDS_COM_CODE(CLASS_E_CLASSNOTAVAILABLE, "The server does not serve this class."),
    VDS_COM_CODE(REGDB_E_CLASSNOTREG, "No such class is registered."),
    VDS_COM_CODE(REGDB_E_IIDNOTREG, "The interface cannot be marshalled."),
    VDS_COM_CODE(CO_E_NOTINITIALIZED, "CoInitialize has not been called."),
    VDS_COM_CODE(CO_E_CLASSSTRING, "Not the text of a class id."),
    VDS_COM_CODE(CO_E_IIDSTRING, "Not the text of an interface id."),
    VDS_COM_CODE(CO_E_SERVER_EXEC_FAILURE, "The server could not be started."),
    VDS_COM_CODE(RPC_E_CALL_CANCELED, "The call was cancelled."),
    VDS_COM_CODE(RPC_E_SERVERFAULT, "The server failed in the middle of the call."),
    VDS_COM_CODE(RPC_E_SERVER_DIED, "The server died."),
    VDS_COM_CODE(RPC_E_CHANGED_MODE, "This thread is initialised in another mode."),
    VDS_COM_CODE(RPC_E_DISCONNECTED, "The object's process is gone, or the connection to it."),
    VDS_COM_CODE(RPC_E_INVALID_DATA, "The data of the call makes no sense."),
    VDS_COM_CODE(RPC_E_INVALIDMETHOD, "The interface has no such method."),
    VDS_COM_CODE(RPC_E_INVALID_IPID, "The object is not, or no longer, exported."),
    VDS_COM_CODE(RPC_E_INVALID_OBJREF, "The reference to an object makes no sense."),
    VDS_COM_CODE(RPC_E_ACCESS_DENIED, "The peer may not make this call."),
    VDS_COM_CODE(RPC_E_OUT_OF_RESOURCES, "A limit on calls or objects is reached."),
    VDS_COM_CODE(RPC_E_VERSION_MISMATCH, "The peer speaks another version of the protocol."),
    VDS_COM_CODE(RPC_E_TIMEOUT, "The call took longer than its deadline allows."),
    VDS_COM_CODE(RPC_E_UNEXPECTED, "An internal fault of the call layer."),
});
#undef VDS_COM_CODE

struct win32_row {
  std::uint32_t code;
  std::string_view name;
  std::string_view text;
};
#define VDS_WIN32_CODE(name, text) \
  win32_row { name, "HRESULT_FROM_WIN32(" #name ")", text }
constexpr auto win32_codes = std::to_array<win32_row>({
    VDS_WIN32_CODE(ERROR_FILE_NOT_FOUND, "No such file."),
    VDS_WIN32_CODE(ERROR_PATH_NOT_FOUND, "No such path."),
    VDS_WIN32_CODE(ERROR_INVALID_DATA, "The data makes no sense."),
    VDS_WIN32_CODE(ERROR_NOT_READY, "It exists, but cannot serve now."),
    VDS_WIN32_CODE(ERROR_CRC, "The data does not match its checksum."),
    VDS_WIN32_CODE(ERROR_SHARING_VIOLATION, "In use by another."),
    VDS_WIN32_CODE(ERROR_FILE_EXISTS, "The file exists."),
    VDS_WIN32_CODE(ERROR_DISK_FULL, "The disk is full."),
    VDS_WIN32_CODE(ERROR_NOT_SUPPORTED, "Not supported."),
    VDS_WIN32_CODE(ERROR_BUSY, "Busy."),
    VDS_WIN32_CODE(ERROR_ALREADY_EXISTS, "It exists already."),
    VDS_WIN32_CODE(ERROR_IO_DEVICE, "The device failed a request for good."),
    VDS_WIN32_CODE(ERROR_NOT_FOUND, "Not found."),
    VDS_WIN32_CODE(ERROR_CANCELLED, "Cancelled."),
    VDS_WIN32_CODE(ERROR_DISK_CORRUPT, "What is on the disk makes no sense."),
    VDS_WIN32_CODE(ERROR_REVISION_MISMATCH, "Written by a later version."),
    VDS_WIN32_CODE(ERROR_SHUTDOWN_IN_PROGRESS, "It is being shut down."),
    VDS_WIN32_CODE(ERROR_TIMEOUT, "Time ran out."),
    VDS_WIN32_CODE(RPC_S_SERVER_UNAVAILABLE, "The service cannot be reached."),
    VDS_WIN32_CODE(RPC_S_CALL_FAILED, "The call failed; it may or may not have run."),
    VDS_WIN32_CODE(RPC_S_PROCNUM_OUT_OF_RANGE, "The interface has no such method."),
    VDS_WIN32_CODE(RPC_X_BAD_STUB_DATA, "The data of the call does not match the interface."),
    VDS_WIN32_CODE(RPC_X_NULL_REF_POINTER, "A pointer that must not be null is."),
});
#undef VDS_WIN32_CODE

static_assert(std::ranges::is_sorted(vds_codes, {}, &row::value), "hresult_name searches by halves");

struct known {
  std::string_view name;
  std::string_view text;
};

known look_up(HRESULT hr) noexcept {
  const auto value = static_cast<std::uint32_t>(hr);
  if (const auto at = std::ranges::lower_bound(vds_codes, value, {}, &row::value);
      at != vds_codes.end() && at->value == value)
    return {at->name, at->text};
  for (const row& r : com_codes)
    if (r.value == value) return {r.name, r.text};
  if ((value & 0xffff0000u) == 0x80070000u)
    for (const win32_row& r : win32_codes)
      if (r.code == (value & 0xffffu)) return {r.name, r.text};
  return {};
}

}  // namespace

std::string_view hresult_name(HRESULT hr) noexcept { return look_up(hr).name; }
std::string_view hresult_text(HRESULT hr) noexcept { return look_up(hr).text; }

std::string describe(HRESULT hr) {
  const auto [name, text] = look_up(hr);
  if (name.empty()) return fmt::format("0x{:08X}", static_cast<std::uint32_t>(hr));
  return fmt::format("{} (0x{:08X}): {}", name, static_cast<std::uint32_t>(hr), text);
}

HRESULT to_hresult(errc code) noexcept {
  switch (code) {
    case errc::invalid_argument:
    case errc::out_of_range:
    case errc::too_large:
      return E_INVALIDARG;
    case errc::not_found:
      return VDS_E_OBJECT_NOT_FOUND;
    case errc::already_exists:
    case errc::duplicate:
      return HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS);
    case errc::not_supported:
      return VDS_E_NOT_SUPPORTED;
    case errc::no_space:
      return VDS_E_NOT_ENOUGH_SPACE;
    case errc::io_error:
      return HRESULT_FROM_WIN32(ERROR_IO_DEVICE);
    case errc::medium_error:
    case errc::bad_checksum:
      return HRESULT_FROM_WIN32(ERROR_CRC);
    case errc::corrupt:
      return HRESULT_FROM_WIN32(ERROR_DISK_CORRUPT);
    case errc::not_ours:
      return HRESULT_FROM_WIN32(ERROR_INVALID_DATA);
    case errc::stale:
      return VDS_E_OBJECT_OUT_OF_SYNC;
    case errc::too_new:
      return HRESULT_FROM_WIN32(ERROR_REVISION_MISMATCH);
    case errc::busy:
      return VDS_E_ANOTHER_CALL_IN_PROGRESS;
    case errc::closing:
      return HRESULT_FROM_WIN32(ERROR_SHUTDOWN_IN_PROGRESS);
    case errc::cancelled:
      return VDS_E_OPERATION_CANCELED;
    case errc::timed_out:
      return VDS_E_TIMEOUT;
    case errc::denied:
      return E_ACCESSDENIED;
    case errc::protocol:
      return RPC_E_INVALID_DATA;
    case errc::disconnected:
      return RPC_E_DISCONNECTED;
    case errc::out_of_memory:
      return E_OUTOFMEMORY;
    case errc::unavailable:
      return HRESULT_FROM_WIN32(ERROR_NOT_READY);
    case errc::internal:
      return VDS_E_INTERNAL_ERROR;
  }
  return E_UNEXPECTED;
}

HRESULT to_hresult(const failure& why) noexcept { return to_hresult(why.code()); }

HRESULT hresult_from_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return E_OUTOFMEMORY;
  } catch (const std::length_error&) {
    return E_OUTOFMEMORY;
  } catch (const std::system_error& e) {
    log::error("exception reached the COM edge: {}", e.what());
    return E_FAIL;
  } catch (const std::exception& e) {
    log::error("exception reached the COM edge: {}", e.what());
    return E_UNEXPECTED;
  } catch (...) {
    log::error("exception reached the COM edge: {}", "of unknown type");
    return E_UNEXPECTED;
  }
}

failure failure_from_hresult(HRESULT hr, std::string_view doing) {
  const auto code = [hr] {
    // The inverse of to_hresult, as far as a caller could branch on it.
    for (int i = 0; i <= static_cast<int>(errc::internal); ++i)
      if (to_hresult(static_cast<errc>(i)) == hr) return static_cast<errc>(i);
    return hr == server_unavailable ? errc::unavailable : errc::internal;
  }();
  return failure(code, fmt::format("{}: {}", doing, describe(hr)));
}

}  // namespace vds
