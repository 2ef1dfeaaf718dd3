// remote_calls.h: the arguments and results of DCOM's own calls: IRemUnknown ([MS-DCOM] 3.1.1.5.6) and
// IActivation::RemoteActivation (3.1.2.5.2.3.1). Pure; each encode has its decode at the other end. Decoding checks
// from.ok(); counts are capped.
#pragma once

#include <vector>

#include "com/com.h"
#include "wire/orpc/objref.h"

namespace vds::wire {

inline constexpr std::uint32_t max_query_iids = 64;
inline constexpr std::uint32_t max_interface_refs = 4096;

struct query_request {
  uuid ipid;
  std::uint32_t refs = 0;
  std::vector<uuid> iids;
};
struct query_result {
  HRESULT hr = E_NOINTERFACE;
  std::uint32_t padding = 0;
  std_objref object;
};
void encode(ndr::encoder& to, const query_request& q);
query_request decode_query_request(ndr::decoder& from);
void encode_query_results(ndr::encoder& to, const std::vector<query_result>& results);
std::vector<query_result> decode_query_results(ndr::decoder& from);

struct interface_ref {
  uuid ipid;
  std::uint32_t public_refs = 0;
  std::uint32_t private_refs = 0;
};
void encode_refs(ndr::encoder& to, const std::vector<interface_ref>& refs);
std::vector<interface_ref> decode_refs(ndr::decoder& from);

struct activation_request {
  uuid clsid;
  std::vector<uuid> iids;
};
struct activation_result {
  std::uint64_t oxid = 0;
  HRESULT hr = E_FAIL;
  ndr::buffer object;  // OBJREF of the first interface; empty: none
};
void encode(ndr::encoder& to, const activation_request& q);
activation_request decode_activation_request(ndr::decoder& from);
void encode(ndr::encoder& to, const activation_result& r, std::size_t iids);
activation_result decode_activation_result(ndr::decoder& from);

}  // namespace vds::wire
