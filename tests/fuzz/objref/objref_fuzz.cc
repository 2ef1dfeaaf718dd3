// The object layer's own formats. Byte 0: which; the rest is the message. What decodes must encode and decode to the
// same.
#include <cstdio>
#include <cstdlib>

#include "wire/orpc/objref.h"
#include "wire/orpc/orpcthis.h"
#include "wire/orpc/remote_calls.h"

namespace {

using namespace vds::wire;

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  ndr::decoder from(bytes);
  ndr::buffer again;
  ndr::encoder to(again);
  switch (data[0] % 8) {
    case 0:
      if (const auto ref = parse_objref(bytes)) {
        append_objref(again, *ref);
        check(parse_objref(again) == ref, "an OBJREF changed");
      }
      break;
    case 1: {
      const orpc_this head = decode_orpc_this(from);
      if (!from.ok()) break;
      encode_orpc_this(to, head);
      ndr::decoder second(again);
      const orpc_this same = decode_orpc_this(second);
      check(second.ok() && same.operation_id == head.operation_id && same.caller == head.caller, "an ORPCTHIS changed");
      break;
    }
    case 2:
      decode_orpc_that(from);
      break;
    case 3:
      check(decode_query_request(from).iids.size() <= max_query_iids, "too many interfaces asked for");
      break;
    case 4:
      check(decode_query_results(from).size() <= max_query_iids, "too many interfaces answered");
      break;
    case 5: {
      const auto refs = decode_refs(from);
      check(refs.size() <= max_interface_refs, "too many references");
      break;
    }
    case 6:
      check(decode_activation_request(from).iids.size() <= max_query_iids, "too many interfaces activated");
      break;
    default:
      check(decode_activation_result(from).object.size() <= bytes.size(), "an object larger than its message");
      break;
  }
  return 0;
}
