#include "com/strings.h"

#include <gtest/gtest.h>

#include <string>

#include "com/memory.h"

using namespace std::string_literals;

namespace vds {
namespace {

TEST(strings, text_survives_every_round_trip) {
  for (const auto& [utf8, wide, utf16] : {std::tuple{""s, L""s, u""s},
                                          {"LUN 1"s, L"LUN 1"s, u"LUN 1"s},
                                          {"\xc3\xa9\xe2\x82\xac"s, L"\u00e9\u20ac"s, u"\u00e9\u20ac"s},
                                          {"\xf0\x9f\x92\xbe"s, L"\U0001f4be"s, u"\U0001f4be"s},
                                          {"a\0b"s, L"a\0b"s, u"a\0b"s},
                                          {"\xf4\x8f\xbf\xbf"s, L"\U0010ffff"s, u"\U0010ffff"s}}) {
    EXPECT_EQ(to_wide(utf8), wide);
    EXPECT_EQ(to_utf16(utf8), utf16);
    EXPECT_EQ(to_utf8(wide), utf8);
    EXPECT_EQ(to_utf16(wide), utf16);
    EXPECT_EQ(to_utf8(utf16), utf8);
    EXPECT_EQ(to_wide(utf16), wide);
  }
}

TEST(strings, what_is_not_text_becomes_the_replacement_character) {
  EXPECT_EQ(to_wide("a\xff"s), L"a\ufffd");
  EXPECT_EQ(to_wide("\xc3"s), L"\ufffd") << "cut off";
  EXPECT_EQ(to_wide("\xc3z"s), L"\ufffdz") << "the next character is not swallowed";
  EXPECT_EQ(to_wide("\xc0\x80"s), L"\ufffd\ufffd") << "overlong zero";
  EXPECT_EQ(to_wide("\xe0\x80\x80"s), L"\ufffd\ufffd\ufffd") << "overlong";
  EXPECT_EQ(to_wide("\xed\xa0\x80"s), L"\ufffd\ufffd\ufffd") << "surrogate in UTF-8";
  EXPECT_EQ(to_wide("\xf4\x90\x80\x80"s), L"\ufffd\ufffd\ufffd\ufffd") << "above the last code point";
  EXPECT_EQ(to_utf8(std::wstring(1, static_cast<wchar_t>(0x110000))), "\xef\xbf\xbd");
  EXPECT_EQ(to_utf8(std::wstring(1, static_cast<wchar_t>(0xd800))), "\xef\xbf\xbd");
  EXPECT_EQ(to_wide(std::u16string(1, char16_t{0xd83d})), L"\ufffd") << "half a pair";
  EXPECT_EQ(to_wide(std::u16string{char16_t{0xd83d}, u'x'}), L"\ufffdx");
  EXPECT_EQ(to_wide(std::u16string(1, char16_t{0xdc00})), L"\ufffd");
}

TEST(strings, a_null_string_is_empty) { EXPECT_EQ(to_utf8(static_cast<const wchar_t*>(nullptr)), ""); }

TEST(strings, a_task_string_is_terminated_and_freed_by_its_receiver) {
  const co_task_ptr<wchar_t> text(co_task_string("LUN \xc3\xa9"));
  EXPECT_EQ(std::wstring(text.get()), L"LUN \u00e9");
  const co_task_ptr<wchar_t> empty(co_task_string(""));
  EXPECT_EQ(empty.get()[0], L'\0');
}

TEST(strings, guids_keep_their_text_in_either_form) {
  const auto id = parse_guid("9c38ed61-d565-4728-aeee-c80952f0ecde");
  ASSERT_TRUE(id);
  EXPECT_EQ(to_com(*id), CLSID_VdsLoader);
  EXPECT_EQ(from_com(CLSID_VdsLoader), *id);
}

TEST(memory, is_zeroed_and_refuses_sizes_that_wrap) {
  const co_task_ptr<int> numbers(co_task_alloc<int>(3));
  EXPECT_EQ(numbers.get()[0] | numbers.get()[1] | numbers.get()[2], 0);
  EXPECT_THROW(co_task_alloc<int>(~std::size_t{0} / 2), std::bad_alloc);
  const int values[] = {1, 2};
  const co_task_ptr<int> copy(co_task_copy(std::span(values)));
  EXPECT_EQ(copy.get()[1], 2);
}

}  // namespace
}  // namespace vds
