// translate.h: between the array's values and VDS's structs and codes. The structs own co-task memory when a function
// returns; a throw (out of memory) leaves nothing behind. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "array/types.h"
#include "com/com.h"
#include "providers/array/host.h"

namespace vds::array_provider {

inline constexpr ULONG no_enclosure = 0xffffffff;  // ULONG_MAX of Windows, where a ULONG has 32 bits

// What an operation on some object failed with. `gone` is the code for not_found: deleted, when it is the object itself
// that is no longer there; not found, when it is one that was named. The story goes to the log here.
HRESULT refused(const failure& why, std::string_view doing, HRESULT gone);
HRESULT code_of(const failure& why, HRESULT gone);  // the code alone
HRESULT to_hresult(order_check answer);

// E_INVALIDARG for a value that is no LUN type to create, VDS_E_NOT_SUPPORTED for one that is not made yet.
HRESULT creatable(VDS_LUN_TYPE type, array::lun_type& out);

// "*", "", or iSCSI initiator names with ';' between: each once, in lower case. None: the list cannot be understood.
std::optional<std::vector<std::string>> parse_unmask(std::string_view list);
std::string unmask_text(const std::vector<std::string>& unmask);

// None: a mask bit that no hint has, or a reserved member that is not zero.
std::optional<array::lun_hints> hints_from(const VDS_HINTS& h);
std::optional<array::lun_hints> hints_from(const VDS_HINTS2& h);
void put_hints(const array::lun_hints& from, VDS_HINTS& to);
void put_hints(const array::lun_hints& from, VDS_HINTS2& to);

void put_lun(const array::lun_info& from, VDS_LUN_PROP& to);
void put_identification(const array::lun_info& from, VDS_LUN_INFORMATION& to);
void put_details(const array::lun_info& from, const std::string& url, VDSX_LUN_PROP& to);
void put_plex(const array::lun_info& lun, const array::plex_info& from, VDS_LUN_PLEX_PROP& to);
void put_drive(const array::drive_info& from, VDS_DRIVE_PROP& to);
void put_drive(const array::drive_info& from, VDS_DRIVE_PROP2& to);

std::string naa_text(const array::lun_info& lun);  // "naa.6..."

}  // namespace vds::array_provider
