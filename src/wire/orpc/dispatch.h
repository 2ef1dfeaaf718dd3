// dispatch.h: runs one incoming call: head, authorisation, arguments, the method, the answer. Each answers exactly
// once. On any thread; a Wait leaves its thread at once when the object offers a continuation.
#pragma once

#include <memory>

#include "wire/orpc/connection.h"

namespace vds::wire {

using connection_ref = std::shared_ptr<connection>;

void dispatch_call(const connection_ref& c, const rpc::request& request, const exported& target);
void dispatch_query(const connection_ref& c, const rpc::request& request);       // IRemUnknown::RemQueryInterface
void dispatch_activation(const connection_ref& c, const rpc::request& request);  // IActivation::RemoteActivation

// Room at the front of an answer.
inline void begin_reply(ndr::buffer& message) { message.assign(rpc::response_bytes, std::byte{}); }

}  // namespace vds::wire
