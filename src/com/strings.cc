#include "com/strings.h"

#include <cstdint>
#include <cstring>

#include "com/memory.h"

namespace vds {
namespace {

constexpr char32_t replacement = 0xfffd;

constexpr bool is_surrogate(char32_t c) { return c >= 0xd800 && c <= 0xdfff; }
constexpr char32_t scalar(char32_t c) { return c > 0x10ffff || is_surrogate(c) ? replacement : c; }

// One code point from the front of `in`; a bad sequence costs one byte and yields the replacement character.
char32_t take(std::string_view& in) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length == 1) {
    in.remove_prefix(1);
    return first;
  }
  char32_t c = length ? first & (0x7fu >> length) : replacement;
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= in.size() || (byte(i) & 0xc0) != 0x80) {
      in.remove_prefix(1);
      return replacement;
    }
    c = c << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  if (!length || overlong || scalar(c) != c) {
    in.remove_prefix(1);
    return replacement;
  }
  in.remove_prefix(length);
  return c;
}

char32_t take(std::wstring_view& in) {
  const auto c = static_cast<char32_t>(in.front());
  in.remove_prefix(1);
  return scalar(c);
}

char32_t take(std::u16string_view& in) {
  const char32_t high = in.front();
  in.remove_prefix(1);
  if (!is_surrogate(high)) return high;
  if (high >= 0xdc00 || in.empty() || in.front() < 0xdc00 || in.front() > 0xdfff) return replacement;
  const char32_t low = in.front();
  in.remove_prefix(1);
  return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

void put(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    tail(12), tail(6), tail(0);
  }
}

void put(std::wstring& out, char32_t c) { out += static_cast<wchar_t>(c); }

void put(std::u16string& out, char32_t c) {
  if (c < 0x10000) {
    out += static_cast<char16_t>(c);
  } else {
    out += static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10));
    out += static_cast<char16_t>(0xdc00 + ((c - 0x10000) & 0x3ff));
  }
}

template <class Out, class In>
Out convert(In in) {
  Out out;
  out.reserve(in.size());
  while (!in.empty()) put(out, take(in));
  return out;
}

}  // namespace

static_assert(sizeof(wchar_t) == 4, "WCHAR holds one code point");

std::string to_utf8(std::wstring_view text) { return convert<std::string>(text); }
std::string to_utf8(const wchar_t* text) { return text ? to_utf8(std::wstring_view(text)) : std::string(); }
std::string to_utf8(std::u16string_view text) { return convert<std::string>(text); }
std::wstring to_wide(std::string_view utf8) { return convert<std::wstring>(utf8); }
std::wstring to_wide(std::u16string_view text) { return convert<std::wstring>(text); }
std::u16string to_utf16(std::string_view utf8) { return convert<std::u16string>(utf8); }
std::u16string to_utf16(std::wstring_view text) { return convert<std::u16string>(text); }

wchar_t* co_task_string(std::string_view utf8) { return co_task_string(to_wide(utf8)); }

wchar_t* co_task_string(std::wstring_view text) {
  wchar_t* out = co_task_alloc<wchar_t>(text.size() + 1);  // zeroed, so terminated
  std::memcpy(out, text.data(), text.size() * sizeof(wchar_t));
  return out;
}

GUID to_com(const guid& id) noexcept {
  const auto& b = id.bytes;
  GUID out;
  out.Data1 = std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  out.Data2 = static_cast<std::uint16_t>(b[4] << 8 | b[5]);
  out.Data3 = static_cast<std::uint16_t>(b[6] << 8 | b[7]);
  std::memcpy(out.Data4, b.data() + 8, 8);
  return out;
}

guid from_com(const GUID& id) noexcept {
  guid out;
  for (int i = 0; i < 4; ++i)
    out.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(id.Data1 >> (24 - 8 * i));
  out.bytes[4] = static_cast<std::uint8_t>(id.Data2 >> 8);
  out.bytes[5] = static_cast<std::uint8_t>(id.Data2);
  out.bytes[6] = static_cast<std::uint8_t>(id.Data3 >> 8);
  out.bytes[7] = static_cast<std::uint8_t>(id.Data3);
  std::memcpy(out.bytes.data() + 8, id.Data4, 8);
  return out;
}

}  // namespace vds
