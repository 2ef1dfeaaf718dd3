#include "wire/ndr/method.h"

#include <cstring>

#include "com/com.h"
#include "wire/ndr/text.h"

namespace vds::wire::ndr {

namespace {

// What a pointer parameter's slot holds.
void*& pointer_in(const arguments& a, std::size_t i) { return *static_cast<void**>(a[i]); }

bool is_pointer_pass(pass how) { return how != pass::value; }

bool may_be_null(const parameter& p) {
  return p.how == pass::unique_array || p.how == pass::inout_unique || p.optional;
}

// The number that another parameter holds: a ULONG or LONG in the slot, or behind the pointer in it.
std::uint32_t number(const method& m, const arguments& a, std::size_t i) {
  const void* at = m.parameters[i].how == pass::value ? a[i] : pointer_in(a, i);
  std::uint32_t n = 0;
  if (at) std::memcpy(&n, at, sizeof n);
  return n;
}

void* element(const type& of, void* first, std::uint32_t i) {
  return static_cast<std::byte*>(first) + std::size_t{i} * of.size;
}

}  // namespace

bool check_call(const method& m, arguments& a, void*& spare_slot, std::uint64_t& spare) {
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const parameter& p = m.parameters[i];
    if (p.optional && !pointer_in(a, i)) {
      spare_slot = &spare;
      a[i] = &spare_slot;
    }
    if (is_pointer_pass(p.how) && !may_be_null(p) && !pointer_in(a, i)) {
      // An array of no elements may come without memory.
      const bool empty_array = (p.how == pass::array || p.how == pass::caller_array) && number(m, a, p.other) == 0;
      if (!empty_array) return false;
    }
    const bool counts = p.how == pass::array || p.how == pass::unique_array || p.how == pass::caller_array ||
                        p.how == pass::varying_array;
    if (counts) {
      const std::uint32_t n = number(m, a, p.other);
      if (static_cast<std::int32_t>(n) < 0) return false;
      if (p.how == pass::unique_array && n != 0 && !pointer_in(a, i)) return false;
    }
  }
  return true;
}

void clear_outs(const method& m, const arguments& a) {
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const parameter& p = m.parameters[i];
    if (!p.out || p.in || !pointer_in(a, i)) continue;
    std::size_t bytes = p.is->size;
    if (p.how == pass::counted_result) bytes = sizeof(void*);
    if (p.how == pass::caller_array || p.how == pass::varying_array) bytes *= number(m, a, p.other);
    std::memset(pointer_in(a, i), 0, bytes);
  }
}

void encode_request(value_encoder& to, const method& m, const arguments& a) {
  for (std::size_t i = 0; i < m.parameter_count && to.to.ok(); ++i) {
    const parameter& p = m.parameters[i];
    if (!p.in) continue;
    switch (p.how) {
      case pass::value:
        if (p.most != 0 && p.is->form == shape::u32) {
          const std::uint32_t n = number(m, a, i);
          if (n < p.least || n > p.most) to.to.fail(errc::invalid_argument);
        }
        to.whole(*p.is, a[i]);
        break;
      case pass::reference:
        to.whole(*p.is, pointer_in(a, i));
        break;
      case pass::string:
        encode_string(to.to, static_cast<const wchar_t*>(pointer_in(a, i)), p.most);
        break;
      case pass::unique_array:
        to.to.referent(pointer_in(a, i) != nullptr);
        if (!pointer_in(a, i)) break;
        [[fallthrough]];
      case pass::array: {
        const std::uint32_t n = number(m, a, p.other);
        to.to.u32(n);
        to.elements(*p.is, pointer_in(a, i), n);
        break;
      }
      case pass::inout_unique:
        to.to.referent(pointer_in(a, i) != nullptr);
        if (pointer_in(a, i)) to.whole(*p.is, pointer_in(a, i));
        break;
      default:
        to.to.fail(errc::internal);
    }
  }
}

namespace {

// An [in] array: its count on the wire is all that is allocated; whether it is also what the counting parameter says
// is asked once that has been decoded, because it may stand after the array.
void decode_in_array(value_decoder& from, const parameter& p, void*& slot, std::uint32_t& got) {
  got = from.from.count(p.is->least);
  void* first = from.from.ok() ? from.allocate(std::uint64_t{got} * p.is->size) : nullptr;
  slot = first;
  if (first) from.elements(*p.is, first, got);
}

bool is_in_array(const parameter& p) { return p.how == pass::array || p.how == pass::unique_array; }

void make_room_for_outs(value_decoder& from, const method& m, const arguments& a) {
  for (std::size_t i = 0; i < m.parameter_count && from.from.ok(); ++i) {
    const parameter& p = m.parameters[i];
    if (!p.out || p.in) continue;
    std::uint64_t bytes = p.how == pass::counted_result ? sizeof(void*) : p.is->size;
    if (p.how == pass::caller_array || p.how == pass::varying_array) {
      bytes *= number(m, a, p.other);
      if (bytes > max_caller_array_bytes) return from.from.fail(errc::too_large);
    }
    pointer_in(a, i) = from.allocate(bytes);
  }
}

}  // namespace

void decode_request(value_decoder& from, const method& m, arguments& a) {
  std::array<std::uint32_t, max_parameters> got{};
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const parameter& p = m.parameters[i];
    a[i] = from.allocate(p.how == pass::value ? p.is->size : sizeof(void*));
    if (!from.from.ok()) return;
    if (!p.in) continue;
    switch (p.how) {
      case pass::value:
        from.whole(*p.is, a[i]);
        if (p.most != 0 && p.is->form == shape::u32 && (number(m, a, i) < p.least || number(m, a, i) > p.most))
          from.from.fail(errc::protocol);
        break;
      case pass::reference:
        pointer_in(a, i) = from.allocate(p.is->size);
        if (from.from.ok()) from.whole(*p.is, pointer_in(a, i));
        break;
      case pass::string:
        pointer_in(a, i) = decode_string(from.from, from.mem, p.most);
        break;
      case pass::unique_array:
        if (!from.from.referent()) break;
        [[fallthrough]];
      case pass::array:
        decode_in_array(from, p, pointer_in(a, i), got[i]);
        break;
      case pass::inout_unique:
        if (!from.from.referent()) break;
        pointer_in(a, i) = from.allocate(p.is->size);
        if (from.from.ok()) from.whole(*p.is, pointer_in(a, i));
        break;
      default:
        from.from.fail(errc::internal);
    }
    if (!from.from.ok()) return;
  }
  for (std::size_t i = 0; i < m.parameter_count; ++i)
    if (is_in_array(m.parameters[i]) && number(m, a, m.parameters[i].other) != got[i]) from.from.fail(errc::protocol);
  make_room_for_outs(from, m, a);
  if (!from.from.ok()) return;
  // COM's rule for [in, out]: the callee releases what came in when it puts something else there.
  for (std::size_t i = 0; i < m.parameter_count; ++i)
    if (m.parameters[i].how == pass::inout_unique && pointer_in(a, i))
      from.mem.disown(*static_cast<void**>(pointer_in(a, i)));
}

void encode_reply(value_encoder& to, const method& m, const arguments& a) {
  for (std::size_t i = 0; i < m.parameter_count && to.to.ok(); ++i) {
    const parameter& p = m.parameters[i];
    if (!p.out) continue;
    void* at = pointer_in(a, i);
    switch (p.how) {
      case pass::reference:
        to.whole(*p.is, at);
        break;
      case pass::counted_result: {
        void* first = *static_cast<void**>(at);
        const std::uint32_t n = number(m, a, p.other);
        to.to.referent(first != nullptr);
        if (!first && n != 0) to.to.fail(errc::invalid_argument);
        if (!first) break;
        to.to.u32(n);
        to.elements(*p.is, first, n);
        break;
      }
      case pass::caller_array: {
        const std::uint32_t n = number(m, a, p.other);
        to.to.u32(n);
        to.elements(*p.is, at, n);
        break;
      }
      case pass::varying_array: {
        const std::uint32_t room = number(m, a, p.other);
        const std::uint32_t n = number(m, a, p.length);
        if (n > room) to.to.fail(errc::invalid_argument);
        to.to.u32(room);
        to.to.u32(0);
        to.to.u32(n);
        if (to.to.ok()) to.elements(*p.is, at, n);
        break;
      }
      case pass::inout_unique:
        to.to.referent(at != nullptr);
        if (at) to.whole(*p.is, at);
        break;
      default:
        to.to.fail(errc::internal);
    }
  }
}

void release_outs(const method& m, const arguments& a, object_codec& objects) {
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const parameter& p = m.parameters[i];
    if (!p.out || !a[i] || !pointer_in(a, i)) continue;
    void* at = pointer_in(a, i);
    std::uint32_t n = 0;
    switch (p.how) {
      case pass::reference:
      case pass::inout_unique:
        release_value(*p.is, at, at, objects);
        break;
      case pass::counted_result:
        if (void*& first = *static_cast<void**>(at)) {
          n = p.is->defers ? number(m, a, p.other) : 0;
          for (std::uint32_t k = 0; k < n; ++k)
            release_value(*p.is, element(*p.is, first, k), element(*p.is, first, k), objects);
          CoTaskMemFree(first);
          first = nullptr;
        }
        break;
      case pass::caller_array:
      case pass::varying_array:
        n = p.is->defers ? number(m, a, p.other) : 0;
        for (std::uint32_t k = 0; k < n; ++k)
          release_value(*p.is, element(*p.is, at, k), element(*p.is, at, k), objects);
        break;
      default:
        break;
    }
  }
}

void decode_reply(value_decoder& from, const method& m, const arguments& a) {
  std::array<std::uint32_t, max_parameters> got{};
  for (std::size_t i = 0; i < m.parameter_count && from.from.ok(); ++i) {
    const parameter& p = m.parameters[i];
    if (!p.out) continue;
    void* at = pointer_in(a, i);
    switch (p.how) {
      case pass::reference:
        from.whole(*p.is, at);
        break;
      case pass::counted_result: {
        if (!from.from.referent()) break;
        got[i] = from.from.count(p.is->least);
        void* first = from.from.ok() ? from.allocate(std::uint64_t{got[i]} * p.is->size) : nullptr;
        *static_cast<void**>(at) = first;
        if (first) from.elements(*p.is, first, got[i]);
        break;
      }
      case pass::caller_array: {
        const std::uint32_t n = from.from.u32();
        if (n != number(m, a, p.other)) from.from.fail(errc::protocol);
        if (from.from.ok()) from.elements(*p.is, at, n);
        break;
      }
      case pass::varying_array: {
        const std::uint32_t room = from.from.u32();
        const std::uint32_t offset = from.from.u32();
        got[i] = from.from.count(p.is->least);
        if (room != number(m, a, p.other) || offset != 0 || got[i] > room) from.from.fail(errc::protocol);
        if (from.from.ok()) from.elements(*p.is, at, got[i]);
        break;
      }
      case pass::inout_unique:
        if (from.from.referent() != (at != nullptr)) from.from.fail(errc::protocol);
        if (!at) break;
        release_value(*p.is, at, at, from.mem.objects());
        if (from.from.ok()) from.whole(*p.is, at);
        break;
      default:
        from.from.fail(errc::internal);
    }
  }
  for (std::size_t i = 0; i < m.parameter_count && from.from.ok(); ++i) {
    const parameter& p = m.parameters[i];
    if (p.how == pass::counted_result && number(m, a, p.other) != got[i]) from.from.fail(errc::protocol);
    if (p.how == pass::varying_array && number(m, a, p.length) != got[i]) from.from.fail(errc::protocol);
  }
  if (from.from.ok()) return;
  for (std::size_t i = 0; i < m.parameter_count; ++i)
    if (m.parameters[i].how == pass::inout_unique && pointer_in(a, i))
      std::memset(pointer_in(a, i), 0, m.parameters[i].is->size);
}

}  // namespace vds::wire::ndr
