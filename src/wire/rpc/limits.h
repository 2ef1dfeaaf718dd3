// limits.h: what one connection may hold of ours. Defaults; a server may set others.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/ndr/limits.h"

namespace vds::wire::rpc {

struct limits {
  std::size_t call_bytes = ndr::max_call_bytes;  // one call, reassembled
  std::size_t connection_bytes = 16 << 20;       // all calls being reassembled
  std::size_t partial_calls = 256;               // calls being reassembled
  std::size_t contexts = 256;                    // presentation contexts
};

}  // namespace vds::wire::rpc
