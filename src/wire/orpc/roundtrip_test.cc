// Every method of every interface through a pair of endpoints: made-up arguments in, made-up results out, both ends
// compared. And every method under an authoriser that refuses.
#include <gtest/gtest.h>

#include <set>

#include "wire/generated/types.h"
#include "wire/testing/echo.h"
#include "wire/testing/endpoints.h"
#include "wire/testing/values.h"

namespace vds::wire {
namespace {

using namespace testing;

constexpr unsigned rounds = 25;

struct : ndr::object_codec {
  bool marshal(void*, const uuid&, std::vector<std::byte>&) override { return false; }
  bool unmarshal(std::span<const std::byte>, const uuid&, void**) override { return false; }
  void release(void* p) override { static_cast<IUnknown*>(p)->Release(); }
} releasing;

struct roundtrip : ::testing::Test {
  com_ptr<IUnknown> remote(pair_of_endpoints& ends, const interface_info& info) {
    com_ptr<IUnknown> p;
    EXPECT_EQ(ends.client->activate(GUID{}, to_guid(info.iid), p.put_void()), S_OK) << info.name;
    return p;
  }
  static HRESULT activate_echo(REFCLSID, REFIID iid, void** out, const peer_credentials&) {
    *out = make_echo_object(to_uuid(iid)).detach();
    return *out ? S_OK : E_NOINTERFACE;
  }
  void TearDown() override { set_echo_handler({}); }
  engine random{20260722};
};

TEST_F(roundtrip, every_method_of_every_interface_brings_the_same_values_in_and_out) {
  std::size_t methods = 0;
  {
    pair_of_endpoints ends{activate_echo};
    for (const interface_info* info : all_interfaces()) {
      auto p = remote(ends, *info);
      for (std::uint32_t slot = 3; slot < 3 + info->method_count; ++slot, ++methods) {
        for (unsigned round = 0; round < rounds; ++round) {
          std::string seen_in, sent_out;
          set_echo_handler([&](const interface_info& i, const ndr::method& m, const ndr::arguments& a) {
            EXPECT_STREQ(i.name, info->name);
            EXPECT_EQ(m.slot, slot);
            seen_in = dump_arguments(m, a, false);
            value_memory mem(true);
            value_maker values(random, mem, make_echo_object);
            fill_outs(m, a, values);
            sent_out = dump_arguments(m, a, true);
            return static_cast<HRESULT>(round);
          });
          const ndr::method& m = *info->method_at(slot);
          value_memory mem(false);
          value_maker values(random, mem, make_echo_object);
          caller_arguments a;
          a.make(m, values);
          const std::string expected_in = dump_arguments(m, a.slots, false);
          ASSERT_EQ(info->invokes[slot - 3](p.get(), a.slots), static_cast<HRESULT>(round))
              << info->name << "::" << m.name;
          ASSERT_EQ(seen_in, expected_in) << info->name << "::" << m.name;
          ASSERT_EQ(dump_arguments(m, a.slots, true), sent_out) << info->name << "::" << m.name;
          ndr::release_outs(m, a.slots, releasing);
          release_ins(m, a.slots);
        }
      }
    }
    EXPECT_GE(all_interfaces().size(), 74u);
    EXPECT_GE(methods, 280u);
    eventually([&] { return ends.client->count().exported_interfaces == 0; });
    eventually([&] { return ends.client->count().proxies == 0; });
    eventually([&] { return ends.server->count().proxies == 0; });
    eventually([&] { return ends.server->count().exported_interfaces == 0; });
  }
  EXPECT_EQ(live_echoes(), 0u);
}

TEST_F(roundtrip, every_method_of_every_interface_asks_the_authoriser_first) {
  std::set<std::pair<std::string, ULONG>> asked;
  std::mutex mutex;
  endpoint_options options;
  options.authorize = [&](const peer_credentials& peer, REFIID iid, ULONG slot) {
    EXPECT_EQ(peer.uid, ::getuid());
    if (slot == 0) return S_OK;
    std::lock_guard lock(mutex);
    asked.insert({find_interface(to_uuid(iid))->name, slot});
    return E_ACCESSDENIED;
  };
  pair_of_endpoints ends{activate_echo, options};
  set_echo_handler([](const interface_info& i, const ndr::method& m, const ndr::arguments&) {
    ADD_FAILURE() << i.name << "::" << m.name << " ran";
    return S_OK;
  });
  std::size_t methods = 0;
  for (const interface_info* info : all_interfaces()) {
    auto p = remote(ends, *info);
    for (std::uint32_t slot = 3; slot < 3 + info->method_count; ++slot, ++methods) {
      const ndr::method& m = *info->method_at(slot);
      value_memory mem(false);
      value_maker values(random, mem, make_echo_object);
      caller_arguments a;
      a.make(m, values);
      EXPECT_EQ(info->invokes[slot - 3](p.get(), a.slots), E_ACCESSDENIED) << info->name << "::" << m.name;
      for (std::size_t i = 0; i < m.parameter_count; ++i) {
        const ndr::parameter& q = m.parameters[i];
        if (!q.out || q.in) continue;
        const auto* at = *static_cast<const std::byte* const*>(a.slots[i]);
        const std::size_t size = q.how == ndr::pass::counted_result ? sizeof(void*) : q.is->size;
        for (std::size_t k = 0; k < size; ++k) ASSERT_EQ(at[k], std::byte{}) << info->name << "::" << m.name;
      }
      release_ins(m, a.slots);
    }
  }
  EXPECT_EQ(asked.size(), methods);
}

TEST_F(roundtrip, interfaces_may_be_refused_before_they_are_given_out) {
  endpoint_options options;
  options.authorize = [](const peer_credentials&, REFIID, ULONG) { return E_ACCESSDENIED; };
  pair_of_endpoints ends{activate_echo, options};
  com_ptr<IUnknown> p;
  EXPECT_EQ(ends.client->activate(GUID{}, __uuidof(IVdsLun), p.put_void()), E_ACCESSDENIED);
  // The loader is everybody's; what it does is not.
  ASSERT_EQ(ends.client->activate(GUID{}, __uuidof(IVdsServiceLoader), p.put_void()), S_OK);
  com_ptr<IVdsService> service;
  EXPECT_EQ(p.as<IVdsServiceLoader>()->LoadService(nullptr, service.put()), E_ACCESSDENIED);
  com_ptr<IUnknown> other;
  EXPECT_EQ(p->QueryInterface(__uuidof(IVdsService), other.put_void()), E_ACCESSDENIED);
}

TEST_F(roundtrip, reserved_methods_fault_where_a_transport_does_not_carry_them) {
  endpoint_options options;
  options.reserved_methods = false;
  pair_of_endpoints ends{activate_echo, options};
  set_echo_handler([](const interface_info&, const ndr::method&, const ndr::arguments&) { return S_OK; });
  std::size_t reserved = 0;
  for (const interface_info* info : all_interfaces())
    for (std::uint32_t slot = 3; slot < 3 + info->method_count; ++slot) {
      const ndr::method& m = *info->method_at(slot);
      if (!m.reserved) continue;
      ++reserved;
      auto p = remote(ends, *info);
      value_memory mem(false);
      value_maker values(random, mem, make_echo_object);
      caller_arguments a;
      a.make(m, values);
      EXPECT_EQ(info->invokes[slot - 3](p.get(), a.slots), HRESULT_FROM_WIN32(1745)) << info->name << "::" << m.name;
      release_ins(m, a.slots);
    }
  EXPECT_EQ(reserved, 13u);
}

// A description that forgot a member would still round-trip: the descriptions cover their structs, but for padding.
std::size_t covered(const ndr::type& t, std::vector<bool>& bytes, std::size_t at) {
  if (t.form == ndr::shape::record) {
    for (std::uint32_t i = 0; i < t.count; ++i) {
      const ndr::type& f = *t.fields[i].is;
      if (f.form == ndr::shape::choice) {
        for (std::uint32_t k = 0; k < f.count; ++k)
          if (f.arms[k].is) covered(*f.arms[k].is, bytes, at + f.arms[k].offset);
      } else {
        covered(f, bytes, at + t.fields[i].offset);
      }
    }
  } else {
    for (std::size_t i = 0; i < t.size; ++i) bytes[at + i] = true;
  }
  return 0;
}

TEST(descriptions, cover_every_byte_of_every_struct_but_padding) {
  EXPECT_GE(generated::all_structs_count, 77u);
  for (std::size_t i = 0; i < generated::all_structs_count; ++i) {
    const ndr::type& t = *generated::all_structs[i];
    std::vector<bool> bytes(t.size);
    covered(t, bytes, 0);
    std::size_t gap = 0;
    for (const bool b : bytes) {
      gap = b ? 0 : gap + 1;
      EXPECT_LT(gap, 8u) << t.name;
    }
  }
}

}  // namespace
}  // namespace vds::wire
