#include "wire/orpc/remote_calls.h"

namespace vds::wire {

namespace {
constexpr std::uint16_t tower_local = 0x10;
constexpr std::uint32_t std_objref_bytes = 40;
constexpr std::uint32_t max_protocol_sequences = 64;
}  // namespace

void encode(ndr::encoder& to, const query_request& q) {
  to.id(q.ipid);
  to.u32(q.refs);
  to.u16(static_cast<std::uint16_t>(q.iids.size()));
  to.u32(static_cast<std::uint32_t>(q.iids.size()));
  for (const uuid& iid : q.iids) to.id(iid);
}

query_request decode_query_request(ndr::decoder& from) {
  query_request q;
  q.ipid = from.id();
  q.refs = from.u32();
  const std::uint32_t n = from.u16();
  const std::uint32_t conformance = from.count(sizeof(uuid));
  if (n != conformance || n > max_query_iids) from.fail(errc::protocol);
  for (std::uint32_t i = 0; i < n && from.ok(); ++i) q.iids.push_back(from.id());
  return q;
}

void encode_query_results(ndr::encoder& to, const std::vector<query_result>& results) {
  to.referent(!results.empty());
  if (results.empty()) return;
  to.u32(static_cast<std::uint32_t>(results.size()));
  for (const query_result& r : results) {
    to.align(8);
    to.u32(static_cast<std::uint32_t>(r.hr));
    encode(to, r.object);
  }
}

std::vector<query_result> decode_query_results(ndr::decoder& from) {
  std::vector<query_result> results;
  if (!from.referent()) return results;
  const std::uint32_t n = from.count(4 + std_objref_bytes);
  if (n > max_query_iids) from.fail(errc::too_large);
  for (std::uint32_t i = 0; i < n && from.ok(); ++i) {
    query_result r;
    from.align(8);
    r.hr = static_cast<HRESULT>(from.u32());
    r.object = decode_std_objref(from);
    results.push_back(r);
  }
  return results;
}

void encode_refs(ndr::encoder& to, const std::vector<interface_ref>& refs) {
  to.u16(static_cast<std::uint16_t>(refs.size()));
  to.u32(static_cast<std::uint32_t>(refs.size()));
  for (const interface_ref& r : refs) {
    to.id(r.ipid);
    to.u32(r.public_refs);
    to.u32(r.private_refs);
  }
}

std::vector<interface_ref> decode_refs(ndr::decoder& from) {
  std::vector<interface_ref> refs;
  const std::uint32_t n = from.u16();
  const std::uint32_t conformance = from.count(24);
  if (n != conformance || n > max_interface_refs) from.fail(errc::protocol);
  for (std::uint32_t i = 0; i < n && from.ok(); ++i) {
    interface_ref r;
    r.ipid = from.id();
    r.public_refs = from.u32();
    r.private_refs = from.u32();
    refs.push_back(r);
  }
  return refs;
}

void encode(ndr::encoder& to, const activation_request& q) {
  to.id(q.clsid);
  to.referent(false);  // object name
  to.referent(false);  // object storage
  to.u32(2);           // RPC_C_IMP_LEVEL_IDENTIFY
  to.u32(0);           // mode
  to.u32(static_cast<std::uint32_t>(q.iids.size()));
  to.referent(true);
  to.u32(static_cast<std::uint32_t>(q.iids.size()));
  for (const uuid& iid : q.iids) to.id(iid);
  to.u16(1);  // requested protocol sequences
  to.u32(1);
  to.u16(tower_local);
}

activation_request decode_activation_request(ndr::decoder& from) {
  activation_request q;
  q.clsid = from.id();
  if (from.referent() || from.referent()) from.fail(errc::not_supported);  // by file name or storage
  from.u32();
  from.u32();
  const std::uint32_t interfaces = from.u32();
  if (from.referent()) {
    const std::uint32_t n = from.count(sizeof(uuid));
    if (n != interfaces || n == 0 || n > max_query_iids) from.fail(errc::protocol);
    for (std::uint32_t i = 0; i < n && from.ok(); ++i) q.iids.push_back(from.id());
  } else {
    from.fail(errc::protocol);
  }
  const std::uint32_t sequences = from.u16();
  if (from.count(2) != sequences || sequences > max_protocol_sequences) from.fail(errc::protocol);
  from.bytes(std::size_t{sequences} * 2);
  return q;
}

void encode(ndr::encoder& to, const activation_result& r, std::size_t iids) {
  const auto n = static_cast<std::uint32_t>(iids);
  to.u64(r.oxid);
  to.referent(true);  // bindings: a conformant struct, its unit count in front
  to.u32(4);
  encode_bindings(to);
  to.id(rem_unknown_of(r.oxid));
  to.u32(1);  // RPC_C_AUTHN_LEVEL_NONE
  to.u16(5);  // COM version
  to.u16(7);
  to.u32(static_cast<std::uint32_t>(r.hr));
  to.u32(n);
  for (std::uint32_t i = 0; i < n; ++i) to.referent(i == 0 && !r.object.empty());
  if (!r.object.empty()) {
    to.u32(static_cast<std::uint32_t>(r.object.size()));
    to.u32(static_cast<std::uint32_t>(r.object.size()));
    to.bytes(r.object);
  }
  to.u32(n);
  for (std::uint32_t i = 0; i < n; ++i) to.u32(static_cast<std::uint32_t>(i == 0 ? r.hr : E_NOTIMPL));
  to.u32(0);  // error_status_t
}

activation_result decode_activation_result(ndr::decoder& from) {
  activation_result r;
  r.oxid = from.u64();
  if (from.referent()) {
    from.u32();
    decode_bindings(from);
  }
  from.id();  // its IRemUnknown, which follows from the OXID
  from.u32();
  from.u16();
  from.u16();
  r.hr = static_cast<HRESULT>(from.u32());
  const std::uint32_t n = from.count(4);
  if (n > max_query_iids) from.fail(errc::too_large);
  bool present[max_query_iids] = {};
  for (std::uint32_t i = 0; i < n && from.ok(); ++i) present[i] = from.referent();
  for (std::uint32_t i = 0; i < n && from.ok(); ++i) {
    if (!present[i]) continue;
    const std::uint32_t conformance = from.count(1);
    if (from.u32() != conformance) from.fail(errc::protocol);
    const auto bytes = from.bytes(conformance);
    if (i == 0) r.object.assign(bytes.begin(), bytes.end());
  }
  const std::uint32_t results = from.count(4);
  from.bytes(std::size_t{results} * 4);
  if (const std::uint32_t status = from.u32(); status != 0 && SUCCEEDED(r.hr)) r.hr = HRESULT_FROM_WIN32(status);
  return r;
}

}  // namespace vds::wire
