// plex_change.h: IVdsLun::AddPlex and RemovePlex. Internal to this folder.
#pragma once

#include "providers/array/edge.h"

namespace vds::array_provider {

// VDS_E_OBJECT_NOT_FOUND: no such LUN; VDS_E_INVALID_OPERATION: the source is smaller, striped otherwise or on a drive
// of the LUN's; VDS_E_NOT_SUPPORTED: parity; VDS_E_ANOTHER_CALL_IN_PROGRESS: one of the two is being changed. The
// operation ends when the new plexes hold the LUN's data.
HRESULT add_plex(const context_ptr& c, const guid& lun, const guid& source, IVdsAsync** out) noexcept;
// VDS_E_OBJECT_NOT_FOUND: no such plex of the LUN; VDS_E_INVALID_OPERATION: it is the only one;
// VDS_E_OBJECT_STATUS_FAILED: no other holds all of the data.
HRESULT remove_plex(const context_ptr& c, const guid& lun, const guid& plex, IVdsAsync** out) noexcept;

}  // namespace vds::array_provider
