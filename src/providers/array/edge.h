// edge.h: the few lines that every COM method here begins or ends with. Internal to this folder.
#pragma once

#include <string>
#include <vector>

#include "com/com.h"
#include "com/hresult.h"
#include "com/memory.h"
#include "com/strings.h"
#include "providers/array/context.h"
#include "providers/array/translate.h"
#include "sdk/async_object.h"

namespace vds::array_provider {

// An id array as VDS passes it: count 0 with a null pointer. False: E_INVALIDARG.
inline bool read_ids(const VDS_OBJECT_ID* ids, LONG count, std::vector<guid>& out) {
  if (count < 0 || (count > 0) != (ids != nullptr)) return false;
  if (count > 1024) return false;
  for (LONG i = 0; i < count; ++i) out.push_back(from_com(ids[i]));
  return true;
}

// Extents as the caller gets them; none: null and 0.
inline void put_extents(const std::vector<VDS_DRIVE_EXTENT>& from, VDS_DRIVE_EXTENT** out, LONG* count) {
  if (from.empty()) return;
  *out = co_task_copy(std::span(from));
  *count = static_cast<LONG>(from.size());
}

// What an operation ends with that could not be done. Nothing has happened then: so a caller whose cancel was accepted
// before has got what was promised to him, whatever the reason.
inline HRESULT ends_with(sdk::async_object& async, HRESULT failed) {
  return async.state().forbid_cancel() ? failed : VDS_E_OPERATION_CANCELED;
}

}  // namespace vds::array_provider
