// planning.h: IVdsxPlanning: what a change would do, from the same questions that the change itself asks first.
// Internal to this folder.
#pragma once

#include <vdsxarray.h>

#include "providers/array/create.h"

namespace vds::array_provider {

HRESULT plan_create(const context_ptr& c, const create_arguments& a, const VDS_HINTS* hints, VDSX_PLAN* out) noexcept;
HRESULT plan_delete(const context_ptr& c, const guid& lun, VDSX_PLAN* out) noexcept;
HRESULT plan_extend(const context_ptr& c, const guid& lun, ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count,
                    VDSX_PLAN* out) noexcept;
HRESULT plan_replace(const context_ptr& c, const guid& source, const guid& target, VDSX_PLAN* out) noexcept;

}  // namespace vds::array_provider
