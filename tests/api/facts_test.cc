// The part of the facts that only a running program can look at: see facts_checks.py.
#include <gtest/gtest.h>

#include "com/hresult.h"
#include "facts_checks.h"

std::vector<slot_fact>& slot_facts() {
  static std::vector<slot_fact> facts;
  return facts;
}
std::vector<id_fact>& id_facts() {
  static std::vector<id_fact> facts;
  return facts;
}

namespace {

TEST(facts, every_method_stands_in_its_vtable_slot) {
  ASSERT_GT(slot_facts().size(), 276u);
  for (const slot_fact& fact : slot_facts()) EXPECT_EQ(fact.actual, fact.expected) << fact.name;
}

TEST(facts, every_id_that_the_library_exports_has_the_published_value) {
  ASSERT_GT(id_facts().size(), 74u + 11u);
  for (const id_fact& fact : id_facts()) EXPECT_TRUE(*fact.actual == fact.expected) << fact.name;
}

TEST(facts, some_ids_as_anybody_can_look_them_up) {
  EXPECT_EQ(IID_IVdsAsync, (GUID{0xd5d23b6d, 0x5a55, 0x4492, {0x98, 0x89, 0x39, 0x7a, 0x3c, 0x2d, 0x2d, 0xbc}}));
  EXPECT_EQ(CLSID_VdsLoader, (GUID{0x9c38ed61, 0xd565, 0x4728, {0xae, 0xee, 0xc8, 0x09, 0x52, 0xf0, 0xec, 0xde}}));
}

}  // namespace
