#include "wire/testing/values.h"

#include <algorithm>
#include <cstring>

#include "wire/ndr/marshal.h"

namespace vds::wire::testing {

using ndr::pass;
using ndr::shape;

namespace {

std::byte* plus(void* p, std::size_t n) { return static_cast<std::byte*>(p) + n; }
const std::byte* plus(const void* p, std::size_t n) { return static_cast<const std::byte*>(p) + n; }
// NOLINTBEGIN(bugprone-sizeof-expression): T is a pointer, too, and it is the pointer that is copied.
template <class T>
T load(const void* at) {
  T v;
  std::memcpy(&v, at, sizeof(T));
  return v;
}
template <class T>
void store(void* at, T v) {
  std::memcpy(at, &v, sizeof(T));
}
// NOLINTEND(bugprone-sizeof-expression)
void*& pointer_in(const ndr::arguments& a, std::size_t i) { return *static_cast<void**>(a[i]); }
std::uint32_t number(const ndr::method& m, const ndr::arguments& a, std::size_t i) {
  return load<std::uint32_t>(m.parameters[i].how == pass::value ? a[i] : pointer_in(a, i));
}
void set_number(const ndr::method& m, const ndr::arguments& a, std::size_t i, std::uint32_t n) {
  store(m.parameters[i].how == pass::value ? a[i] : pointer_in(a, i), n);
}
bool counts_by_other(const ndr::parameter& p) {
  return p.how == pass::array || p.how == pass::unique_array || p.how == pass::caller_array ||
         p.how == pass::varying_array;
}
std::string bytes_of(const void* at, std::size_t n) {
  std::string text;
  for (std::size_t i = 0; i < n; ++i) {
    static const char digits[] = "0123456789abcdef";
    const auto b = std::to_integer<unsigned>(plus(at, i)[0]);
    text += digits[b >> 4];
    text += digits[b & 15];
  }
  return text + " ";
}

struct : ndr::object_codec {
  bool marshal(void*, const uuid&, std::vector<std::byte>&) override { return false; }
  bool unmarshal(std::span<const std::byte>, const uuid&, void**) override { return false; }
  void release(void* p) override { static_cast<IUnknown*>(p)->Release(); }
} releasing;

void release_objects(const ndr::type& t, void* at) {
  if (t.form == shape::interface_) {
    if (auto* p = load<IUnknown*>(at)) p->Release();
  }
}

}  // namespace

value_memory::~value_memory() = default;

void* value_memory::allocate(std::size_t bytes) {
  if (bytes == 0) bytes = 1;
  if (co_task_) return std::memset(CoTaskMemAlloc(bytes), 0, bytes);
  blocks_.push_back(std::make_unique<std::byte[]>(bytes));
  return blocks_.back().get();
}

void value_maker::fill_text(wchar_t* at, std::uint32_t units) {
  // Any code point; a supplementary one takes two units of the wire.
  for (std::uint32_t used = 0; used < units;) {
    const std::uint32_t kind = below(8);
    if (kind == 0 && used + 2 <= units) {
      *at++ = static_cast<wchar_t>(0x10000 + below(0x100000));
      used += 2;
    } else {
      *at++ = static_cast<wchar_t>(kind < 4   ? 0x20 + below(0x5f)
                                   : kind < 6 ? 1 + below(0xd7ff)
                                              : 0xe000 + below(0x2000));
      used += 1;
    }
  }
}

wchar_t* value_maker::string(std::uint32_t maximum) {
  const std::uint32_t units = below(4) == 0 ? 0 : below(std::min(40u, maximum));
  auto* at = static_cast<wchar_t*>(mem_.allocate((units + 1) * sizeof(wchar_t)));
  fill_text(at, units);
  return at;
}

void value_maker::fill(const ndr::type& t, void* at, void* base) {
  switch (t.form) {
    case shape::u8:
    case shape::u16:
    case shape::u32:
    case shape::u64:
    case shape::guid:
      for (std::uint32_t i = 0; i < t.size; ++i) *plus(at, i) = static_cast<std::byte>(below(256));
      return;
    case shape::enum16:
      return store(at, below(0x8000));
    case shape::wchar:
      return store(at, static_cast<wchar_t>(below(0xd800)));
    case shape::record:
      return fill_record(t, at);
    case shape::array:
      for (std::uint32_t i = 0; i < t.count; ++i) fill(*t.of, plus(at, std::size_t{i} * t.of->size), at);
      return;
    case shape::text:
      std::memset(at, 0, t.size);
      return fill_text(static_cast<wchar_t*>(at), below(t.count + 1));
    case shape::wide_string:
      return store<void*>(at, below(5) == 0 ? nullptr : string());
    case shape::narrow_string: {
      if (below(5) == 0) return store<void*>(at, nullptr);
      const std::uint32_t n = below(20);
      auto* text = static_cast<char*>(mem_.allocate(n + 1));
      for (std::uint32_t i = 0; i < n; ++i) text[i] = static_cast<char>(1 + below(255));
      return store(at, text);
    }
    case shape::pointer: {
      if (below(4) == 0) return store<void*>(at, nullptr);
      void* target = mem_.allocate(t.of->size);
      fill(*t.of, target, target);
      return store(at, target);
    }
    case shape::counted: {
      const std::uint32_t n = below(5);
      store(plus(base, t.place), n);
      if (n == 0) return store<void*>(at, nullptr);
      auto* first = static_cast<std::byte*>(mem_.allocate(std::size_t{n} * t.of->size));
      for (std::uint32_t i = 0; i < n; ++i)
        fill(*t.of, first + std::size_t{i} * t.of->size, first + std::size_t{i} * t.of->size);
      return store(at, first);
    }
    case shape::interface_:
      return store(at, below(4) == 0 ? nullptr : make_object_(*t.iid).detach());
    case shape::choice: {
      const ndr::arm* chosen = ndr::select(t, base);
      if (chosen && chosen->is) fill(*chosen->is, plus(base, chosen->offset), plus(base, chosen->offset));
      return;
    }
  }
}

void value_maker::fill_record(const ndr::type& t, void* at) {
  const auto later = [](const ndr::type& f) { return f.form == shape::choice || f.form == shape::counted; };
  for (std::uint32_t i = 0; i < t.count; ++i)
    if (!later(*t.fields[i].is)) fill(*t.fields[i].is, plus(at, t.fields[i].offset), at);
  // Discriminants pick an arm; unions that share one pick together.
  for (std::uint32_t i = 0; i < t.count; ++i) {
    const ndr::type& f = *t.fields[i].is;
    if (f.form != shape::choice) continue;
    const std::uint32_t pick = below(f.count + (f.empty_default ? 1 : 0));
    store(plus(at, f.place), pick < f.count ? f.arms[pick].value : 0x7ffe);
  }
  for (std::uint32_t i = 0; i < t.count; ++i)
    if (later(*t.fields[i].is)) fill(*t.fields[i].is, plus(at, t.fields[i].offset), at);
}

void caller_arguments::make(const ndr::method& m, value_maker& values) {
  value_memory& mem = values.memory();
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const ndr::parameter& p = m.parameters[i];
    slots[i] = mem.allocate(p.how == pass::value ? p.is->size : sizeof(void*));
    if (p.in && p.how == pass::value) values.fill(*p.is, slots[i], slots[i]);
  }
  for (std::size_t i = 0; i < m.parameter_count; ++i)  // counts, before what they count
    if (counts_by_other(m.parameters[i]) && m.parameters[m.parameters[i].other].how == pass::value)
      set_number(m, slots, m.parameters[i].other, 1 + values.below(5));
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const ndr::parameter& p = m.parameters[i];
    if (p.how == pass::value) continue;
    if (p.how == pass::string) {
      pointer_in(slots, i) = values.string(p.most ? p.most : 40);
      continue;
    }
    std::size_t count = 1, size = p.is->size;
    if (counts_by_other(p)) count = number(m, slots, p.other);
    if (p.how == pass::counted_result) size = sizeof(void*);
    void* first = mem.allocate(count * size);
    pointer_in(slots, i) = first;
    if (!p.in) {
      std::memset(first, 0xcd, count * size);
      continue;
    }
    for (std::size_t k = 0; k < count; ++k) values.fill(*p.is, plus(first, k * size), plus(first, k * size));
  }
}

void fill_outs(const ndr::method& m, const ndr::arguments& a, value_maker& values) {
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const ndr::parameter& p = m.parameters[i];
    if (p.out && !p.in && p.how == pass::reference) values.fill(*p.is, pointer_in(a, i), pointer_in(a, i));
  }
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const ndr::parameter& p = m.parameters[i];
    void* at = p.how == pass::value ? nullptr : pointer_in(a, i);
    std::uint32_t n = 0;
    switch (p.how) {
      case pass::counted_result:
        n = values.below(5);
        set_number(m, a, p.other, n);
        *static_cast<void**>(at) = n ? values.memory().allocate(std::size_t{n} * p.is->size) : nullptr;
        at = *static_cast<void**>(at);
        break;
      case pass::caller_array:
        n = number(m, a, p.other);
        break;
      case pass::varying_array:
        n = values.below(number(m, a, p.other) + 1);
        set_number(m, a, p.length, n);
        break;
      default:
        continue;
    }
    for (std::uint32_t k = 0; k < n; ++k) {
      void* element = plus(at, std::size_t{k} * p.is->size);
      values.fill(*p.is, element, element);
    }
  }
}

std::string dump(const ndr::type& t, const void* at, const void* base) {
  switch (t.form) {
    case shape::record: {
      std::string all = std::string(t.name) + "{";
      for (std::uint32_t i = 0; i < t.count; ++i) all += dump(*t.fields[i].is, plus(at, t.fields[i].offset), at);
      return all + "} ";
    }
    case shape::array: {
      std::string all;
      for (std::uint32_t i = 0; i < t.count; ++i) all += dump(*t.of, plus(at, std::size_t{i} * t.of->size), at);
      return all;
    }
    case shape::wide_string: {
      const auto* text = load<const wchar_t*>(at);
      return text ? "\"" + bytes_of(text, (std::char_traits<wchar_t>::length(text) + 1) * sizeof(wchar_t)) : "null ";
    }
    case shape::narrow_string: {
      const auto* text = load<const char*>(at);
      return text ? "\"" + bytes_of(text, std::strlen(text) + 1) : "null ";
    }
    case shape::pointer: {
      const void* target = load<const void*>(at);
      return target ? "-> " + dump(*t.of, target, target) : "null ";
    }
    case shape::counted: {
      const auto* first = load<const std::byte*>(at);
      if (!first) return "null ";
      std::string all = "[";
      for (std::uint32_t i = 0; i < load<std::uint32_t>(plus(base, t.place)); ++i)
        all += dump(*t.of, first + std::size_t{i} * t.of->size, first + std::size_t{i} * t.of->size);
      return all + "] ";
    }
    case shape::interface_:
      return load<void*>(at) ? "object " : "null ";
    case shape::choice: {
      const ndr::arm* chosen = ndr::select(t, base);
      if (!chosen || !chosen->is) return "empty ";
      return dump(*chosen->is, plus(base, chosen->offset), plus(base, chosen->offset));
    }
    default:
      return bytes_of(at, t.size);
  }
}

std::string dump_arguments(const ndr::method& m, const ndr::arguments& a, bool out) {
  std::string all;
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const ndr::parameter& p = m.parameters[i];
    if (out ? !p.out : !p.in) continue;
    all += std::string(p.name) + "=";
    const void* at = p.how == pass::value ? a[i] : pointer_in(a, i);
    std::uint32_t n = 1;
    if (counts_by_other(p)) n = number(m, a, p.other);
    if (p.how == pass::varying_array) n = number(m, a, p.length);
    if (p.how == pass::counted_result) {
      n = number(m, a, p.other);
      at = *static_cast<void* const*>(at);
    }
    if (p.how == pass::string) {
      all += dump(ndr::wide_string_type, a[i], a[i]);
      continue;
    }
    if (!at) all += "null ";
    for (std::uint32_t k = 0; at && k < n; ++k) {
      const void* element = plus(at, std::size_t{k} * p.is->size);
      all += dump(*p.is, element, element);
    }
  }
  return all;
}

void release_ins(const ndr::method& m, const ndr::arguments& a) {
  // Structs that go in hold no interface pointers in any interface of ours, so the parameters themselves are all.
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const ndr::parameter& p = m.parameters[i];
    if (p.in && p.how == pass::value) release_objects(*p.is, a[i]);
    if (p.how == pass::inout_unique && pointer_in(a, i))
      ndr::release_value(*p.is, pointer_in(a, i), pointer_in(a, i), releasing);
  }
}

}  // namespace vds::wire::testing
