// facts_checks.h: what the generated checks are written with. Most facts are asserted at compile time; slots of C++
// vtables and the ids that are symbols of the library are collected here for facts_test.cc.
#pragma once

#include <guiddef.h>

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

template <class A, class B>
inline constexpr bool same = std::is_same_v<A, B>;

// Whether an enumerator is one of this enum's, and not of another's with the same value.
template <class Enum, class Value>
constexpr bool in(Value) {
  return std::is_same_v<Enum, Value>;
}

constexpr bool equal(const GUID& a, const GUID& b) {
  for (int i = 0; i < 8; ++i)
    if (a.Data4[i] != b.Data4[i]) return false;
  return a.Data1 == b.Data1 && a.Data2 == b.Data2 && a.Data3 == b.Data3;
}

// The Itanium ABI's pointer to a virtual member function is the offset of its slot in the vtable, marked by the lowest
// bit: of the first word, plus one, or of the second on machines (AArch64) whose code addresses may be odd.
template <class Method>
std::size_t slot_of(Method method) {
  std::ptrdiff_t words[2];
  static_assert(sizeof(method) == sizeof(words));
  std::memcpy(words, &method, sizeof(words));
  const std::ptrdiff_t offset = words[0] & 1 ? words[0] - 1 : words[0];
  return static_cast<std::size_t>(offset) / sizeof(void*);
}

struct slot_fact {
  const char* name;
  std::size_t expected;
  std::size_t actual;
};
struct id_fact {
  const char* name;
  const GUID* actual;
  GUID expected;
};

std::vector<slot_fact>& slot_facts();
std::vector<id_fact>& id_facts();

template <std::size_t Slots, std::size_t Ids>
bool add_facts(const slot_fact (&slots)[Slots], const id_fact (&ids)[Ids]) {
  slot_facts().insert(slot_facts().end(), slots, slots + Slots);
  id_facts().insert(id_facts().end(), ids, ids + Ids);
  return true;
}
