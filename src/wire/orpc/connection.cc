#include "wire/orpc/connection.h"

#include "base/random.h"
#include "com/strings.h"
#include "wire/orpc/dispatch.h"
#include "wire/orpc/errors.h"
#include "wire/orpc/ids.h"
#include "wire/orpc/proxy_manager.h"

namespace vds::wire {

namespace {

constexpr std::size_t kept_buffers = 4;
constexpr std::size_t kept_buffer_bytes = 64 << 10;
thread_local std::vector<ndr::buffer> spare_buffers;

}  // namespace

message_buffer::message_buffer() {
  if (spare_buffers.empty()) return;
  buffer_ = std::move(spare_buffers.back());
  spare_buffers.pop_back();
  buffer_.clear();
}
message_buffer::~message_buffer() {
  if (spare_buffers.size() < kept_buffers && buffer_.capacity() <= kept_buffer_bytes)
    spare_buffers.push_back(std::move(buffer_));
}

void begin_request(ndr::buffer& message) { message.assign(rpc::request_bytes, std::byte{}); }

orpc_this this_call() {
  const call_context& now = current_call();
  orpc_this head;
  static_assert(sizeof head.operation_id == sizeof now.operation_id.bytes);
  std::memcpy(&head.operation_id, now.operation_id.bytes.data(), sizeof head.operation_id);
  head.caller = now.caller;
  return head;
}

connection::connection(runtime& rt, unique_fd fd, endpoint_options options)
    : runtime_(rt),
      options_(std::move(options)),
      peer_(credentials_of(fd.get())),
      exports_(system_random().next() | 1, options_.limits.exported_interfaces),
      channel_(rt.io(), std::move(fd), options_.limits, *this) {}

connection::~connection() {
  channel_.close();
  for (auto& dead : exports_.clear()) dead.reset();
}

void connection::start() {
  // The poller sees the channel, but keeps all of us for as long as it works on it.
  const std::shared_ptr<poll_handler> as_handler(shared_from_this(), &channel_);
  channel_.start(as_handler);
}

std::optional<deadline> connection::call_deadline() const {
  std::optional<deadline> until = current_call().deadline;
  if (options_.call_deadline) {
    const deadline own = monotonic::now() + *options_.call_deadline;
    if (!until || own < *until) until = own;
  }
  return until;
}

HRESULT connection::authorize(const uuid& iid, std::uint32_t slot) const {
  return options_.authorize ? options_.authorize(peer_, to_guid(iid), slot) : S_OK;
}

// --- proxies --------------------------------------------------------------------------------------------------------

HRESULT connection::import(const objref& ref, const uuid& iid, void** out) {
  const std_objref& r = ref.standard;
  if (r.oxid == exports_.oxid()) {
    // One of ours comes home; the peer gave up as many references as it sent.
    const auto own = exports_.find(r.ipid);
    if (!own) return rpc_invalid_object;
    const HRESULT hr = own->pointer->QueryInterface(to_guid(iid), out);
    std::vector<std::shared_ptr<exported>> dead;
    exports_.release_refs(r.ipid, r.public_refs, dead);
    if (!dead.empty()) discard(std::move(dead));
    return hr;
  }
  std::uint64_t known = 0;
  if (!peer_oxid_.compare_exchange_strong(known, r.oxid) && known != r.oxid) return rpc_invalid_object;
  const interface_info* info = find_interface(ref.iid);
  if (r.public_refs == 0 || (!info && ref.iid != iid_unknown)) return rpc_invalid_object;
  com_ptr<IUnknown> manager;
  {
    std::lock_guard lock(imports_mutex_);
    auto& place = imports_[r.oid];
    if (!place || !place->try_add_ref()) place = new proxy_manager(shared_from_this(), r.oid);
    manager.attach(place);
  }
  com_ptr<IUnknown> face;
  const HRESULT hr = static_cast<proxy_manager*>(manager.get())->accept(info, r.ipid, r.public_refs, face.put_void());
  if (FAILED(hr)) return hr;
  if (ref.iid == iid) {
    *out = face.detach();
    return S_OK;
  }
  return face->QueryInterface(to_guid(iid), out);
}

void connection::forget(std::uint64_t oid, const void* manager) {
  std::lock_guard lock(imports_mutex_);
  const auto it = imports_.find(oid);
  if (it != imports_.end() && it->second == manager) imports_.erase(it);
}

HRESULT connection::call_dcom(const uuid& interface_id, std::uint16_t number, const uuid& object, ndr::buffer& message,
                              answer& a) {
  a = channel_.call({interface_id, object, number}, message, call_deadline());
  return a.transport;
}

HRESULT connection::query_remote(const uuid& ipid, const uuid& iid, std_objref& out) {
  message_buffer message;
  begin_request(*message);
  ndr::encoder to(*message);
  encode_orpc_this(to, this_call());
  encode(to, query_request{ipid, 5, {iid}});
  answer a;
  if (const HRESULT hr =
          call_dcom(iid_rem_unknown, opnum::rem_query_interface, rem_unknown_of(peer_oxid_), *message, a);
      FAILED(hr))
    return hr;
  ndr::decoder from(a.stub);
  decode_orpc_that(from);
  const auto results = decode_query_results(from);
  const auto hr = static_cast<HRESULT>(from.u32());
  if (!from.ok()) return rpc_bad_stub_data;
  if (results.size() != 1) return FAILED(hr) ? hr : E_NOINTERFACE;
  if (FAILED(results[0].hr)) return results[0].hr;
  if (results[0].object.oxid != peer_oxid_ || results[0].object.public_refs == 0) return rpc_invalid_object;
  out = results[0].object;
  return S_OK;
}

void connection::add_remote_ref(const uuid& ipid, std::uint32_t refs) {
  message_buffer message;
  begin_request(*message);
  ndr::encoder to(*message);
  encode_orpc_this(to, {});
  encode_refs(to, {{ipid, refs, 0}});
  channel_.begin_call({iid_rem_unknown, rem_unknown_of(peer_oxid_), opnum::rem_add_ref}, *message, std::nullopt,
                      [](answer&&) {});
}

void connection::release_remote(std::vector<interface_ref>&& refs) {
  if (refs.empty() || closed()) return;
  bool first = false;
  {
    std::lock_guard lock(releases_mutex_);
    first = releases_.empty();
    releases_.insert(releases_.end(), refs.begin(), refs.end());
  }
  // Later, with whatever else is released until then.
  if (first) runtime_.post([self = shared_from_this()] { self->flush_releases(); });
}

void connection::flush_releases() {
  std::vector<interface_ref> all;
  {
    std::lock_guard lock(releases_mutex_);
    all.swap(releases_);
  }
  for (std::size_t at = 0; at < all.size(); at += max_interface_refs) {
    const auto end = std::min<std::size_t>(all.size(), at + max_interface_refs);
    message_buffer message;
    begin_request(*message);
    ndr::encoder to(*message);
    encode_orpc_this(to, {});
    encode_refs(to, {all.begin() + static_cast<std::ptrdiff_t>(at), all.begin() + static_cast<std::ptrdiff_t>(end)});
    channel_.begin_call({iid_rem_unknown, rem_unknown_of(peer_oxid_), opnum::rem_release}, *message, std::nullopt,
                        [](answer&&) {});
  }
}

HRESULT connection::activate(REFCLSID clsid, REFIID iid, void** out) {
  if (!out) return E_POINTER;
  *out = nullptr;
  message_buffer message;
  begin_request(*message);
  ndr::encoder to(*message);
  encode_orpc_this(to, this_call());
  encode(to, activation_request{to_uuid(clsid), {to_uuid(iid)}});
  answer a;
  if (const HRESULT hr = call_dcom(iid_activation, opnum::remote_activation, {}, *message, a); FAILED(hr)) return hr;
  ndr::decoder from(a.stub);
  decode_orpc_that(from);
  const activation_result r = decode_activation_result(from);
  if (!from.ok()) return rpc_bad_stub_data;
  if (FAILED(r.hr)) return r.hr;
  object_marshaler objects(*this);
  return !r.object.empty() && objects.unmarshal(r.object, to_uuid(iid), out) ? S_OK : rpc_bad_stub_data;
}

// --- life -----------------------------------------------------------------------------------------------------------

void connection::on_closed(std::function<void()> then) {
  {
    std::lock_guard lock(closed_mutex_);
    if (!closed_told_) {
      when_closed_.push_back(std::move(then));
      return;
    }
  }
  then();
}

// Run-down: whatever the peer held of ours is let go. Called from wherever the end was noticed, so it works elsewhere.
void connection::on_closed() {
  auto dead = exports_.clear();
  std::vector<std::function<void()>> then;
  {
    std::lock_guard lock(closed_mutex_);
    closed_told_ = true;
    then.swap(when_closed_);
  }
  if (dead.empty() && then.empty()) return;
  runtime_.post([dead = std::move(dead), then = std::move(then)]() mutable {
    dead.clear();
    for (auto& f : then) f();
  });
}

void connection::discard(std::vector<std::shared_ptr<exported>>&& dead) {
  runtime_.post([dead = std::move(dead)]() mutable { dead.clear(); });
}

endpoint::counts connection::count() const {
  std::lock_guard lock(imports_mutex_);
  return {exports_.size(), imports_.size(), channel_.waiting_calls(), calls_in_.load()};
}

// --- calls in -------------------------------------------------------------------------------------------------------

bool connection::knows(const uuid& interface_id) {
  return interface_id == iid_rem_unknown || interface_id == iid_activation || interface_id == iid_unknown ||
         find_interface(interface_id) != nullptr;
}

void connection::reply(std::uint32_t call_id, std::uint16_t context, ndr::buffer& message) {
  --calls_in_;
  channel_.reply(call_id, context, message);
}

void connection::reply_fault(std::uint32_t call_id, std::uint16_t context, std::uint32_t status) {
  --calls_in_;
  channel_.reply_fault(call_id, context, status);
}

job connection::on_request(rpc::request&& request) {
  if (++calls_in_ > options_.limits.incoming_calls) {
    reply_fault(request.call_id, request.context, rpc::nca_too_busy);
    return {};
  }
  if (request.interface_id == iid_rem_unknown) return on_rem_unknown(std::move(request));
  if (request.interface_id == iid_activation)
    return [self = shared_from_this(), r = std::move(request)]() mutable { dispatch_activation(self, r); };
  // Looked up now: a release that the peer sends after this call must not come before it.
  auto target = exports_.find(request.object);
  if (!target || !target->info || target->info->iid != request.interface_id) {
    reply_fault(request.call_id, request.context, static_cast<std::uint32_t>(rpc_invalid_object));
    return {};
  }
  com_work_queue* queue =
      target->dispatch ? target->dispatch->queue_for(to_guid(request.interface_id), request.opnum) : nullptr;
  const std::uint32_t call_id = request.call_id;
  const std::uint16_t context = request.context;
  auto work = [self = shared_from_this(), r = std::make_shared<rpc::request>(std::move(request)), target]() mutable {
    dispatch_call(self, *r, *target);
  };
  if (!queue) return work;
  if (!queue->post(std::move(work))) reply_fault(call_id, context, rpc::nca_too_busy);
  return {};
}

// References are counted in the order of arrival, because an OBJREF may rest on a reference just added.
job connection::on_rem_unknown(rpc::request&& request) {
  if (request.object != rem_unknown_of(exports_.oxid())) {
    reply_fault(request.call_id, request.context, static_cast<std::uint32_t>(rpc_invalid_object));
    return {};
  }
  switch (request.opnum) {
    case opnum::rem_query_interface:
      return [self = shared_from_this(), r = std::move(request)]() mutable { dispatch_query(self, r); };
    case opnum::rem_add_ref:
      on_add_ref(request);
      return {};
    case opnum::rem_release:
      on_release(request);
      return {};
    default:
      reply_fault(request.call_id, request.context, rpc::nca_op_range);
      return {};
  }
}

void connection::on_add_ref(const rpc::request& request) {
  ndr::decoder from(request.stub);
  decode_orpc_this(from);
  const auto refs = decode_refs(from);
  if (!from.ok()) return reply_fault(request.call_id, request.context, rpc::bad_stub_data);
  message_buffer message;
  begin_reply(*message);
  ndr::encoder to(*message);
  encode_orpc_that(to);
  to.u32(static_cast<std::uint32_t>(refs.size()));
  for (const interface_ref& r : refs)
    to.u32(static_cast<std::uint32_t>(exports_.add_refs(r.ipid, r.public_refs) ? S_OK : rpc_invalid_object));
  to.u32(S_OK);
  reply(request.call_id, request.context, *message);
}

void connection::on_release(const rpc::request& request) {
  ndr::decoder from(request.stub);
  decode_orpc_this(from);
  const auto refs = decode_refs(from);
  if (!from.ok()) return reply_fault(request.call_id, request.context, rpc::bad_stub_data);
  std::vector<std::shared_ptr<exported>> dead;
  for (const interface_ref& r : refs)
    exports_.release_refs(r.ipid, std::uint64_t{r.public_refs} + r.private_refs, dead);
  if (!dead.empty()) discard(std::move(dead));
  message_buffer message;
  begin_reply(*message);
  ndr::encoder to(*message);
  encode_orpc_that(to);
  to.u32(S_OK);
  reply(request.call_id, request.context, *message);
}

}  // namespace vds::wire
