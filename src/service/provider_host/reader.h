// reader.h: reads one object of a provider, by whatever interface its kind has: its properties, its id, its parent's
// id. The provider is a stranger: nothing it says is believed without a look. Calls wait for the provider; the caller
// sets the time limit (limited_call). No state; any thread.
#pragma once

#include "service/objects/model.h"

namespace vds::service::reader {

// The first property struct; entry.id and entry.first are set. VDS_E_BAD_PROVIDER_DATA for a nil id.
HRESULT properties(VDS_OBJECT_TYPE kind, IUnknown* theirs, model::entry& e);
// The second one (VDS_DRIVE_PROP2, VDS_SUB_SYSTEM_PROP2), where the kind has one; leaves entry.second null on failure.
void more_properties(VDS_OBJECT_TYPE kind, IUnknown* theirs, model::entry& e);
// The id of the object it belongs to, by asking it.
HRESULT parent(VDS_OBJECT_TYPE kind, IUnknown* theirs, guid& out);
VDS_OBJECT_TYPE parent_kind(VDS_OBJECT_TYPE kind);

}  // namespace vds::service::reader
