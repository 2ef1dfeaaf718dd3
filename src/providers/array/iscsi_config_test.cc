// What is kept of targets, portals and associations: it comes back as it was, and damage is refused with words.
#include "providers/array/iscsi_config.h"

#include <gtest/gtest.h>

#include <string_view>

namespace vds::array_provider {
namespace {

iscsi::chap_secret secret(std::string_view s) { return iscsi::chap_secret::from(std::as_bytes(std::span(s))).value(); }
setting_bytes bytes(std::string_view s) {
  const auto all = std::as_bytes(std::span(s));
  return {all.begin(), all.end()};
}

iscsi_target example() {
  iscsi_target t;
  t.id = guid{{1, 2}};
  t.iqn = "iqn.2026-11.internal.vds:x";
  t.name = "gr\xc3\xbcn";
  t.groups = {{guid{{3}}, 1, {guid{}, guid{{4}}}}, {guid{{5}}, 7, {}}};
  t.secrets.everybody = secret("everybody's secret");
  t.secrets.initiators.emplace("iqn.2026-01.test:i", secret("one of its own"));
  t.secrets.ours.emplace("iqn.2026-01.test:i", secret("what we prove"));
  return t;
}

TEST(iscsi_settings, come_back_as_they_were) {
  const auto t = decode_target(encode(example()));
  ASSERT_TRUE(t) << t.error().message();
  EXPECT_EQ(t->name, example().name);
  ASSERT_EQ(t->groups.size(), 2u);
  EXPECT_EQ(t->groups[0].portals, example().groups[0].portals);
  EXPECT_EQ(t->groups[1].tag, 7);
  EXPECT_TRUE(t->secrets.everybody->same(*example().secrets.everybody));
  EXPECT_TRUE(t->secrets.ours.at("iqn.2026-01.test:i").same(secret("what we prove")));
  EXPECT_EQ(encode(*t), encode(example()));
  const auto p = decode_portal(encode(iscsi_portal{guid{{9}}, "10.0.0.1:3260", true}));
  ASSERT_TRUE(p);
  EXPECT_EQ(p->address, "10.0.0.1:3260");
  EXPECT_TRUE(p->offline);
  EXPECT_EQ(decode_association(encode(std::vector<guid>{guid{{7}}})).value(), std::vector<guid>{guid{{7}}});
  const auto o = decode_operations(encode(std::vector<iscsi_operation>{{guid{{1}}, guid{{2}}, 62}}));
  ASSERT_TRUE(o);
  EXPECT_EQ(o->at(0).type, 62u);
}

TEST(iscsi_settings, of_a_later_version_are_refused_with_words) {
  const auto t = decode_target(bytes(R"({"version":2})"));
  EXPECT_EQ(t.error().code(), errc::too_new);
  EXPECT_NE(t.error().message().find("version 2"), std::string::npos);
}

TEST(iscsi_settings, cut_anywhere_or_with_any_byte_changed_are_refused_or_read_and_never_more) {
  const setting_bytes whole = encode(example());
  for (std::size_t cut = 0; cut < whole.size(); ++cut) EXPECT_FALSE(decode_target(std::span(whole).first(cut))) << cut;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x22, 0x7b, 0x39, 0xff}) {
      auto damaged = whole;
      damaged[at] = static_cast<std::byte>(value);
      (void)decode_target(damaged);
      (void)decode_portal(damaged);
      (void)decode_association(damaged);
      (void)decode_operations(damaged);
    }
  }
}

TEST(iscsi_settings, that_cannot_be_are_refused) {
  auto t = example();
  t.groups[1].tag = 1;
  EXPECT_FALSE(decode_target(encode(t)));  // two groups of one tag
  t = example();
  t.groups[1].portals = {guid{}};
  EXPECT_FALSE(decode_target(encode(t)));  // a portal in two groups
  t = example();
  t.iqn = "not a name";
  EXPECT_FALSE(decode_target(encode(t)));
  t = example();
  t.secrets.ours.insert_or_assign("iqn.2026-01.test:i", secret("one of its own"));
  EXPECT_FALSE(decode_target(encode(t)));  // its own answer
  EXPECT_FALSE(decode_target(bytes("[]")));
  EXPECT_FALSE(decode_target(bytes(std::string(10000, '['))));
  EXPECT_FALSE(decode_association(bytes(R"({"version":1,"targets":["x"]})")));
}

}  // namespace
}  // namespace vds::array_provider
