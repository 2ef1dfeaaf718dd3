#include "wire/ndr/marshal.h"

#include <cstring>

#include "com/com.h"
#include "wire/ndr/text.h"

namespace vds::wire::ndr {

namespace {

constexpr std::uint32_t max_enum16 = 0x7fff;

template <class T>
T load(const void* at) {
  T v;
  std::memcpy(&v, at, sizeof v);
  return v;
}
template <class T>
void store(void* at, T v) {
  std::memcpy(at, &v, sizeof v);
}
const std::byte* plus(const void* p, std::size_t n) { return static_cast<const std::byte*>(p) + n; }
std::byte* plus(void* p, std::size_t n) { return static_cast<std::byte*>(p) + n; }

// Between the flat part and the referent a pointer that is there holds this, never an address.
void* const pending = reinterpret_cast<void*>(std::uintptr_t{1});

}  // namespace

const arm* select(const type& choice, const void* base) {
  const auto discriminant = load<std::int32_t>(plus(base, choice.place));
  for (std::uint32_t i = 0; i < choice.count; ++i)
    if (choice.arms[i].value == discriminant) return &choice.arms[i];
  return nullptr;
}

void value_encoder::flat(const type& t, const void* at, const void* base) {
  switch (t.form) {
    case shape::u8:
      return to.u8(load<std::uint8_t>(at));
    case shape::u16:
      return to.u16(load<std::uint16_t>(at));
    case shape::u32:
      return to.u32(load<std::uint32_t>(at));
    case shape::u64:
      return to.u64(load<std::uint64_t>(at));
    case shape::enum16: {
      const auto v = load<std::uint32_t>(at);
      if (v > max_enum16) to.fail(errc::invalid_argument);
      return to.u16(static_cast<std::uint16_t>(v));
    }
    case shape::wchar:
      return encode_wchar(to, load<wchar_t>(at));
    case shape::guid:
      to.align(4);
      return to.raw(at, 16);
    case shape::record:
      to.align(t.alignment);
      for (std::uint32_t i = 0; i < t.count; ++i) flat(*t.fields[i].is, plus(at, t.fields[i].offset), at);
      return;
    case shape::array:
      if (t.of->form == shape::u8) return to.raw(at, t.count);
      for (std::uint32_t i = 0; i < t.count; ++i) flat(*t.of, plus(at, std::size_t{i} * t.of->size), at);
      return;
    case shape::text:
      return encode_text(to, {static_cast<const wchar_t*>(at), t.count});
    case shape::wide_string:
    case shape::narrow_string:
    case shape::pointer:
    case shape::counted:
    case shape::interface_:
      if (t.form == shape::counted && !load<void*>(at) && load<std::uint32_t>(plus(base, t.place)) != 0)
        to.fail(errc::invalid_argument);  // a count without an array
      return to.referent(load<void*>(at) != nullptr);
    case shape::choice: {
      const auto discriminant = load<std::uint32_t>(plus(base, t.place));
      if (discriminant > max_enum16) to.fail(errc::invalid_argument);
      to.u16(static_cast<std::uint16_t>(discriminant));
      const arm* chosen = select(t, base);
      if (!chosen && !t.empty_default) to.fail(errc::invalid_argument);
      if (chosen && chosen->is) flat(*chosen->is, plus(base, chosen->offset), plus(base, chosen->offset));
      return;
    }
  }
}

void value_encoder::deferred(const type& t, const void* at, const void* base) {
  if (!t.defers || !to.ok()) return;
  if (depth_ == max_depth) return to.fail(errc::too_large);
  ++depth_;
  switch (t.form) {
    case shape::record:
      for (std::uint32_t i = 0; i < t.count; ++i) deferred(*t.fields[i].is, plus(at, t.fields[i].offset), at);
      break;
    case shape::array:
      for (std::uint32_t i = 0; i < t.count; ++i) deferred(*t.of, plus(at, std::size_t{i} * t.of->size), at);
      break;
    case shape::wide_string:
      if (auto text = load<const wchar_t*>(at)) encode_string(to, text);
      break;
    case shape::narrow_string:
      if (auto text = load<const char*>(at)) encode_string(to, text);
      break;
    case shape::pointer:
      if (auto target = load<const void*>(at)) whole(*t.of, target);
      break;
    case shape::counted:
      if (auto first = load<const void*>(at)) {
        const auto count = load<std::uint32_t>(plus(base, t.place));
        to.u32(count);
        elements(*t.of, first, count);
      }
      break;
    case shape::interface_:
      if (auto pointer = load<void*>(at)) object(t, pointer);
      break;
    case shape::choice:
      if (const arm* chosen = select(t, base); chosen && chosen->is)
        deferred(*chosen->is, plus(base, chosen->offset), plus(base, chosen->offset));
      break;
    default:
      break;
  }
  --depth_;
}

void value_encoder::elements(const type& of, const void* first, std::uint32_t count) {
  if (static_cast<std::uint64_t>(count) * of.least > max_call_bytes) return to.fail(errc::too_large);
  if (of.form == shape::u8) return to.raw(first, count);
  for (std::uint32_t i = 0; i < count && to.ok(); ++i) {
    const void* at = plus(first, std::size_t{i} * of.size);
    flat(of, at, at);
  }
  if (!of.defers) return;
  for (std::uint32_t i = 0; i < count && to.ok(); ++i) {
    const void* at = plus(first, std::size_t{i} * of.size);
    deferred(of, at, at);
  }
}

// MInterfacePointer: a conformant struct of a count and that many bytes.
void value_encoder::object(const type& t, void* pointer) {
  scratch_.clear();
  if (!objects_.marshal(pointer, *t.iid, scratch_)) return to.fail(errc::unavailable);
  to.u32(static_cast<std::uint32_t>(scratch_.size()));
  to.u32(static_cast<std::uint32_t>(scratch_.size()));
  to.bytes(scratch_);
}

void value_decoder::flat(const type& t, void* at, void* base) {
  switch (t.form) {
    case shape::u8:
      return store(at, from.u8());
    case shape::u16:
      return store(at, from.u16());
    case shape::u32:
      return store(at, from.u32());
    case shape::u64:
      return store(at, from.u64());
    case shape::enum16: {
      const std::uint32_t v = from.u16();
      if (v > max_enum16) from.fail(errc::protocol);
      return store(at, v);
    }
    case shape::wchar:
      return store(at, decode_wchar(from));
    case shape::guid:
      return store(at, from.id());
    case shape::record:
      from.align(t.alignment);
      for (std::uint32_t i = 0; i < t.count; ++i) flat(*t.fields[i].is, plus(at, t.fields[i].offset), at);
      return;
    case shape::array:
      if (t.of->form == shape::u8) return elements(*t.of, at, t.count);
      for (std::uint32_t i = 0; i < t.count; ++i) flat(*t.of, plus(at, std::size_t{i} * t.of->size), at);
      return;
    case shape::text:
      return decode_text(from, {static_cast<wchar_t*>(at), t.count});
    case shape::wide_string:
    case shape::narrow_string:
    case shape::pointer:
    case shape::counted:
    case shape::interface_:
      return store(at, from.referent() ? pending : nullptr);
    case shape::choice: {
      const std::uint32_t discriminant = from.u16();
      if (discriminant != load<std::uint32_t>(plus(base, t.place))) return from.fail(errc::protocol);
      const arm* chosen = select(t, base);
      if (!chosen && !t.empty_default) return from.fail(errc::protocol);
      if (chosen && chosen->is) flat(*chosen->is, plus(base, chosen->offset), plus(base, chosen->offset));
      return;
    }
  }
}

void value_decoder::deferred(const type& t, void* at, void* base) {
  if (!t.defers || !from.ok()) return;
  if (depth_ == max_depth) return from.fail(errc::too_large);
  ++depth_;
  switch (t.form) {
    case shape::record:
      for (std::uint32_t i = 0; i < t.count; ++i) deferred(*t.fields[i].is, plus(at, t.fields[i].offset), at);
      break;
    case shape::array:
      for (std::uint32_t i = 0; i < t.count; ++i) deferred(*t.of, plus(at, std::size_t{i} * t.of->size), at);
      break;
    case shape::wide_string:
      if (load<void*>(at)) store(at, decode_string(from, mem));
      break;
    case shape::narrow_string:
      if (load<void*>(at)) store(at, decode_narrow_string(from, mem));
      break;
    case shape::pointer:
      if (load<void*>(at)) {
        void* target = allocate(t.of->size);
        store(at, target);
        if (target) whole(*t.of, target);
      }
      break;
    case shape::counted: {
      const auto promised = load<std::uint32_t>(plus(base, t.place));
      if (!load<void*>(at)) {
        if (promised != 0) from.fail(errc::protocol);  // a count without an array is a trap for whoever loops over it
        break;
      }
      const std::uint32_t count = from.count(t.of->least);
      if (count != promised) from.fail(errc::protocol);
      void* first = from.ok() ? allocate(std::uint64_t{count} * t.of->size) : nullptr;
      store(at, first);
      if (first) elements(*t.of, first, count);
      break;
    }
    case shape::interface_:
      if (load<void*>(at)) object(t, static_cast<void**>(at));
      break;
    case shape::choice:
      if (const arm* chosen = select(t, base); chosen && chosen->is)
        deferred(*chosen->is, plus(base, chosen->offset), plus(base, chosen->offset));
      break;
    default:
      break;
  }
  --depth_;
}

void value_decoder::elements(const type& of, void* first, std::uint32_t count) {
  if (of.form == shape::u8) {
    const auto raw = from.bytes(count);
    if (!raw.empty()) std::memcpy(first, raw.data(), raw.size());
    return;
  }
  for (std::uint32_t i = 0; i < count && from.ok(); ++i) {
    void* at = plus(first, std::size_t{i} * of.size);
    flat(of, at, at);
  }
  if (!of.defers) return;
  for (std::uint32_t i = 0; i < count && from.ok(); ++i) {
    void* at = plus(first, std::size_t{i} * of.size);
    deferred(of, at, at);
  }
}

void* value_decoder::allocate(std::uint64_t bytes) {
  void* at = bytes <= max_memory_bytes ? mem.allocate(static_cast<std::size_t>(bytes)) : nullptr;
  if (!at) from.fail(errc::too_large);
  return at;
}

void value_decoder::object(const type& t, void** at) {
  *at = nullptr;
  const std::uint32_t conformance = from.count(1);
  const std::uint32_t count = from.u32();
  if (count != conformance) from.fail(errc::protocol);
  const auto objref = from.bytes(count);
  if (!from.ok()) return;
  void* pointer = nullptr;
  if (!mem.objects().unmarshal(objref, *t.iid, &pointer) || !pointer) return from.fail(errc::protocol);
  mem.adopt(pointer);
  *at = pointer;
}

void release_value(const type& t, void* at, void* base, object_codec& objects) {
  if (!t.defers) return;
  const auto free_block = [at] {
    CoTaskMemFree(load<void*>(at));
    store<void*>(at, nullptr);
  };
  switch (t.form) {
    case shape::record:
      for (std::uint32_t i = 0; i < t.count; ++i)
        release_value(*t.fields[i].is, plus(at, t.fields[i].offset), at, objects);
      return;
    case shape::array:
      for (std::uint32_t i = 0; i < t.count; ++i)
        release_value(*t.of, plus(at, std::size_t{i} * t.of->size), at, objects);
      return;
    case shape::wide_string:
    case shape::narrow_string:
      return free_block();
    case shape::pointer:
      if (auto target = load<void*>(at)) release_value(*t.of, target, target, objects);
      return free_block();
    case shape::counted:
      if (auto first = load<std::byte*>(at); first && t.of->defers) {
        const auto count = load<std::uint32_t>(plus(base, t.place));
        for (std::uint32_t i = 0; i < count; ++i) {
          void* element = first + std::size_t{i} * t.of->size;
          release_value(*t.of, element, element, objects);
        }
      }
      return free_block();
    case shape::interface_:
      if (auto pointer = load<void*>(at)) objects.release(pointer);
      return store<void*>(at, nullptr);
    case shape::choice:
      if (const arm* chosen = select(t, base); chosen && chosen->is)
        release_value(*chosen->is, plus(base, chosen->offset), plus(base, chosen->offset), objects);
      return;
    default:
      return;
  }
}

}  // namespace vds::wire::ndr
