#include "sdk/enum_object.h"

#include <gtest/gtest.h>

#include "com/implements.h"
#include "sdk/async_object.h"

namespace vds::sdk {
namespace {

std::vector<com_ptr<IUnknown>> things(int n) {
  std::vector<com_ptr<IUnknown>> out;
  for (int i = 0; i < n; ++i) out.emplace_back(com_ptr<IVdsAsync>(make_async(VDS_ASYNCOUT_CREATELUN)));
  return out;
}

TEST(enum_object, gives_one_by_one_also_without_a_count) {
  const auto all = things(2);
  const auto e = make_enum(all);
  for (const auto& each : all) {
    com_ptr<IUnknown> got;
    EXPECT_EQ(e->Next(1, got.put(), nullptr), S_OK);
    EXPECT_EQ(got, each);
  }
  IUnknown* none = reinterpret_cast<IUnknown*>(1);
  EXPECT_EQ(e->Next(1, &none, nullptr), S_FALSE);
  EXPECT_EQ(none, nullptr);
}

TEST(enum_object, says_s_false_with_the_rest) {
  const auto e = make_enum(things(3));
  IUnknown* got[5] = {};
  ULONG n = 99;
  EXPECT_EQ(e->Next(5, got, &n), S_FALSE);
  EXPECT_EQ(n, 3u);
  for (ULONG i = 0; i < n; ++i) got[i]->Release();
  EXPECT_EQ(e->Next(5, got, &n), S_FALSE);
  EXPECT_EQ(n, 0u);
}

TEST(enum_object, refuses_missing_pointers) {
  const auto e = make_enum(things(3));
  IUnknown* got[2];
  ULONG n;
  EXPECT_EQ(e->Next(1, nullptr, &n), E_INVALIDARG);
  EXPECT_EQ(e->Next(2, got, nullptr), E_INVALIDARG);
  EXPECT_EQ(e->Clone(nullptr), E_INVALIDARG);
}

TEST(enum_object, skips_resets_and_clones_at_its_position) {
  const auto all = things(3);
  const auto e = make_enum(all);
  EXPECT_EQ(e->Skip(2), S_OK);
  com_ptr<IEnumVdsObject> copy;
  ASSERT_EQ(e->Clone(copy.put()), S_OK);
  com_ptr<IUnknown> a, b;
  EXPECT_EQ(e->Next(1, a.put(), nullptr), S_OK);
  EXPECT_EQ(copy->Next(1, b.put(), nullptr), S_OK);
  EXPECT_EQ(a, b);
  EXPECT_EQ(e->Skip(1), S_FALSE);
  EXPECT_EQ(e->Reset(), S_OK);
  EXPECT_EQ(e->Next(1, a.put(), nullptr), S_OK);
  EXPECT_EQ(a, all[0]);
}

// Enumerations of strangers
class liar final : public implements<IEnumVdsObject> {
 public:
  enum class kind { endless, nulls, too_many, stuck, fails };
  explicit liar(kind k) : kind_(k) {}
  HRESULT STDMETHODCALLTYPE Next(ULONG celt, IUnknown** out, ULONG* fetched) noexcept override {
    *fetched = kind_ == kind::too_many ? celt + 1 : kind_ == kind::stuck || kind_ == kind::fails ? 0 : celt;
    if (kind_ == kind::endless || kind_ == kind::too_many)
      for (ULONG i = 0; i < celt; ++i) out[i] = com_ptr<IVdsAsync>(make_async(VDS_ASYNCOUT_CLEAN)).detach();
    return kind_ == kind::fails ? E_FAIL : S_OK;
  }
  HRESULT STDMETHODCALLTYPE Skip(ULONG) noexcept override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE Reset() noexcept override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE Clone(IEnumVdsObject**) noexcept override { return E_NOTIMPL; }

 private:
  const kind kind_;
};

TEST(read_enum, believes_no_stranger) {
  using enum liar::kind;
  const std::pair<liar::kind, HRESULT> cases[] = {
      {endless, E_UNEXPECTED}, {nulls, E_UNEXPECTED}, {too_many, E_UNEXPECTED}, {stuck, S_OK}, {fails, E_FAIL}};
  for (const auto& [kind, answer] : cases) {
    std::vector<com_ptr<IUnknown>> got;
    EXPECT_EQ(read_enum(make<liar>(kind).get(), got, 1000), answer) << static_cast<int>(kind);
  }
}

TEST(read_enum, empties_an_honest_one) {
  std::vector<com_ptr<IUnknown>> got;
  EXPECT_EQ(read_enum(make_enum(things(200)).get(), got), S_OK);
  EXPECT_EQ(got.size(), 200u);
}

}  // namespace
}  // namespace vds::sdk
