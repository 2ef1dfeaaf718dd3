#include <gtest/gtest.h>

#include "iscsi/pdu/header_check.h"
#include "iscsi/pdu/iscsi_name.h"
#include "iscsi/pdu/text.h"

namespace vds::iscsi {
namespace {

using namespace std::string_literals;

auto parsed(const std::string& text) { return parse_text(std::as_bytes(std::span(text))); }

TEST(text, pairs_come_in_order_and_padding_is_no_pair) {
  const std::string said = "A=1\0B=\0C=x=y\0\0\0"s;
  const auto pairs = parsed(said);
  ASSERT_TRUE(pairs);
  ASSERT_EQ(pairs->size(), 3u);
  EXPECT_EQ((*pairs)[0].value, "1");
  EXPECT_EQ((*pairs)[1].value, "");
  EXPECT_EQ((*pairs)[2].value, "x=y");
  EXPECT_TRUE(parsed("")->empty());
  EXPECT_TRUE(parsed("\0\0\0"s)->empty());
}

TEST(text, what_is_no_text_is_refused) {
  for (const std::string& wrong : {"A=1"s, "A\0"s, "=1\0"s, "A B=1\0"s, "A=1\0\0B=2\0"s, std::string(64, 'k') + "=1\0"s,
                                   "K="s + std::string(256, 'v') + "\0"s, "\x80=1\0"s})
    EXPECT_FALSE(parsed(wrong)) << wrong;
  EXPECT_TRUE(parsed("AuthMethod="s + std::string(256, 'v') + "\0"s));
  std::string many;
  for (int i = 0; i < 64; ++i) many += "a=b\0"s;
  EXPECT_TRUE(parsed(many));
  EXPECT_FALSE(parsed(many + "a=b\0"s));
}

TEST(text, an_answer_stops_at_its_limit) {
  text_writer w(10);
  w.add("abc", "def");
  EXPECT_EQ(w.text(), "abc=def\0"s);
  w.add("a", "b");
  EXPECT_TRUE(w.overflowed());
  EXPECT_EQ(w.text(), "abc=def\0"s);
}

TEST(text, numbers_are_whole_and_fit) {
  EXPECT_EQ(parse_number("4294967295").value(), 0xffffffffu);
  EXPECT_EQ(parse_number("0xfF").value(), 255u);
  for (const char* wrong : {"", "4294967296", "-1", "+1", " 1", "1 ", "0x", "0x100000000", "1e3", "12345678901"})
    EXPECT_FALSE(parse_number(wrong)) << wrong;
}

TEST(names, compare_in_lower_case_and_have_a_known_form) {
  EXPECT_EQ(normalised_name("IQN.2026-01.Org:Disk"), "iqn.2026-01.org:disk");
  for (const char* wrong : {"", "iqn", "disk", "iqn.a b", "iqn.a/b", "iqn.a;b", "iqn.a\n"})
    EXPECT_FALSE(normalised_name(wrong)) << wrong;
  EXPECT_FALSE(normalised_name("iqn." + std::string(220, 'a')));
}

TEST(headers, lengths_are_checked_before_anything_is_read) {
  bhs h;
  h.opcode_byte = 0x43;
  h.data_length = 8192;
  EXPECT_TRUE(check_header(h, phase::login, 8192));
  h.data_length = 8193;
  EXPECT_FALSE(check_header(h, phase::login, 1 << 20));
  h.opcode_byte = 0x01;
  h.data_length = 4097;
  EXPECT_FALSE(check_header(h, phase::full_feature, 4096));
  EXPECT_FALSE(check_header(h, phase::login, 1 << 20));
  h.data_length = 0;
  h.ahs_words = 4;
  EXPECT_TRUE(check_header(h, phase::full_feature, 4096));
  h.opcode_byte = 0x05;
  EXPECT_FALSE(check_header(h, phase::full_feature, 4096));
  h.ahs_words = 0;
  h.opcode_byte = 0x02;
  h.data_length = 4;
  EXPECT_FALSE(check_header(h, phase::full_feature, 4096));
}

TEST(headers, additional_segments_stay_within_their_room) {
  auto ahs = [](std::initializer_list<int> bytes) {
    std::vector<std::byte> b;
    for (const int v : bytes) b.push_back(static_cast<std::byte>(v));
    return b;
  };
  const auto bidi = ahs({0, 5, 2, 0, 0, 0, 16, 0});
  EXPECT_EQ(parse_ahs(bidi)->bidi_read_length, 4096u);
  const auto cdb = ahs({0, 5, 1, 0, 1, 2, 3, 4});
  EXPECT_EQ(parse_ahs(cdb)->extended_cdb.size(), 4u);
  for (const auto& wrong : {ahs({0, 0, 1, 0}), ahs({0xff, 0xff, 1, 0}), ahs({0, 6, 1, 0, 1, 2, 3, 4}),
                            ahs({0, 2, 2, 0, 0}), ahs({0, 5, 9, 0, 0, 0, 0, 0}), ahs({0, 1})})
    EXPECT_FALSE(parse_ahs(wrong));
}

}  // namespace
}  // namespace vds::iscsi
