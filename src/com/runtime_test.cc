// The calls that a Windows program makes of COM, and the context that travels with a call.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "com/call_context.h"
#include "com/com.h"

namespace vds {
namespace {

void on_a_fresh_thread(void (*body)()) { std::thread(body).join(); }

TEST(runtime, initialisation_nests_on_its_thread_and_keeps_its_mode) {
  on_a_fresh_thread([] {
    EXPECT_EQ(CoInitializeEx(nullptr, COINIT_MULTITHREADED), S_OK);
    EXPECT_EQ(CoInitializeEx(nullptr, COINIT_MULTITHREADED | COINIT_DISABLE_OLE1DDE), S_FALSE);
    EXPECT_EQ(CoInitialize(nullptr), RPC_E_CHANGED_MODE);
    CoUninitialize();
    CoUninitialize();
    EXPECT_EQ(CoInitialize(nullptr), S_OK);
    CoUninitialize();
    CoUninitialize();  // once too often is forgiven, as COM does
    EXPECT_EQ(CoInitialize(nullptr), S_OK);
    CoUninitialize();
  });
}

TEST(runtime, task_memory_behaves_as_documented) {
  void* p = CoTaskMemAlloc(0);
  EXPECT_NE(p, nullptr);
  p = CoTaskMemRealloc(p, 100);
  EXPECT_NE(p, nullptr);
  EXPECT_EQ(CoTaskMemRealloc(p, 0), nullptr);
  CoTaskMemFree(nullptr);
}

TEST(runtime, guids_turn_into_text_and_back) {
  WCHAR text[39];
  EXPECT_EQ(StringFromGUID2(CLSID_VdsLoader, text, 38), 0);
  EXPECT_EQ(StringFromGUID2(CLSID_VdsLoader, text, 39), 39);
  EXPECT_EQ(std::wstring(text), L"{9C38ED61-D565-4728-AEEE-C80952F0ECDE}");
  CLSID clsid;
  EXPECT_EQ(CLSIDFromString(text, &clsid), S_OK);
  EXPECT_EQ(clsid, CLSID_VdsLoader);
  EXPECT_EQ(CLSIDFromString(L"9C38ED61-D565-4728-AEEE-C80952F0ECDE", &clsid), CO_E_CLASSSTRING);
  EXPECT_EQ(clsid, CLSID_NULL);
  EXPECT_EQ(IIDFromString(L"{nonsense}", &clsid), CO_E_IIDSTRING);
  EXPECT_EQ(IIDFromString(nullptr, &clsid), S_OK);
  LPWSTR allocated = nullptr;
  EXPECT_EQ(StringFromCLSID(CLSID_VdsLoader, &allocated), S_OK);
  EXPECT_EQ(std::wstring(allocated), text);
  CoTaskMemFree(allocated);
}

TEST(runtime, a_new_guid_is_random_and_of_version_4) {
  GUID a{}, b{};
  EXPECT_EQ(CoCreateGuid(&a), S_OK);
  EXPECT_EQ(CoCreateGuid(&b), S_OK);
  EXPECT_NE(a, b);
  EXPECT_EQ(a.Data3 >> 12, 4);
  EXPECT_EQ(CoCreateGuid(nullptr), E_INVALIDARG);
}

TEST(call_context, is_the_threads_own_and_ends_with_its_scope) {
  EXPECT_FALSE(current_call().operation_id);
  {
    call_context outer;
    outer.caller = "alice";
    const scoped_call in_outer(outer);
    {
      call_context inner;
      inner.operation_id = *parse_guid("5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a02");
      const scoped_call in_inner(inner);
      EXPECT_EQ(current_call().caller, "");
      on_a_fresh_thread([] { EXPECT_FALSE(current_call().operation_id); });
    }
    EXPECT_EQ(current_call().caller, "alice");
  }
  EXPECT_EQ(current_call().caller, "");
}

}  // namespace
}  // namespace vds
