// orpcthis.h: what goes in front of the arguments of every object call, and of its results ([MS-DCOM] 2.2.13). Two
// extents of ours travel with a call: the operation it belongs to and whom it is made for. Pure.
#pragma once

#include <string>

#include "wire/ndr/decoder.h"
#include "wire/ndr/encoder.h"

namespace vds::wire {

inline constexpr uuid extent_operation{0x7d1e8f10, 0x2b3a, 0x4f0e, {0x9c, 0x55, 0x1f, 0x0a, 0x6b, 0x7e, 0x40, 0x01}};
inline constexpr uuid extent_caller{0x7d1e8f10, 0x2b3a, 0x4f0e, {0x9c, 0x55, 0x1f, 0x0a, 0x6b, 0x7e, 0x40, 0x02}};

inline constexpr std::size_t max_caller_bytes = 256;

struct orpc_this {
  uuid causality;
  uuid operation_id;   // as bytes of vds::guid; nil: none
  std::string caller;  // UTF-8; what the peer claims
};

void encode_orpc_this(ndr::encoder& to, const orpc_this& head);
orpc_this decode_orpc_this(ndr::decoder& from);  // from.ok() tells
void encode_orpc_that(ndr::encoder& to);
void decode_orpc_that(ndr::decoder& from);

}  // namespace vds::wire
