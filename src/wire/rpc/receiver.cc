#include "wire/rpc/receiver.h"

#include <algorithm>

namespace vds::wire::rpc {

status receiver::receive(std::span<const std::byte> bytes, receiver_events& events) {
  while (!bytes.empty()) {
    if (partial_.empty()) {
      // The common case: whole PDUs, read where they lie.
      if (bytes.size() >= header_bytes) {
        auto head = parse_header(bytes);
        if (!head) return std::move(head).error();
        if (bytes.size() >= head->fragment_bytes) {
          VDS_RETURN_IF_FAILED(on_pdu(bytes.first(head->fragment_bytes), events));
          bytes = bytes.subspan(head->fragment_bytes);
          continue;
        }
      }
      partial_.assign(bytes.begin(), bytes.end());
      return {};
    }
    std::size_t want = header_bytes;
    if (partial_.size() >= header_bytes) {
      auto head = parse_header(partial_);
      if (!head) return std::move(head).error();
      want = head->fragment_bytes;
    }
    const std::size_t n = std::min(want - partial_.size(), bytes.size());
    partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (partial_.size() < want) return {};
    auto head = parse_header(partial_);
    if (!head) return std::move(head).error();
    if (head->fragment_bytes == partial_.size()) {
      buffer whole;
      whole.swap(partial_);
      VDS_RETURN_IF_FAILED(on_pdu(whole, events));
      whole.clear();
      partial_.swap(whole);  // keeps the room for the next
    }
  }
  return {};
}

status receiver::on_pdu(std::span<const std::byte> bytes, receiver_events& events) {
  auto parsed = parse(bytes);
  if (!parsed) return std::move(parsed).error();
  switch (parsed->head.type) {
    case ptype::request:
      return on_request_fragment(*parsed, events);
    case ptype::response:
      return on_response_fragment(*parsed, events);
    case ptype::fault:
      if (auto it = responses_.find(parsed->head.call_id); it != responses_.end()) {
        held_ -= it->second.stub.size();
        responses_.erase(it);
      }
      events.on_fault(parsed->head.call_id, parsed->status);
      return {};
    case ptype::bind:
      if (bound_) return failure(errc::protocol, "second bind");
      return on_bind(*parsed, events);
    case ptype::alter_context:
      if (!bound_) return failure(errc::protocol, "alter_context before bind");
      return on_bind(*parsed, events);
    case ptype::bind_ack:
    case ptype::alter_context_resp: {
      if (parsed->max_receive < least_fragment) return failure(errc::protocol, "fragment size below the minimum");
      events.on_peer_fragment(parsed->max_receive);
      const bool accepted = !parsed->results.empty() && parsed->results[0].result == bind_result::acceptance;
      events.on_bind_result(parsed->head.call_id, accepted);
      return {};
    }
    case ptype::bind_nak:
      events.on_bind_result(parsed->head.call_id, false);
      return {};
    default:  // co_cancel, orphaned: the call runs on; its answer finds nobody
      return {};
  }
}

bind_result receiver::accept(const context_item& item, std::uint16_t& reason, receiver_events& events) {
  reason = 1;  // abstract syntax not supported
  if (item.abstract.version != 0 || !events.knows(item.abstract.id)) return bind_result::provider_rejection;
  reason = 2;  // proposed transfer syntaxes not supported
  if (std::find(item.transfer.begin(), item.transfer.end(), ndr20) == item.transfer.end())
    return bind_result::provider_rejection;
  reason = 3;  // local limit exceeded; also for an id that means something else already
  const auto known = contexts_.find(item.id);
  if (known != contexts_.end() && known->second != item.abstract.id) return bind_result::provider_rejection;
  if (known == contexts_.end() && contexts_.size() >= limits_.contexts) return bind_result::provider_rejection;
  contexts_[item.id] = item.abstract.id;
  reason = 0;
  return bind_result::acceptance;
}

status receiver::on_bind(const pdu& p, receiver_events& events) {
  if (p.max_receive < least_fragment) return failure(errc::protocol, "fragment size below the minimum");
  if (p.items.empty()) return failure(errc::protocol, "bind without a context");
  bound_ = true;
  events.on_peer_fragment(p.max_receive);
  std::vector<context_result> results;
  for (const context_item& item : p.items) {
    context_result r;
    r.result = accept(item, r.reason, events);
    if (r.result == bind_result::acceptance) r.transfer = ndr20;
    results.push_back(r);
  }
  buffer reply;
  write_bind_ack(reply, p.head.type == ptype::bind ? ptype::bind_ack : ptype::alter_context_resp, p.head.call_id,
                 our_fragment, 1, results);
  events.on_reply(reply);
  return {};
}

status receiver::join(std::unordered_map<std::uint32_t, assembly>& calls, const pdu& p, bool& complete,
                      assembly& whole) {
  complete = false;
  if (p.stub.size() > limits_.call_bytes) return failure(errc::too_large, "call");
  auto it = calls.find(p.head.call_id);
  if (p.head.flags & flag::first) {
    if (it != calls.end()) return failure(errc::protocol, "first fragment twice");
    assembly started;
    started.head.call_id = p.head.call_id;
    started.head.context = p.context;
    started.head.opnum = p.opnum;
    started.head.object = p.object;
    started.stub.assign(p.stub.begin(), p.stub.end());
    if (p.head.flags & flag::last) {
      whole = std::move(started);
      complete = true;
      return {};
    }
    if (calls.size() >= limits_.partial_calls) return failure(errc::too_large, "calls in fragments");
    if (started.stub.size() > limits_.connection_bytes - held_) return failure(errc::too_large, "fragments held");
    held_ += started.stub.size();
    calls.emplace(p.head.call_id, std::move(started));
    return {};
  }
  if (it == calls.end()) return failure(errc::protocol, "fragment of no call");
  assembly& call = it->second;
  if (call.head.context != p.context || call.head.opnum != p.opnum || call.head.object != p.object)
    return failure(errc::protocol, "fragments disagree");
  if (p.stub.size() > limits_.call_bytes - call.stub.size()) return failure(errc::too_large, "call");
  if (p.stub.size() > limits_.connection_bytes - held_) return failure(errc::too_large, "fragments held");
  if (p.stub.empty() && !(p.head.flags & flag::last)) return failure(errc::protocol, "empty fragment");
  call.stub.insert(call.stub.end(), p.stub.begin(), p.stub.end());
  held_ += p.stub.size();
  if (p.head.flags & flag::last) {
    held_ -= call.stub.size();
    whole = std::move(call);
    calls.erase(it);
    complete = true;
  }
  return {};
}

status receiver::on_request_fragment(const pdu& p, receiver_events& events) {
  bool complete = false;
  assembly whole;
  VDS_RETURN_IF_FAILED(join(requests_, p, complete, whole));
  if (!complete) return {};
  const auto context = contexts_.find(whole.head.context);
  if (context == contexts_.end()) {
    buffer reply;
    write_fault(reply, whole.head.call_id, whole.head.context, nca_unknown_interface);
    events.on_reply(reply);
    return {};
  }
  whole.head.interface_id = context->second;
  whole.head.stub = std::move(whole.stub);
  events.on_request(std::move(whole.head));
  return {};
}

status receiver::on_response_fragment(const pdu& p, receiver_events& events) {
  bool complete = false;
  assembly whole;
  VDS_RETURN_IF_FAILED(join(responses_, p, complete, whole));
  if (complete) events.on_response(whole.head.call_id, std::move(whole.stub));
  return {};
}

}  // namespace vds::wire::rpc
