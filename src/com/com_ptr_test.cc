#include "com/com_ptr.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "com/implements.h"

namespace vds {
namespace {

int alive = 0;

class thing : public implements<IVdsLunNaming, IVdsLunNumber> {
 public:
  thing() { ++alive; }
  ~thing() override { --alive; }
  HRESULT SetFriendlyName(LPWSTR) noexcept override { return S_OK; }
  HRESULT GetLunNumber(ULONG* number) noexcept override {
    *number = 7;
    return S_OK;
  }
};

class thing_with_more final : public thing {
 public:
  explicit thing_with_more(bool has_plex) : has_plex_(has_plex) {}
  HRESULT query_more(REFIID iid, void** out) noexcept override {
    if (!has_plex_ || iid != IID_IVdsDriveAdminStandIn) return E_NOINTERFACE;
    *out = static_cast<IVdsLunNaming*>(this);
    AddRef();
    return S_OK;
  }
  static constexpr GUID IID_IVdsDriveAdminStandIn = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};

 private:
  bool has_plex_;
};

// Answers QueryInterface as only a broken foreign object would.
class liar final : public IUnknown {
 public:
  HRESULT QueryInterface(REFIID, void** out) noexcept override {
    *out = reinterpret_cast<void*>(0x10);
    return E_FAIL;
  }
  ULONG AddRef() noexcept override { return 1; }
  ULONG Release() noexcept override { return 1; }
};

template <class T>
ULONG references(T* p) {
  p->AddRef();
  return p->Release();
}

TEST(com_ptr, the_last_reference_destroys_the_object) {
  {
    const auto a = make<thing>();
    EXPECT_EQ(references(a.get()), 1u);
    const com_ptr<thing> b = a;
    EXPECT_EQ(references(a.get()), 2u);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(com_ptr, moves_copies_and_detaches_keep_the_count) {
  auto a = make<thing>();
  com_ptr<IVdsLunNaming> base = a;
  EXPECT_EQ(references(base.get()), 2u);
  com_ptr<IVdsLunNaming> moved = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): what a moved-from com_ptr is, is promised
  EXPECT_EQ(references(moved.get()), 2u);
  IVdsLunNaming* raw = moved.copy();
  EXPECT_EQ(references(raw), 3u);
  base.attach(raw);
  EXPECT_EQ(references(raw), 2u);
  raw = base.detach();
  EXPECT_FALSE(base);
  raw->Release();
  EXPECT_EQ(references(moved.get()), 1u);
  com_ptr<IVdsLunNaming>& self = moved;
  moved = self;
  EXPECT_EQ(references(moved.get()), 1u);
  moved = nullptr;
  EXPECT_EQ(alive, 0);
}

TEST(com_ptr, put_releases_what_was_held) {
  auto a = make<thing>();
  auto b = make<thing>();
  EXPECT_EQ(b->QueryInterface(__uuidof(IVdsLunNumber), a.put_void()), S_OK);
  EXPECT_EQ(alive, 1);
  (void)a.detach();
  b->Release();
}

TEST(com_ptr, as_finds_the_interfaces_an_object_has_and_only_those) {
  const auto a = make<thing>();
  ULONG number = 0;
  ASSERT_TRUE(a.as<IVdsLunNumber>());
  EXPECT_EQ(a.as<IVdsLunNumber>()->GetLunNumber(&number), S_OK);
  EXPECT_EQ(number, 7u);
  EXPECT_FALSE(a.as<IVdsDrive>());
  EXPECT_FALSE(com_ptr<IUnknown>().as<IVdsDrive>());
  EXPECT_EQ(references(a.get()), 1u);
}

TEST(com_ptr, as_does_not_believe_a_pointer_that_comes_with_a_failure) {
  liar object;
  EXPECT_FALSE(com_ptr<IUnknown>(&object).as<IVdsDrive>());
}

TEST(implements, an_object_has_one_identity) {
  const auto a = make<thing>();
  const auto naming = a.as<IVdsLunNaming>();
  const auto number = a.as<IVdsLunNumber>();
  EXPECT_NE(static_cast<void*>(naming.get()), static_cast<void*>(number.get()));
  EXPECT_EQ(naming.as<IUnknown>(), number.as<IUnknown>());
  EXPECT_TRUE(same_object(naming.get(), number.get()));
  EXPECT_FALSE(same_object(naming.get(), make<thing>()->identity()));
  EXPECT_FALSE(same_object(naming.get(), nullptr));
}

TEST(implements, query_interface_checks_its_pointer_and_clears_it) {
  const auto a = make<thing>();
  EXPECT_EQ(a->QueryInterface(IID_IUnknown, nullptr), E_POINTER);
  void* p = &alive;
  EXPECT_EQ(a->QueryInterface(IID_IVdsDrive, &p), E_NOINTERFACE);
  EXPECT_EQ(p, nullptr);
}

TEST(implements, query_more_adds_interfaces_that_depend) {
  void* p = nullptr;
  EXPECT_EQ(make<thing_with_more>(false)->QueryInterface(thing_with_more::IID_IVdsDriveAdminStandIn, &p),
            E_NOINTERFACE);
  const auto with = make<thing_with_more>(true);
  EXPECT_EQ(with->QueryInterface(thing_with_more::IID_IVdsDriveAdminStandIn, &p), S_OK);
  static_cast<IVdsLunNaming*>(p)->Release();
}

TEST(implements, references_may_come_and_go_on_many_threads) {
  {
    const auto a = make<thing>();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([a] {
        for (int n = 0; n < 10000; ++n) com_ptr<thing> copy = a;
      });
    for (auto& t : threads) t.join();
    EXPECT_EQ(references(a.get()), 1u);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace vds
