// Peers that lie, stall, flood and never read. The endpoint closes their connection, or answers with a fault, and
// serves the others.
#include <gtest/gtest.h>
#include <poll.h>

#include <future>

#include "wire/orpc/errors.h"
#include "wire/orpc/ids.h"
#include "wire/orpc/orpcthis.h"
#include "wire/orpc/remote_calls.h"
#include "wire/orpc/server.h"
#include "wire/rpc/pdu.h"
#include "wire/testing/endpoints.h"
#include "wire/testing/objects.h"

namespace vds::wire {
namespace {

using namespace testing;

// A raw socket to a live endpoint.
struct hostile : ::testing::Test {
  hostile() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    raw = unique_fd(fds[1]);
    endpoint_options options;
    options.limits.queued_bytes = 1 << 20;
    options.limits.incoming_calls = 64;
    options.activate = [this](REFCLSID, REFIID iid, void** out, const peer_credentials&) {
      return provider->QueryInterface(iid, out);
    };
    victim = endpoint::over(rt, unique_fd(fds[0]), options);
  }
  ~hostile() override { victim->close(); }

  // false: the victim has closed.
  bool send(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(raw.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }
  void bind(const uuid& iid, std::uint16_t context, bool first) {
    ndr::buffer out;
    rpc::context_item item;
    item.id = context;
    item.abstract.id = iid;
    item.transfer.push_back(rpc::ndr20);
    rpc::write_bind(out, first ? rpc::ptype::bind : rpc::ptype::alter_context, 1, 0, {&item, 1});
    send(out);
    EXPECT_TRUE(receive());
  }
  std::optional<rpc::pdu> receive() {
    reply.resize(rpc::header_bytes);
    if (::recv(raw.get(), reply.data(), reply.size(), MSG_WAITALL) != static_cast<ssize_t>(reply.size())) return {};
    auto head = rpc::parse_header(reply);
    if (!head) return {};
    const std::size_t rest = head->fragment_bytes - rpc::header_bytes;
    reply.resize(head->fragment_bytes);
    if (::recv(raw.get(), reply.data() + rpc::header_bytes, rest, MSG_WAITALL) != static_cast<ssize_t>(rest)) return {};
    auto p = rpc::parse(reply);
    return p ? std::optional(*p) : std::nullopt;
  }
  template <class Body>
  ndr::buffer request(std::uint32_t call_id, std::uint16_t context, std::uint16_t opnum, const uuid& object,
                      Body&& body) {
    ndr::buffer message(rpc::request_bytes);
    {
      ndr::encoder e(message);
      encode_orpc_this(e, {});
      body(e);
    }
    ndr::buffer spill;
    rpc::finish_request(message, {call_id, context, opnum, object}, rpc::our_fragment, spill);
    return message;
  }
  // Binds, activates the provider and returns its IPID.
  uuid activated() {
    bind(iid_activation, 0, true);
    send(request(2, 0, 0, {}, [](ndr::encoder& e) {
      encode(e, activation_request{{}, {to_uuid(__uuidof(IVdsProviderPrivate))}});
    }));
    const auto p = receive();
    EXPECT_TRUE(p && p->head.type == rpc::ptype::response);
    ndr::decoder d(p->stub);
    decode_orpc_that(d);
    const auto r = decode_activation_result(d);
    bind(to_uuid(__uuidof(IVdsProviderPrivate)), 1, false);
    return parse_objref(r.object)->standard.ipid;
  }
  bool victim_is_well() {
    pair_of_endpoints other{[this](REFCLSID, REFIID iid, void** out, const peer_credentials&) {
      return provider->QueryInterface(iid, out);
    }};
    com_ptr<IVdsHwProvider> p;
    return other.client->activate({}, __uuidof(IVdsHwProvider), p.put_void()) == S_OK && p->Refresh() == S_FALSE;
  }

  runtime rt{2};
  com_ptr<keeping_provider> provider = make<keeping_provider>();
  std::shared_ptr<endpoint> victim;
  unique_fd raw;
  ndr::buffer reply;
};

TEST_F(hostile, rubbish_closes_the_connection) {
  send(ndr::buffer(100, std::byte{0x41}));
  eventually([&] { return victim->closed(); });
  EXPECT_TRUE(victim_is_well());
}

TEST_F(hostile, a_method_before_any_bind_runs_nothing) {
  send(request(1, 0, 3, {}, [](ndr::encoder&) {}));
  const auto p = receive();
  ASSERT_TRUE(p);
  EXPECT_EQ(p->head.type, rpc::ptype::fault);
  EXPECT_EQ(p->status, rpc::nca_unknown_interface);
}

TEST_F(hostile, objects_that_were_not_given_out_do_not_exist) {
  uuid ipid = activated();
  ipid.data1 += 1;
  send(request(3, 1, 5, ipid, [](ndr::encoder& e) { e.u32(0); }));
  auto p = receive();
  ASSERT_TRUE(p);
  EXPECT_EQ(p->status, static_cast<std::uint32_t>(rpc_invalid_object));
  // Nor may an object be called through an interface that its id does not stand for.
  ipid.data1 -= 1;
  send(request(4, 0, 5, ipid, [](ndr::encoder& e) { e.u32(0); }));
  p = receive();
  ASSERT_TRUE(p);
  EXPECT_EQ(p->head.type, rpc::ptype::fault);
}

TEST_F(hostile, opnums_beyond_the_table_fault) {
  const uuid ipid = activated();
  for (const std::uint16_t number : {0, 1, 2, 6, 7, 0xffff}) {
    send(request(3, 1, number, ipid, [](ndr::encoder& e) { e.u32(0); }));
    const auto p = receive();
    ASSERT_TRUE(p);
    EXPECT_EQ(p->status, rpc::nca_op_range) << number;
  }
}

TEST_F(hostile, every_truncation_and_flipped_byte_of_a_call_is_survived) {
  const uuid ipid = activated();
  const ndr::buffer good = request(3, 1, 4, ipid, [](ndr::encoder& e) {
    e.u32(3);
    e.u32(0);
    e.u32(3);
    e.u16('a');
    e.u16('b');
    e.u16(0);
    e.u32(0);
  });
  std::size_t faults = 0, answers = 0;
  for (std::size_t cut = rpc::request_bytes; cut <= good.size(); ++cut) {
    ndr::buffer b(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut));
    ndr::buffer spill;
    rpc::finish_request(b, {3, 1, 4, ipid}, rpc::our_fragment, spill);
    ASSERT_TRUE(send(b));
    const auto p = receive();
    ASSERT_TRUE(p);
    (p->head.type == rpc::ptype::fault ? faults : answers)++;
  }
  EXPECT_EQ(answers, 1u);
  for (std::size_t at = rpc::request_bytes; at < good.size(); ++at)
    for (const int bits : {0x01, 0x80, 0xff}) {
      ndr::buffer b = good;
      b[at] ^= static_cast<std::byte>(bits);
      ASSERT_TRUE(send(b));
      ASSERT_TRUE(receive()) << at;
    }
  EXPECT_GT(faults, 50u);
  EXPECT_FALSE(victim->closed());
}

TEST_F(hostile, a_peer_that_never_reads_is_disconnected) {
  const uuid ipid = activated();
  const ndr::buffer b = request(3, 1, 3, ipid, [](ndr::encoder& e) {
    e.id({});
    e.u16(VDS_OT_LUN);
  });
  // Requests flow in, answers pile up.
  std::promise<void> closed;
  victim->on_closed([&] { closed.set_value(); });
  while (send(b)) {
  }
  closed.get_future().get();
  eventually([] { return live_objects == 2; });
  EXPECT_TRUE(victim_is_well());
}

TEST_F(hostile, more_calls_than_allowed_are_told_that_the_server_is_busy) {
  uuid ipid = activated();
  com_ptr<IUnknown> unknown = provider->async.as<IUnknown>();
  send(request(3, 1, 3, ipid, [](ndr::encoder& e) {
    e.id({});
    e.u16(VDS_OT_ASYNC);
  }));
  auto p = receive();
  ASSERT_TRUE(p && p->head.type == rpc::ptype::response);
  ndr::decoder d(p->stub);
  decode_orpc_that(d);
  ASSERT_TRUE(d.referent());
  d.u32();
  const std::uint32_t n = d.u32();
  const auto ref = parse_objref(d.bytes(n));
  ASSERT_TRUE(ref);
  bind(iid_rem_unknown, 2, false);
  send(request(4, 2, 3, rem_unknown_of(ref->standard.oxid), [&](ndr::encoder& e) {
    encode(e, query_request{ref->standard.ipid, 1, {to_uuid(__uuidof(IVdsAsync))}});
  }));
  p = receive();
  ASSERT_TRUE(p);
  ndr::decoder q(p->stub);
  decode_orpc_that(q);
  const auto results = decode_query_results(q);
  ASSERT_EQ(results.size(), 1u);
  bind(to_uuid(__uuidof(IVdsAsync)), 3, false);
  for (std::uint32_t i = 0; i < 65; ++i) send(request(100 + i, 3, 4, results[0].object.ipid, [](ndr::encoder&) {}));
  p = receive();
  ASSERT_TRUE(p);
  EXPECT_EQ(p->status, rpc::nca_too_busy);
  eventually([&] { return provider->async->waiting() == 64; });
  provider->async->finish();
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(receive());
}

}  // namespace
}  // namespace vds::wire
