#include "wire/ndr/text.h"

#include <cstring>

namespace vds::wire::ndr {

namespace {

constexpr std::uint32_t last_code_point = 0x10ffff;
constexpr bool is_high(std::uint32_t u) { return u >= 0xd800 && u < 0xdc00; }
constexpr bool is_low(std::uint32_t u) { return u >= 0xdc00 && u < 0xe000; }
// wchar_t is signed: what is no code point becomes a number that is none either.
constexpr std::uint32_t number_of(wchar_t c) { return static_cast<std::uint32_t>(std::int32_t{c}); }
constexpr bool is_code_point(std::uint32_t c) { return c <= last_code_point && (c < 0xd800 || c > 0xdfff); }

// UTF-16 units of text up to its NUL or the end of the view; 0 and failure for what is no text.
std::uint32_t units(encoder& to, std::span<const wchar_t> text) {
  std::uint32_t n = 0;
  for (const wchar_t wide : text) {
    const auto c = number_of(wide);
    if (c == 0) break;
    if (!is_code_point(c)) to.fail(errc::invalid_argument);
    n += c > 0xffff ? 2 : 1;
  }
  return n;
}

void put_units(encoder& to, std::span<const wchar_t> text) {
  for (const wchar_t wide : text) {
    const auto c = number_of(wide);
    if (c == 0) return;
    if (c > 0xffff) {
      to.u16(static_cast<std::uint16_t>(0xd7c0 + (c >> 10)));
      to.u16(static_cast<std::uint16_t>(0xdc00 + (c & 0x3ff)));
    } else {
      to.u16(static_cast<std::uint16_t>(c));
    }
  }
}

// Units into code points, up to the first NUL; the number written, or -1 for malformed UTF-16. out is large enough for
// as many code points as there are units.
std::int64_t get_units(std::span<const std::byte> raw, wchar_t* out) {
  std::int64_t n = 0;
  for (std::size_t i = 0; i + 1 < raw.size(); i += 2) {
    const auto at = [&](std::size_t k) {
      return std::to_integer<std::uint32_t>(raw[k]) | std::to_integer<std::uint32_t>(raw[k + 1]) << 8;
    };
    std::uint32_t c = at(i);
    if (c == 0) break;
    if (is_low(c)) return -1;
    if (is_high(c)) {
      if (i + 3 >= raw.size() || !is_low(at(i + 2))) return -1;
      c = 0x10000 + ((c - 0xd800) << 10) + (at(i + 2) - 0xdc00);
      i += 2;
    }
    out[n++] = static_cast<wchar_t>(c);
  }
  return n;
}

// The header of a [string]; the units that follow, with the terminator, or 0 after a failure.
std::uint32_t string_units(decoder& from, std::size_t unit_bytes, std::uint32_t maximum) {
  const std::uint32_t conformance = from.u32();
  const std::uint32_t offset = from.u32();
  const std::uint32_t actual = from.count(unit_bytes);
  if (offset != 0 || actual == 0 || actual > conformance || (maximum != 0 && conformance > maximum))
    from.fail(errc::protocol);
  return from.ok() ? actual : 0;
}

}  // namespace

void encode_string(encoder& to, const wchar_t* text, std::uint32_t maximum) {
  const std::span view(text, std::char_traits<wchar_t>::length(text));
  if (view.size() > max_call_bytes) return to.fail(errc::too_large);
  const std::uint32_t n = units(to, view) + 1;
  if (maximum != 0 && n > maximum) return to.fail(errc::invalid_argument);
  to.u32(maximum ? maximum : n);
  to.u32(0);
  to.u32(n);
  put_units(to, view);
  to.u16(0);
}

wchar_t* decode_string(decoder& from, memory& mem, std::uint32_t maximum) {
  const std::uint32_t n = string_units(from, 2, maximum);
  const auto raw = from.bytes(std::size_t{n} * 2);
  if (!from.ok()) return nullptr;
  auto* text = static_cast<wchar_t*>(mem.allocate(std::size_t{n} * sizeof(wchar_t)));
  if (!text) {
    from.fail(errc::out_of_memory);
    return nullptr;
  }
  // The last unit is the only NUL. A supplementary character makes fewer code points than units, so compare units.
  const bool terminated = raw[raw.size() - 1] == std::byte{} && raw[raw.size() - 2] == std::byte{};
  const std::int64_t got = terminated ? get_units(raw, text) : -1;
  std::uint32_t used = 1;
  for (std::int64_t i = 0; i < got; ++i) used += static_cast<std::uint32_t>(text[i]) > 0xffff ? 2 : 1;
  if (got < 0 || used != n) from.fail(errc::protocol);
  return text;
}

void encode_string(encoder& to, const char* text) {
  const std::size_t n = std::strlen(text) + 1;
  if (n > max_call_bytes) return to.fail(errc::too_large);
  to.u32(static_cast<std::uint32_t>(n));
  to.u32(0);
  to.u32(static_cast<std::uint32_t>(n));
  to.raw(text, n);
}

char* decode_narrow_string(decoder& from, memory& mem) {
  const std::uint32_t n = string_units(from, 1, 0);
  const auto raw = from.bytes(n);
  if (!from.ok()) return nullptr;
  auto* text = static_cast<char*>(mem.allocate(n));
  if (!text) {
    from.fail(errc::out_of_memory);
    return nullptr;
  }
  std::memcpy(text, raw.data(), n);
  if (std::memchr(text, 0, n) != text + n - 1) {
    from.fail(errc::protocol);
    text[n - 1] = 0;
  }
  return text;
}

void encode_text(encoder& to, std::span<const wchar_t> text) {
  const std::uint32_t n = units(to, text);
  if (n > text.size()) return to.fail(errc::invalid_argument);
  to.align(2);
  put_units(to, text);
  for (std::size_t i = n; i < text.size(); ++i) to.u16(0);
}

void decode_text(decoder& from, std::span<wchar_t> text) {
  from.align(2);
  const auto raw = from.bytes(text.size() * 2);
  if (from.ok() && get_units(raw, text.data()) < 0) from.fail(errc::protocol);
}

void encode_wchar(encoder& to, wchar_t c) {
  const auto value = number_of(c);
  if (value > 0xffff || !is_code_point(value)) to.fail(errc::invalid_argument);
  to.u16(static_cast<std::uint16_t>(value));
}

wchar_t decode_wchar(decoder& from) {
  const std::uint32_t value = from.u16();
  if (!is_code_point(value)) from.fail(errc::protocol);
  return static_cast<wchar_t>(value);
}

}  // namespace vds::wire::ndr
