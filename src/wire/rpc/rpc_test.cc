// PDUs against bytes written by hand from C706 chapter 12, and the receiving machine against a peer that lies.
#include <gtest/gtest.h>

#include "wire/rpc/binder.h"
#include "wire/rpc/receiver.h"

namespace vds::wire::rpc {
namespace {

constexpr uuid iid{0x01020304, 0x0506, 0x0708, {9, 10, 11, 12, 13, 14, 15, 16}};
constexpr uuid object{0xaabbccdd, 1, 2, {3, 4, 5, 6, 7, 8, 9, 10}};

buffer bytes(std::initializer_list<int> values) {
  buffer b;
  for (int v : values) b.push_back(static_cast<std::byte>(v));
  return b;
}

struct log final : receiver_events {
  void on_request(request&& r) override { requests.push_back(std::move(r)); }
  void on_response(std::uint32_t id, buffer&& stub) override { responses.emplace_back(id, std::move(stub)); }
  void on_fault(std::uint32_t id, std::uint32_t status) override { faults.emplace_back(id, status); }
  void on_reply(std::span<const std::byte> pdu) override { replies.insert(replies.end(), pdu.begin(), pdu.end()); }
  void on_peer_fragment(std::uint16_t n) override { fragment = n; }
  void on_bind_result(std::uint32_t, bool ok) override { accepted = ok; }
  bool knows(const uuid& id) override { return id == iid; }
  std::vector<request> requests;
  std::vector<std::pair<std::uint32_t, buffer>> responses;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> faults;
  buffer replies;
  std::uint16_t fragment = 0;
  bool accepted = false;
};

buffer bind_bytes(const uuid& id = iid, std::uint16_t context = 0) {
  binder b;
  buffer out;
  context_item item;
  item.id = context;
  item.abstract.id = id;
  item.transfer.push_back(ndr20);
  write_bind(out, ptype::bind, 1, 0, {&item, 1});
  return out;
}

buffer request_of(std::size_t stub_bytes, std::uint16_t max_fragment, std::uint32_t call_id = 5) {
  buffer message(request_bytes);
  for (std::size_t i = 0; i < stub_bytes; ++i) message.push_back(static_cast<std::byte>(i * 7));
  buffer spill;
  const auto view = finish_request(message, {call_id, 0, 3, object}, max_fragment, spill);
  return {view.begin(), view.end()};
}

bool feed(receiver& r, log& events, const buffer& b) { return static_cast<bool>(r.receive(b, events)); }

TEST(pdu, bind_has_the_bytes_of_the_specification) {
  EXPECT_EQ(
      bind_bytes(),
      bytes({5,    0,    11,   3,    0x10, 0,    0,    0,    72,   0,    0,    0,    1,    0,    0,    0,  // header
             0xf8, 0xff, 0xf8, 0xff, 0,    0,    0,    0,    1,    0,    0,    0,  // fragment sizes, group, one context
             0,    0,    1,    0,                                                  // id 0, one transfer syntax
             4,    3,    2,    1,    6,    5,    8,    7,    9,    10,   11,   12,   13,   14,   15,   16,
             0,    0,    0,    0,  // abstract
             0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60,
             2,    0,    0,    0}));
}

TEST(pdu, request_has_the_bytes_of_the_specification) {
  EXPECT_EQ(request_of(2, our_fragment),
            bytes({5, 0, 0, 0x83, 0x10, 0,    0,    0, 42, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0,  0, 0,
                   0, 3, 0, 0xdd, 0xcc, 0xbb, 0xaa, 1, 0,  2, 0, 3, 4, 5, 6, 7, 8, 9, 10, 0, 7}));
}

TEST(receiver, a_bind_is_acknowledged_and_requests_carry_their_interface) {
  receiver r;
  log events;
  ASSERT_TRUE(feed(r, events, bind_bytes()));
  auto ack = parse(events.replies);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->head.type, ptype::bind_ack);
  ASSERT_EQ(ack->results.size(), 1u);
  EXPECT_EQ(ack->results[0].result, bind_result::acceptance);
  EXPECT_EQ(ack->results[0].transfer, ndr20);
  ASSERT_TRUE(feed(r, events, request_of(10, our_fragment)));
  ASSERT_EQ(events.requests.size(), 1u);
  EXPECT_EQ(events.requests[0].interface_id, iid);
  EXPECT_EQ(events.requests[0].object, object);
  EXPECT_EQ(events.requests[0].opnum, 3);
  EXPECT_EQ(events.requests[0].stub.size(), 10u);
}

TEST(receiver, an_unknown_interface_is_rejected_and_calls_on_it_fault) {
  receiver r;
  log events;
  ASSERT_TRUE(feed(r, events, bind_bytes(object)));
  auto ack = parse(events.replies);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->results[0].result, bind_result::provider_rejection);
  events.replies.clear();
  ASSERT_TRUE(feed(r, events, request_of(4, our_fragment)));
  EXPECT_TRUE(events.requests.empty());
  auto fault = parse(events.replies);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->head.type, ptype::fault);
  EXPECT_EQ(fault->status, nca_unknown_interface);
}

TEST(receiver, any_fragmentation_by_sender_and_transport_gives_the_same_call) {
  for (const std::size_t size : {0u, 1u, 1391u, 1392u, 1393u, 5000u}) {
    for (const std::size_t step : {1u, 7u, 1431u, 100000u}) {
      receiver r;
      log events;
      ASSERT_TRUE(feed(r, events, bind_bytes()));
      const buffer stream = request_of(size, least_fragment);
      for (std::size_t at = 0; at < stream.size(); at += step)
        ASSERT_TRUE(r.receive(std::span(stream).subspan(at, std::min(step, stream.size() - at)), events));
      ASSERT_EQ(events.requests.size(), 1u) << size << " by " << step;
      ASSERT_EQ(events.requests[0].stub.size(), size);
      for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(events.requests[0].stub[i], static_cast<std::byte>(i * 7));
      EXPECT_EQ(r.held_bytes(), 0u);
    }
  }
}

TEST(receiver, responses_are_put_together_too) {
  buffer message(response_bytes);
  message.resize(response_bytes + 4000, std::byte{0x5a});
  buffer spill;
  const auto view = finish_response(message, 9, 0, least_fragment, spill);
  receiver r;
  log events;
  ASSERT_TRUE(r.receive(view, events));
  ASSERT_EQ(events.responses.size(), 1u);
  EXPECT_EQ(events.responses[0].first, 9u);
  EXPECT_EQ(events.responses[0].second, buffer(4000, std::byte{0x5a}));
}

TEST(receiver, caps_hold_for_a_call_and_for_a_connection) {
  limits caps;
  caps.call_bytes = 10000;
  caps.connection_bytes = 15000;
  {
    receiver r(caps);
    log events;
    ASSERT_TRUE(feed(r, events, bind_bytes()));
    EXPECT_FALSE(feed(r, events, request_of(10001, least_fragment)));
  }
  receiver r(caps);
  log events;
  ASSERT_TRUE(feed(r, events, bind_bytes()));
  // Two calls that never end.
  buffer a = request_of(9000, least_fragment, 1);
  buffer b = request_of(9000, least_fragment, 2);
  a.resize(a.size() - a.size() % least_fragment);
  b.resize(b.size() - b.size() % least_fragment);
  EXPECT_TRUE(feed(r, events, a));
  EXPECT_FALSE(feed(r, events, b));
  EXPECT_LE(r.held_bytes(), caps.connection_bytes);
}

TEST(receiver, an_alloc_hint_allocates_nothing) {
  receiver r;
  log events;
  ASSERT_TRUE(feed(r, events, bind_bytes()));
  buffer b = request_of(8, our_fragment);
  for (int i = 16; i < 20; ++i) b[static_cast<std::size_t>(i)] = std::byte{0xff};
  EXPECT_TRUE(feed(r, events, b));
  EXPECT_EQ(events.requests[0].stub.size(), 8u);
}

TEST(receiver, a_peer_that_breaks_the_protocol_is_refused) {
  const buffer good = request_of(8, our_fragment);
  const auto with = [&good](std::size_t at, int value) {
    buffer b = good;
    b[at] = static_cast<std::byte>(value);
    return b;
  };
  const buffer wrong[] = {
      with(0, 4),     // version
      with(2, 1),     // type ping
      with(4, 0),     // big endian
      with(8, 10),    // shorter than its own header
      with(10, 8),    // an authentication trailer nobody verified
      with(3, 0x82),  // a last fragment without a first
      bind_bytes(),   // a second bind
  };
  for (const buffer& b : wrong) {
    receiver r;
    log events;
    ASSERT_TRUE(feed(r, events, bind_bytes()));
    EXPECT_FALSE(feed(r, events, b)) << &b - wrong;
    EXPECT_TRUE(events.requests.empty());
  }
  receiver r;
  log events;
  ASSERT_TRUE(feed(r, events, bind_bytes()));
  EXPECT_TRUE(feed(r, events, with(3, 0x81)));   // first of more
  EXPECT_FALSE(feed(r, events, with(3, 0x81)));  // first again
}

TEST(receiver, fragments_of_one_call_must_agree) {
  for (const std::size_t at : {20u, 22u, 24u}) {  // context, opnum, object
    receiver r;
    log events;
    ASSERT_TRUE(feed(r, events, bind_bytes()));
    buffer stream = request_of(3000, least_fragment);
    stream[least_fragment + at] ^= std::byte{1};
    EXPECT_FALSE(feed(r, events, stream));
  }
}

TEST(binder, binds_once_alters_after_and_remembers_a_refusal) {
  binder b;
  buffer control;
  EXPECT_EQ(*b.context_of(iid, 1, control), 0);
  EXPECT_EQ(parse(control)->head.type, ptype::bind);
  control.clear();
  EXPECT_EQ(*b.context_of(object, 2, control), 1);
  EXPECT_EQ(parse(control)->head.type, ptype::alter_context);
  control.clear();
  EXPECT_EQ(*b.context_of(iid, 3, control), 0);
  EXPECT_TRUE(control.empty());
  b.on_result(2, false);
  EXPECT_FALSE(b.context_of(object, 4, control));
  EXPECT_EQ(b.max_fragment(), least_fragment);
}

}  // namespace
}  // namespace vds::wire::rpc
