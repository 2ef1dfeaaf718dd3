// inside.h: what the library's sources share and no provider sees: the way every method of a base class goes, and how
// the public types stand for those of base/, com/ and sdk/.
#pragma once

#include <vdsprovider.h>

#include "base/guid.h"
#include "com/hresult.h"
#include "com/strings.h"

namespace vds::provider {

// Runs `body` as a COM method: exceptions become numbers.
template <class Body>
HRESULT guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    return from_exception();
  }
}

inline bool array_ok(const void* items, LONG count) noexcept { return count == 0 || (count > 0 && items != nullptr); }
bool lun_type_ok(VDS_LUN_TYPE type) noexcept;  // a type that may be asked for, automatic ones included
HRESULT refuse_async(bool exists, IVdsAsync** out) noexcept;
HRESULT hand_out(objects all, IEnumVdsObject** out);

}  // namespace vds::provider
