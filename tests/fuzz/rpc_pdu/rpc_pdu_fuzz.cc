// A connection's bytes, as a hostile peer sends them. Byte 0: in steps of how many bytes they arrive (0: all at once).
#include <cstdio>
#include <cstdlib>

#include "wire/rpc/receiver.h"

namespace {

using namespace vds::wire;

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct peer final : rpc::receiver_events {
  void on_request(rpc::request&& r) override { check(r.stub.size() <= caps.call_bytes, "a request above the cap"); }
  void on_response(std::uint32_t, ndr::buffer&& stub) override {
    check(stub.size() <= caps.call_bytes, "a response above the cap");
  }
  void on_fault(std::uint32_t, std::uint32_t) override {}
  void on_reply(std::span<const std::byte> pdu) override {
    check(rpc::parse(pdu).has_value(), "an answer that we would not understand ourselves");
  }
  void on_peer_fragment(std::uint16_t bytes) override { check(bytes >= rpc::least_fragment, "fragment size"); }
  void on_bind_result(std::uint32_t, bool) override {}
  bool knows(const uuid& id) override { return id.data1 != 0; }
  rpc::limits caps;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  const std::size_t step = data[0] ? data[0] : size;
  peer events;
  events.caps.call_bytes = 4096;
  events.caps.connection_bytes = 8192;
  events.caps.partial_calls = 4;
  events.caps.contexts = 4;
  rpc::receiver receiver(events.caps);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!receiver.receive(bytes.subspan(at, std::min(step, bytes.size() - at)), events)) break;
    check(receiver.held_bytes() <= events.caps.connection_bytes + 65536, "more held than allowed");
  }
  return 0;
}
