// OBJREF, ORPCTHIS and DCOM's own calls as bytes.
#include <gtest/gtest.h>

#include "wire/orpc/ids.h"
#include "wire/orpc/objref.h"
#include "wire/orpc/orpcthis.h"
#include "wire/orpc/remote_calls.h"

namespace vds::wire {
namespace {

constexpr uuid some{0x01020304, 0x0506, 0x0708, {9, 10, 11, 12, 13, 14, 15, 16}};

TEST(objref, has_the_bytes_of_the_specification) {
  ndr::buffer b;
  append_objref(b, {iid_unknown, {0, 5, 0x1112131415161718, 0x2122232425262728, some}});
  ndr::buffer expected;
  for (int v : std::initializer_list<int>{
           'M', 'E', 'O', 'W', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46,  // standard, IID
           0, 0, 0, 0, 5, 0, 0, 0, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,                // flags, refs,
                                                                                                  // OXID
           0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,                                        // OID
           4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16,                                 // IPID
           4, 0, 3, 0, 0x10, 0, 0, 0, 0, 0, 0, 0})                                                // bindings
    expected.push_back(static_cast<std::byte>(v));
  EXPECT_EQ(b, expected);
  EXPECT_EQ(parse_objref(b), (objref{iid_unknown, {0, 5, 0x1112131415161718, 0x2122232425262728, some}}));
}

TEST(objref, truncated_foreign_or_oversized_is_refused) {
  ndr::buffer b;
  append_objref(b, {some, {0, 1, 2, 3, some}});
  for (std::size_t n = 0; n < b.size(); ++n) EXPECT_FALSE(parse_objref(std::span(b).first(n))) << n;
  for (const int form : {0, 2, 4, 8}) {  // nothing, handler, custom, extended
    auto c = b;
    c[4] = static_cast<std::byte>(form);
    EXPECT_FALSE(parse_objref(c));
  }
  auto c = b;
  c[64] = c[65] = std::byte{0xff};  // 65,535 binding units
  EXPECT_FALSE(parse_objref(c));
  c = b;
  c[66] = std::byte{5};  // security bindings behind the end
  EXPECT_FALSE(parse_objref(c));
}

TEST(orpcthis, extents_travel_and_unknown_ones_are_skipped) {
  for (const bool operation : {false, true})
    for (const std::string caller : {"", "a", "alice (pid 4711)"}) {
      ndr::buffer b;
      ndr::encoder e(b);
      encode_orpc_this(e, {some, operation ? some : uuid{}, caller});
      e.u32(0x12345678);
      ndr::decoder d(b);
      const orpc_this head = decode_orpc_this(d);
      EXPECT_EQ(head.operation_id, operation ? some : uuid{});
      EXPECT_EQ(head.caller, caller);
      EXPECT_EQ(d.u32(), 0x12345678u);
      EXPECT_TRUE(d.ok());
      for (std::size_t n = 0; n + 4 < b.size(); ++n) {
        ndr::decoder cut(std::span<const std::byte>(b).first(n));
        decode_orpc_this(cut);
        cut.u32();
        EXPECT_FALSE(cut.ok()) << n;
      }
    }
}

TEST(orpcthis, is_32_bytes_without_extents) {
  ndr::buffer b;
  ndr::encoder e(b);
  encode_orpc_this(e, {});
  EXPECT_EQ(b.size(), 32u);
  ndr::buffer c;
  ndr::encoder f(c);
  encode_orpc_that(f);
  EXPECT_EQ(c, ndr::buffer(8));
}

TEST(remote_calls, what_one_end_encodes_the_other_decodes) {
  ndr::buffer b;
  ndr::encoder e(b);
  encode(e, query_request{some, 5, {iid_unknown, some}});
  encode_query_results(e, {{S_OK, 0, {0, 5, 1, 2, some}}, {E_NOINTERFACE, 0, {}}});
  encode_refs(e, {{some, 3, 0}, {iid_unknown, 1, 2}});
  encode(e, activation_request{some, {iid_unknown}});
  encode(e, activation_result{77, S_OK, ndr::buffer(5, std::byte{1})}, 1);
  encode(e, activation_result{77, E_ACCESSDENIED, {}}, 1);
  ndr::decoder d(b);
  const auto q = decode_query_request(d);
  EXPECT_EQ(q.iids, (std::vector<uuid>{iid_unknown, some}));
  const auto results = decode_query_results(d);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].object, (std_objref{0, 5, 1, 2, some}));
  EXPECT_EQ(results[1].hr, E_NOINTERFACE);
  const auto refs = decode_refs(d);
  ASSERT_EQ(refs.size(), 2u);
  EXPECT_EQ(refs[1].private_refs, 2u);
  EXPECT_EQ(decode_activation_request(d).clsid, some);
  const auto activated = decode_activation_result(d);
  EXPECT_EQ(activated.oxid, 77u);
  EXPECT_EQ(activated.object.size(), 5u);
  EXPECT_EQ(decode_activation_result(d).hr, E_ACCESSDENIED);
  EXPECT_TRUE(d.ok());
  EXPECT_EQ(d.remaining(), 0u);
}

}  // namespace
}  // namespace vds::wire
