// recover.h: IVdsLun::Recover. Copies are made equal by themselves after a crash; Recover follows that to its end, so
// that its caller can wait for it. Internal to this folder.
#pragma once

#include "providers/array/edge.h"

namespace vds::array_provider {

// VDS_E_INVALID_OPERATION: of a type without redundancy.
HRESULT recover_lun(const context_ptr& c, const guid& lun, IVdsAsync** out) noexcept;

}  // namespace vds::array_provider
