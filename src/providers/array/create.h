// create.h: CreateLun and QueryMaxLunCreateSize, for both kinds of hints. Arguments are checked before anything
// happens; everything later is told through the async object. Internal to this folder.
#pragma once

#include "com/com.h"
#include "providers/array/context.h"

namespace vds::array_provider {

struct create_arguments {
  VDS_LUN_TYPE type;
  ULONGLONG size;
  const VDS_OBJECT_ID* drives;
  LONG count;
  const wchar_t* unmask;
  const wchar_t* name = nullptr;  // of IVdsxLunCreation; null: none
};

// hints may be null.
HRESULT create_lun(const context_ptr& c, const create_arguments& a, const VDS_HINTS* hints, IVdsAsync** out) noexcept;
HRESULT create_lun(const context_ptr& c, const create_arguments& a, const VDS_HINTS2* hints, IVdsAsync** out) noexcept;
// E_INVALIDARG, VDS_E_NOT_SUPPORTED: before anything is looked at. The size is left to the caller.
HRESULT read_arguments(const create_arguments& a, const VDS_HINTS* hints, array::lun_spec& spec);
HRESULT max_create_size(const context_ptr& c, const create_arguments& a, const VDS_HINTS* hints,
                        ULONGLONG* out) noexcept;
HRESULT max_create_size(const context_ptr& c, const create_arguments& a, const VDS_HINTS2* hints,
                        ULONGLONG* out) noexcept;

}  // namespace vds::array_provider
