// record.h: what is kept of an operation: in the journal while it runs, in the history afterwards.
#pragma once

#include <cstdint>
#include <string>

#include "base/guid.h"
#include "com/com.h"

namespace vds::service {

struct operation_record {
  guid id;
  std::string kind;  // "create_lun", ...
  guid provider;
  guid object;  // what the method was called on
  VDS_OBJECT_TYPE object_type = VDS_OT_UNKNOWN;
  VDS_ASYNC_OUTPUT_TYPE type = VDS_ASYNCOUT_UNKNOWN;
  std::string owner;           // who asked: "uid 1000 (anna), pid 4711"
  std::uint64_t begun_ns = 0;  // Unix time
  // From here on: after it ended.
  std::uint64_t ended_ns = 0;
  HRESULT result = S_OK;
  guid output;  // the object it made, nil if none

  bool ended() const noexcept { return ended_ns != 0; }
};

}  // namespace vds::service
