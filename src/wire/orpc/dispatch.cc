#include "wire/orpc/dispatch.h"

#include "base/log.h"
#include "com/hresult.h"
#include "wire/orpc/errors.h"
#include "wire/orpc/ids.h"
#include "wire/orpc/worker_pool.h"

namespace vds::wire {

namespace {

call_context context_of(const connection& c, const orpc_this& head) {
  call_context now;
  std::memcpy(now.operation_id.bytes.data(), &head.operation_id, sizeof head.operation_id);
  now.caller_uid = c.peer().uid;
  now.caller_pid = static_cast<std::uint32_t>(c.peer().pid);
  now.caller = head.caller;
  return now;
}

// Where an answer goes. The connection may be gone by then.
struct return_address {
  std::weak_ptr<connection> to;
  std::uint32_t call_id;
  std::uint16_t context;

  void fault(std::uint32_t status) const {
    if (const auto c = to.lock()) c->reply_fault(call_id, context, status);
  }
};

bool encode_answer(connection& c, const ndr::method& m, const ndr::arguments& a, HRESULT hr, ndr::buffer& message) {
  begin_reply(message);
  ndr::encoder to(message);
  object_marshaler objects(c);
  ndr::value_encoder values(to, objects);
  encode_orpc_that(to);
  ndr::encode_reply(values, m, a);
  to.u32(static_cast<std::uint32_t>(hr));
  if (to.ok()) objects.commit();
  return to.ok();
}

// Sends what the method returned and then frees it: a proxy's last reference must not overtake the OBJREF it is in.
void answer_call(const return_address& back, const interface_info& info, const ndr::method& m, const ndr::arguments& a,
                 HRESULT hr) {
  const auto c = back.to.lock();
  if (!c) {
    struct : ndr::object_codec {
      bool marshal(void*, const uuid&, std::vector<std::byte>&) override { return false; }
      bool unmarshal(std::span<const std::byte>, const uuid&, void**) override { return false; }
      void release(void* p) override { static_cast<IUnknown*>(p)->Release(); }
    } objects;
    return ndr::release_outs(m, a, objects);
  }
  object_marshaler objects(*c);
  message_buffer message;
  if (encode_answer(*c, m, a, hr, *message)) {
    c->reply(back.call_id, back.context, *message);
    return ndr::release_outs(m, a, objects);
  }
  // What the method put into its results cannot be sent. When it failed anyway, its HRESULT is what counts.
  if (!c->closed())
    log::warn("{}::{} returned {:#x} with results that make no sense", info.name, m.name,
              static_cast<std::uint32_t>(hr));
  ndr::release_outs(m, a, objects);
  ndr::clear_outs(m, a);
  if (FAILED(hr) && encode_answer(*c, m, a, hr, *message))
    c->reply(back.call_id, back.context, *message);
  else
    back.fault(rpc::bad_stub_data);
}

HRESULT invoke(const interface_info& info, const ndr::method& m, IUnknown* object, const ndr::arguments& a) noexcept
    try {
  return info.invokes[m.slot - 3](object, a);
} catch (...) {
  return hresult_from_exception();
}

// IVdsAsync::Wait without a thread: only the address of the answer is kept (docs/protocol.md says what a waiter costs).
void continue_wait(const return_address& back, const interface_info& info, const ndr::method& m,
                   IVdsLocalAsync& local) {
  const auto answer = [back, &info, &m](HRESULT wait, HRESULT result, VDS_ASYNC_OUTPUT& out) {
    HRESULT* result_at = &result;
    VDS_ASYNC_OUTPUT* out_at = &out;
    answer_call(back, info, m, {&result_at, &out_at}, wait);
  };
  if (const HRESULT hr = local.begin_wait(answer); FAILED(hr)) {
    VDS_ASYNC_OUTPUT nothing{};
    answer(hr, S_OK, nothing);
  }
}

// IVdsxEvents::Read without a thread.
void continue_read(const return_address& back, const interface_info& info, const ndr::method& m, IVdsLocalEvents& local,
                   const ndr::arguments& a) {
  const auto answer = [back, &info, &m](HRESULT hr, VDSX_EVENT* events, LONG count, ULONGLONG next, BOOL lost) {
    VDSX_EVENT** events_at = &events;
    LONG* count_at = &count;
    ULONGLONG* next_at = &next;
    BOOL* lost_at = &lost;
    answer_call(back, info, m, {nullptr, nullptr, nullptr, &events_at, &count_at, &next_at, &lost_at}, hr);
  };
  const HRESULT hr =
      local.begin_read(*static_cast<ULONGLONG*>(a[0]), *static_cast<ULONG*>(a[1]), *static_cast<ULONG*>(a[2]), answer);
  if (FAILED(hr)) answer(hr, nullptr, 0, 0, FALSE);
}

// What an object offers in place of a method that may take long.
struct continuation {
  com_ptr<IVdsLocalAsync> wait;
  com_ptr<IVdsLocalEvents> read;
  explicit operator bool() const noexcept { return wait || read; }
};
continuation continuation_of(const ndr::method& m, const com_ptr<IUnknown>& object) {
  continuation k;
  if (m.waits == waits_async) k.wait = object.as<IVdsLocalAsync>();
  if (m.waits == waits_events) k.read = object.as<IVdsLocalEvents>();
  return k;
}

void run(const connection_ref& c, const rpc::request& request, const exported& target, const ndr::method& m,
         HRESULT allowed, const continuation& instead) {
  const return_address back{c, request.call_id, request.context};
  const interface_info& info = *target.info;
  ndr::decoder from(request.stub);
  const orpc_this head = decode_orpc_this(from);
  object_marshaler objects(*c);
  ndr::memory mem(ndr::memory::kind::call, objects);
  ndr::value_decoder values(from, mem);
  ndr::arguments a{};
  if (from.ok()) ndr::decode_request(values, m, a);
  if (!from.ok()) return back.fault(rpc::bad_stub_data);
  HRESULT hr = allowed;
  if (SUCCEEDED(hr)) {
    const scoped_call scope(context_of(*c, head));
    if (instead.wait) return continue_wait(back, info, m, *instead.wait);
    if (instead.read) return continue_read(back, info, m, *instead.read, a);
    hr = invoke(info, m, target.pointer.get(), a);
  }
  answer_call(back, info, m, a, hr);
}

}  // namespace

void dispatch_call(const connection_ref& c, const rpc::request& request, const exported& target) {
  const return_address back{c, request.call_id, request.context};
  const ndr::method* m = target.info->method_at(request.opnum);
  if (!m || (m->reserved && !c->options().reserved_methods)) return back.fault(rpc::nca_op_range);
  const HRESULT allowed = c->authorize(target.info->iid, m->slot);
  if (m->waits == 0 || FAILED(allowed)) return run(c, request, target, *m, allowed, {});
  if (const auto instead = continuation_of(*m, target.pointer)) return run(c, request, target, *m, allowed, instead);
  // The object can only block: on a thread that may be blocked. The request is copied, because ours ends here.
  auto later = [c, m, r = request, t = target, allowed] { run(c, r, t, *m, allowed, {}); };
  if (!c->threads().blocking().post(std::move(later))) back.fault(rpc::nca_too_busy);
}

void dispatch_query(const connection_ref& c, const rpc::request& request) {
  const return_address back{c, request.call_id, request.context};
  ndr::decoder from(request.stub);
  const orpc_this head = decode_orpc_this(from);
  const query_request q = decode_query_request(from);
  if (!from.ok() || q.iids.empty()) return back.fault(rpc::bad_stub_data);
  const auto target = c->exports().find(q.ipid);
  if (!target) return back.fault(static_cast<std::uint32_t>(rpc_invalid_object));
  const scoped_call scope(context_of(*c, head));
  std::vector<query_result> results;
  HRESULT hr = E_NOINTERFACE;
  for (const uuid& iid : q.iids) {
    query_result r;
    r.hr = find_interface(iid) || iid == iid_unknown ? c->authorize(iid, 0) : E_NOINTERFACE;
    com_ptr<IUnknown> pointer;
    if (SUCCEEDED(r.hr)) r.hr = target->pointer->QueryInterface(to_guid(iid), pointer.put_void());
    if (SUCCEEDED(r.hr))
      r.hr = pointer ? c->exports().add(pointer.get(), iid, q.refs ? q.refs : 1, r.object) : E_NOINTERFACE;
    if (SUCCEEDED(r.hr)) hr = S_OK;
    results.push_back(r);
  }
  message_buffer message;
  begin_reply(*message);
  ndr::encoder to(*message);
  encode_orpc_that(to);
  encode_query_results(to, results);
  to.u32(static_cast<std::uint32_t>(hr));
  c->reply(request.call_id, request.context, *message);
}

void dispatch_activation(const connection_ref& c, const rpc::request& request) {
  const return_address back{c, request.call_id, request.context};
  if (request.opnum != opnum::remote_activation) return back.fault(rpc::nca_op_range);
  ndr::decoder from(request.stub);
  const orpc_this head = decode_orpc_this(from);
  const activation_request q = decode_activation_request(from);
  if (!from.ok()) return back.fault(rpc::bad_stub_data);
  const uuid iid = q.iids.front();
  activation_result r;
  r.oxid = c->exports().oxid();
  object_marshaler objects(*c);
  com_ptr<IUnknown> made;
  r.hr = REGDB_E_CLASSNOTREG;
  if (c->options().activate) {
    // The loader only leads to methods that are asked about themselves.
    r.hr = iid == to_uuid(__uuidof(IVdsServiceLoader)) ? S_OK : c->authorize(iid, 0);
    if (SUCCEEDED(r.hr)) {
      const scoped_call scope(context_of(*c, head));
      r.hr = c->options().activate(to_guid(q.clsid), to_guid(iid), made.put_void(), c->peer());
    }
    if (SUCCEEDED(r.hr) && (!made || !objects.marshal(made.get(), iid, r.object))) r.hr = E_UNEXPECTED;
  }
  message_buffer message;
  begin_reply(*message);
  ndr::encoder to(*message);
  encode_orpc_that(to);
  encode(to, r, q.iids.size());
  if (to.ok()) objects.commit();
  c->reply(request.call_id, request.context, *message);
}

}  // namespace vds::wire
