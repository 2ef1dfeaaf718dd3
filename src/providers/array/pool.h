// pool.h: the array as VDS's one storage pool: every drive is in it, every LUN comes out of it. Nothing more can be
// made of pools here, and nothing of it changes by itself: it is a view of the array. Internal to this folder.
#pragma once

#include "com/com.h"
#include "providers/array/context.h"

namespace vds::array_provider {

guid pool_id(const context_ptr& c);
com_ptr<IUnknown> make_pool(context_ptr c);

// IVdsHwProviderStoragePools
HRESULT query_pools(const context_ptr& c, ULONG flags, ULONGLONG least_free, const VDS_POOL_ATTRIBUTES* attributes,
                    IEnumVdsObject** out) noexcept;
HRESULT create_in_pool(const context_ptr& c, VDS_LUN_TYPE type, ULONGLONG size, const VDS_OBJECT_ID& pool,
                       const wchar_t* unmask, const VDS_HINTS2* hints, IVdsAsync** out) noexcept;
HRESULT max_size_in_pool(const context_ptr& c, VDS_LUN_TYPE type, const VDS_OBJECT_ID& pool, const VDS_HINTS2* hints,
                         ULONGLONG* out) noexcept;

}  // namespace vds::array_provider
