// resize.h: IVdsLun::Extend, Shrink and QueryMaxLunExtendSize. Internal to this folder.
#pragma once

#include "providers/array/edge.h"

namespace vds::array_provider {

// VDS_E_ANOTHER_CALL_IN_PROGRESS (of the operation): the LUN is being extended or shrunk already.
HRESULT extend_lun(const context_ptr& c, const guid& lun, ULONGLONG bytes, VDS_OBJECT_ID* drives, LONG count,
                   IVdsAsync** out) noexcept;
// VDS_E_INVALID_SHRINK_SIZE (of the operation): nothing would be left.
HRESULT shrink_lun(const context_ptr& c, const guid& lun, ULONGLONG bytes, IVdsAsync** out) noexcept;
HRESULT max_extend_size(const context_ptr& c, const guid& lun, VDS_OBJECT_ID* drives, LONG count,
                        ULONGLONG* out) noexcept;

}  // namespace vds::array_provider
