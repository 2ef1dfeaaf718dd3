// Bytes worked out by hand from C706 chapter 14, and what a decoder must not believe.
#include <gtest/gtest.h>

#include "com/com.h"
#include "wire/generated/types.h"
#include "wire/ndr/marshal.h"
#include "wire/ndr/method.h"
#include "wire/ndr/text.h"

namespace vds::wire::ndr {
namespace {

struct : object_codec {
  bool marshal(void*, const uuid&, std::vector<std::byte>& out) override {
    out.assign(3, std::byte{0x77});
    return true;
  }
  bool unmarshal(std::span<const std::byte> bytes, const uuid&, void** object) override {
    *object = this;
    ++alive;
    return bytes.size() == 3;
  }
  void release(void*) override { --alive; }
  int alive = 0;
} objects;

buffer bytes(std::initializer_list<int> values) {
  buffer b;
  for (int v : values) b.push_back(static_cast<std::byte>(v));
  return b;
}

buffer encoded(const type& t, const void* value) {
  buffer b;
  encoder e(b);
  value_encoder(e, objects).whole(t, value);
  EXPECT_TRUE(e.ok());
  return b;
}

// Whether the bytes decode; on success value holds the result, which the memory given owns.
bool decodes(const type& t, const buffer& b, void* value, memory& mem) {
  decoder d(b);
  value_decoder(d, mem).whole(t, value);
  return d.ok();
}

constexpr GUID some_id = {0x01020304, 0x0506, 0x0708, {9, 10, 11, 12, 13, 14, 15, 16}};

TEST(ndr, integers_are_little_endian_and_aligned_to_their_size) {
  buffer b;
  encoder e(b);
  e.u8(1);
  e.u16(0x0203);
  e.u8(4);
  e.u32(0x05060708);
  e.u8(9);
  e.u64(0x0a0b0c0d0e0f1011);
  EXPECT_EQ(b, bytes({1, 0, 3, 2, 4, 0, 0, 0, 8, 7, 6, 5, 9, 0, 0, 0, 0x11, 0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a}));
}

TEST(ndr, a_string_is_maximum_offset_actual_and_units_with_the_terminator) {
  buffer b;
  encoder e(b);
  encode_string(e, L"Ab");
  EXPECT_EQ(b, bytes({3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 'A', 0, 'b', 0, 0, 0}));
}

TEST(ndr, a_supplementary_character_travels_as_two_surrogates) {
  buffer b;
  encoder e(b);
  encode_string(e, L"\U0001F4BE");
  EXPECT_EQ(b, bytes({3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0x3d, 0xd8, 0xbe, 0xdc, 0, 0}));
  decoder d(b);
  memory mem(memory::kind::call, objects);
  EXPECT_STREQ(decode_string(d, mem), L"\U0001F4BE");
}

TEST(ndr, max_is_is_the_conformance_and_the_limit) {
  buffer b;
  encoder e(b);
  encode_string(e, L"A", 260);
  EXPECT_EQ(b, bytes({4, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 'A', 0, 0, 0}));
  buffer c;
  encoder f(c);
  encode_string(f, L"ABC", 3);
  EXPECT_FALSE(f.ok());
}

TEST(ndr, a_struct_has_its_flat_part_first_and_then_what_its_pointers_lead_to) {
  wchar_t name[] = L"p";
  VDS_PACK_PROP pack{some_id, name, VDS_PS_ONLINE, 0x11223344};
  EXPECT_EQ(encoded(generated::type_VDS_PACK_PROP, &pack),
            bytes({4,    3,    2,    1,    6, 5, 8, 7, 9, 10, 11, 12, 13,  14, 15, 16,  // id
                   0,    0,    2,    0,                                                 // pwszName: referent
                   1,    0,    0,    0,                                                 // status: 16 bits, then padding
                   0x44, 0x33, 0x22, 0x11,                                              // ulFlags
                   2,    0,    0,    0,    0, 0, 0, 0, 2, 0,  0,  0,  'p', 0,  0,  0}));  // the name
}

TEST(ndr, a_union_repeats_its_discriminant_and_aligns_its_arm) {
  VDS_ASYNC_OUTPUT out{};
  out.type = VDS_ASYNCOUT_SHRINKVOLUME;
  out.sv.ullReclaimedBytes = 0x0102030405060708;
  EXPECT_EQ(encoded(generated::type_VDS_ASYNC_OUTPUT, &out), bytes({3, 0, 3, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1}));
  out.type = VDS_ASYNCOUT_CLEAN;  // the default arm is empty
  EXPECT_EQ(encoded(generated::type_VDS_ASYNC_OUTPUT, &out), bytes({11, 0, 11, 0}));
}

TEST(ndr, an_interface_pointer_is_a_counted_block_behind_its_referent) {
  VDS_ASYNC_OUTPUT out{};
  out.type = VDS_ASYNCOUT_CREATELUN;
  out.cl.pLunUnk = reinterpret_cast<IUnknown*>(16);
  EXPECT_EQ(encoded(generated::type_VDS_ASYNC_OUTPUT, &out),
            bytes({50, 0, 50, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0x77, 0x77, 0x77}));
}

TEST(ndr, a_counted_array_defers_its_elements_pointers_behind_all_elements) {
  BYTE first[] = {0xaa}, second[] = {0xbb, 0xcc};
  VDS_STORAGE_IDENTIFIER ids[2] = {{VDSStorageIdCodeSetBinary, VDSStorageIdTypeEUI64, 1, first},
                                   {VDSStorageIdCodeSetAscii, VDSStorageIdTypeVendorId, 2, second}};
  VDS_STORAGE_DEVICE_ID_DESCRIPTOR d{7, 2, ids};
  EXPECT_EQ(encoded(generated::type_VDS_STORAGE_DEVICE_ID_DESCRIPTOR, &d),
            bytes({7, 0, 0, 0, 2,    0,   0, 0, 0, 0, 2, 0,  // version, count, referent
                   2, 0, 0, 0,                               // conformance
                   1, 0, 2, 0, 1,    0,   0, 0, 4, 0, 2, 0,  // first element
                   2, 0, 1, 0, 2,    0,   0, 0, 8, 0, 2, 0,  // second element
                   1, 0, 0, 0, 0xaa, 0,   0, 0,              // first's bytes, padding
                   2, 0, 0, 0, 0xbb, 0xcc}));                // second's bytes
}

TEST(ndr, text_in_place_ends_at_its_terminator_and_zeros_follow) {
  VDS_FILE_SYSTEM_TYPE_PROP p{};
  p.wszName[0] = L'N';
  p.wszName[1] = 0;
  p.wszName[2] = L'x';  // behind the terminator: not text
  const buffer b = encoded(generated::type_VDS_FILE_SYSTEM_TYPE_PROP, &p);
  EXPECT_EQ(buffer(b.begin() + 2, b.begin() + 18), bytes({'N', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(ndr, what_is_no_text_is_refused_on_both_sides) {
  for (const std::uint32_t bad : {0xd800u, 0xdfffu, 0x110000u}) {
    const wchar_t text[] = {static_cast<wchar_t>(bad), 0};
    buffer b;
    encoder e(b);
    encode_string(e, text);
    EXPECT_FALSE(e.ok());
  }
  const buffer wrong[] = {
      bytes({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),                                // no terminator
      bytes({1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'A', 0}),                        // not terminated
      bytes({3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 'b', 0, 0, 0}),            // terminated twice
      bytes({1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}),                          // offset
      bytes({1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 'A', 0, 0, 0}),                  // more than the maximum
      bytes({2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0xd8, 0, 0}),                 // half a pair
      bytes({3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0xbe, 0xdc, 0x3d, 0xd8, 0, 0}),  // pair the wrong way round
      bytes({255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255, 'A', 0, 0, 0}),  // longer than the message
      bytes({0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0}),                    // 2^31 units wrap 32 bits
  };
  for (const buffer& b : wrong) {
    decoder d(b);
    memory mem(memory::kind::call, objects);
    decode_string(d, mem);
    EXPECT_FALSE(d.ok()) << &b - wrong;
  }
}

TEST(ndr, a_count_is_one_checked_value) {
  memory mem(memory::kind::call, objects);
  VDS_STORAGE_IDENTIFIER id{};
  const type& t = generated::type_VDS_STORAGE_IDENTIFIER;
  EXPECT_TRUE(decodes(t, bytes({1, 0, 2, 0, 2, 0, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 1, 2}), &id, mem));
  EXPECT_EQ(id.m_cbIdentifier, 2u);
  // size_is and conformance disagree; a count without an array; more than the message has.
  EXPECT_FALSE(decodes(t, bytes({1, 0, 2, 0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 1, 2}), &id, mem));
  EXPECT_FALSE(decodes(t, bytes({1, 0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0}), &id, mem));
  EXPECT_FALSE(decodes(t, bytes({1, 0, 2, 0, 255, 255, 255, 255, 0, 0, 2, 0, 255, 255, 255, 255, 1}), &id, mem));
}

TEST(ndr, a_discriminant_must_agree_with_its_field_and_have_an_arm) {
  memory mem(memory::kind::call, objects);
  VDS_ASYNC_OUTPUT out{};
  EXPECT_FALSE(decodes(generated::type_VDS_ASYNC_OUTPUT, bytes({3, 0, 11, 0}), &out, mem));
  EXPECT_FALSE(decodes(generated::type_VDS_ASYNC_OUTPUT, bytes({0, 0x80, 0, 0x80}), &out, mem));
  EXPECT_TRUE(decodes(generated::type_VDS_ASYNC_OUTPUT, bytes({0xff, 0x7f, 0xff, 0x7f}), &out, mem));
}

TEST(ndr, every_truncation_of_a_message_fails_and_leaves_nothing_behind) {
  wchar_t text[] = L"name";
  BYTE raw[] = {1, 2, 3};
  VDS_INTERCONNECT interconnect{VDS_IA_FCFS, 3, raw, 3, raw};
  VDS_STORAGE_IDENTIFIER id{VDSStorageIdCodeSetBinary, VDSStorageIdTypeEUI64, 3, raw};
  char vendor[] = "VDS";
  VDS_LUN_INFORMATION info{};
  info.m_szVendorId = vendor;
  info.m_deviceIdDescriptor = {1, 1, &id};
  info.m_cInterconnects = 1;
  info.m_rgInterconnects = &interconnect;
  VDS_ASYNC_OUTPUT out{};
  out.type = VDS_ASYNCOUT_CREATELUN;
  out.cl.pLunUnk = reinterpret_cast<IUnknown*>(16);
  VDS_PACK_PROP pack{some_id, text, VDS_PS_ONLINE, 1};
  const std::pair<const type*, const void*> values[] = {{&generated::type_VDS_LUN_INFORMATION, &info},
                                                        {&generated::type_VDS_ASYNC_OUTPUT, &out},
                                                        {&generated::type_VDS_PACK_PROP, &pack}};
  for (const auto& [t, value] : values) {
    const buffer whole = encoded(*t, value);
    for (std::size_t n = 0; n <= whole.size(); ++n) {
      alignas(8) std::byte room[512] = {};
      ASSERT_LE(t->size, sizeof room);
      memory mem(memory::kind::caller, objects);
      EXPECT_EQ(decodes(*t, buffer(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)), room, mem),
                n == whole.size());
    }
  }
  EXPECT_EQ(objects.alive, 0);
}

TEST(ndr, depth_and_memory_have_an_end) {
  // A chain of pointers deeper than anything the API has.
  static const type end = u8_type;
  std::vector<type> chain(max_depth + 4, pointer_type(end));
  for (std::size_t i = 1; i < chain.size(); ++i) chain[i] = pointer_type(chain[i - 1]);
  buffer b;
  encoder e(b);
  for (std::size_t i = 0; i < chain.size(); ++i) e.referent(true);
  e.u8(1);
  void* top = nullptr;
  memory mem(memory::kind::call, objects);
  EXPECT_FALSE(decodes(chain.back(), b, &top, mem));
  EXPECT_NE(mem.allocate(max_memory_bytes / 2), nullptr);
  EXPECT_EQ(mem.allocate(max_memory_bytes / 2 + 1), nullptr);
}

}  // namespace
}  // namespace vds::wire::ndr
