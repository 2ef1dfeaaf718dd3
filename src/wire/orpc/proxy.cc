#include "wire/orpc/proxy.h"

#include <algorithm>

#include "base/assert.h"
#include "wire/orpc/connection.h"
#include "wire/orpc/errors.h"
#include "wire/orpc/proxy_manager.h"

namespace vds::wire {

HRESULT proxy_core::query(REFIID iid, void** out) noexcept { return manager_.QueryInterface(iid, out); }
ULONG proxy_core::add_ref() noexcept { return manager_.AddRef(); }
ULONG proxy_core::release() noexcept { return manager_.Release(); }

HRESULT proxy_core::encode(const ndr::method& m, ndr::arguments& a, void*& spare_slot, std::uint64_t& spare,
                           ndr::buffer& message) {
  if (!ndr::check_call(m, a, spare_slot, spare)) return E_INVALIDARG;
  ndr::clear_outs(m, a);
  begin_request(message);
  ndr::encoder to(message);
  object_marshaler objects(manager_.owner());
  ndr::value_encoder values(to, objects);
  encode_orpc_this(to, this_call());
  ndr::encode_request(values, m, a);
  if (!to.ok()) return hresult_of_encoding(to.error());
  objects.commit();
  return S_OK;
}

HRESULT proxy_core::decode(const ndr::method& m, const ndr::arguments& a, std::span<const std::byte> stub) {
  object_marshaler objects(manager_.owner());
  ndr::decoder from(stub);
  HRESULT hr = rpc_bad_stub_data;
  {
    ndr::memory mem(ndr::memory::kind::caller, objects);
    ndr::value_decoder values(from, mem);
    decode_orpc_that(from);
    ndr::decode_reply(values, m, a);
    hr = static_cast<HRESULT>(from.u32());
    if (from.ok()) {
      mem.commit();
      return hr;
    }
  }
  ndr::clear_outs(m, a);
  return rpc_bad_stub_data;
}

HRESULT proxy_core::call(std::uint32_t slot, std::initializer_list<void*> parameters) {
  const ndr::method& m = *info_.method_at(slot);
  always(parameters.size() == m.parameter_count);
  ndr::arguments a{};
  std::copy(parameters.begin(), parameters.end(), a.begin());
  void* spare_slot = nullptr;
  std::uint64_t spare = 0;
  message_buffer message;
  const HRESULT ready = encode(m, a, spare_slot, spare, *message);
  if (FAILED(ready)) return ready;
  connection& c = manager_.owner();
  const answer got = c.wire().call({info_.iid, ipid_, m.slot}, *message, c.call_deadline());
  if (FAILED(got.transport)) return got.transport;
  return decode(m, a, got.stub);
}

void proxy_core::begin_call(const ndr::method& m, const ndr::arguments& parameters, std::function<void(HRESULT)> then) {
  ndr::arguments a = parameters;
  void* spare_slot = nullptr;
  std::uint64_t spare = 0;
  message_buffer message;
  const HRESULT ready = encode(m, a, spare_slot, spare, *message);
  if (FAILED(ready)) return then(ready);
  connection& c = manager_.owner();
  add_ref();  // until the answer came
  c.wire().begin_call({info_.iid, ipid_, m.slot}, *message, c.call_deadline(),
                      [this, &m, a, then = std::move(then)](answer&& got) {
                        const HRESULT hr = FAILED(got.transport) ? got.transport : decode(m, a, got.stub);
                        then(hr);
                        release();
                      });
}

}  // namespace vds::wire
