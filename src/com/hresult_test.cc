#include "com/hresult.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <system_error>

namespace vds {
namespace {

template <class Exception>
HRESULT at_the_edge(const Exception& thrown) noexcept try {
  throw thrown;
} catch (...) {
  return hresult_from_exception();
}

TEST(hresult, codes_of_vds_and_of_com_have_names_and_texts) {
  EXPECT_EQ(hresult_name(VDS_E_NOT_SUPPORTED), "VDS_E_NOT_SUPPORTED");
  EXPECT_EQ(hresult_name(VDS_S_IN_PROGRESS), "VDS_S_IN_PROGRESS");
  EXPECT_EQ(hresult_name(E_OUTOFMEMORY), "E_OUTOFMEMORY");
  EXPECT_EQ(hresult_name(RPC_E_DISCONNECTED), "RPC_E_DISCONNECTED");
  EXPECT_EQ(hresult_name(server_unavailable), "HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE)");
  EXPECT_EQ(hresult_name(static_cast<HRESULT>(0x8badf00d)), "");
  EXPECT_EQ(hresult_text(VDS_E_NOT_SUPPORTED), "This object cannot do what was asked of it.");
  EXPECT_EQ(describe(static_cast<HRESULT>(0x8badf00d)), "0x8BADF00D");
  EXPECT_EQ(describe(VDS_E_NOT_SUPPORTED),
            "VDS_E_NOT_SUPPORTED (0x80042400): This object cannot do what was asked of it.");
}

TEST(hresult, every_failure_becomes_a_failing_code_that_has_a_name) {
  for (int i = 0; i <= static_cast<int>(errc::internal); ++i) {
    const HRESULT hr = to_hresult(static_cast<errc>(i));
    EXPECT_TRUE(FAILED(hr)) << i;
    EXPECT_NE(hresult_name(hr), "") << i;
  }
  EXPECT_EQ(to_hresult(failure(errc::no_space, "creating a LUN")), VDS_E_NOT_ENOUGH_SPACE);
}

TEST(hresult, an_exception_at_the_edge_becomes_a_code) {
  EXPECT_EQ(at_the_edge(std::bad_alloc()), E_OUTOFMEMORY);
  EXPECT_EQ(at_the_edge(std::length_error("too long")), E_OUTOFMEMORY);
  EXPECT_EQ(at_the_edge(std::system_error(std::make_error_code(std::errc::io_error))), E_FAIL);
  EXPECT_EQ(at_the_edge(std::logic_error("a bug")), E_UNEXPECTED);
  EXPECT_EQ(at_the_edge(42), E_UNEXPECTED);
}

TEST(hresult, a_code_turned_into_a_failure_can_be_branched_on_and_read) {
  const failure f = failure_from_hresult(VDS_E_OBJECT_NOT_FOUND, "opening the LUN");
  EXPECT_EQ(f.code(), errc::not_found);
  EXPECT_NE(f.message().find("opening the LUN: VDS_E_OBJECT_NOT_FOUND"), std::string::npos) << f.message();
  EXPECT_EQ(failure_from_hresult(server_unavailable, "").code(), errc::unavailable);
  EXPECT_EQ(failure_from_hresult(VDS_E_NO_MEDIA, "").code(), errc::internal);
}

TEST(hresult, win32_codes_keep_their_number) {
  EXPECT_EQ(HRESULT_FROM_WIN32(0), S_OK);
  EXPECT_EQ(HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED), E_ACCESSDENIED);
  EXPECT_EQ(HRESULT_FROM_WIN32(HRESULT_FROM_WIN32(5)), E_ACCESSDENIED);
}

}  // namespace
}  // namespace vds
