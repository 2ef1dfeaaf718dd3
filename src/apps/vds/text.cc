#include "apps/vds/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace vds::cli {
namespace {

struct code_point {
  char32_t value;
  std::size_t bytes;  // taken from the text
  bool valid;
};

// The next character; a byte that begins no well-formed UTF-8 sequence (RFC 3629) is one invalid character.
code_point next(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || length > text.size()) return {first, 1, false};
  char32_t value = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {first, 1, false};
    value = value << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {first, 1, false};
  return {value, length, true};
}

struct range {
  char32_t from, to;
};
constexpr auto zero_width =
    std::to_array<range>({{0x300, 0x36f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}});
constexpr auto double_width = std::to_array<range>({{0x1100, 0x115f},
                                                    {0x2e80, 0x303e},
                                                    {0x3041, 0xa4cf},
                                                    {0xac00, 0xd7a3},
                                                    {0xf900, 0xfaff},
                                                    {0xfe30, 0xfe6f},
                                                    {0xff00, 0xff60},
                                                    {0xffe0, 0xffe6},
                                                    {0x1f300, 0x1faff},
                                                    {0x20000, 0x3fffd}});
// Would turn the order of what follows on the screen: a name could pretend to be another.
constexpr auto overrides = std::to_array<range>({{0x202a, 0x202e}, {0x2066, 0x2069}, {0x2028, 0x2029}});

template <std::size_t N>
bool in(const std::array<range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const range& r) { return c >= r.from && c <= r.to; });
}

std::size_t columns_of(char32_t c) { return in(zero_width, c) ? 0 : in(double_width, c) ? 2 : 1; }

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const code_point c = next(text);
    if (!c.valid || c.value < 0x20 || c.value == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c.value));
    else if ((c.value >= 0x80 && c.value < 0xa0) || in(overrides, c.value))
      out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c.value));
    else
      out += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const code_point c = next(text);
    columns += columns_of(c.value);
    text.remove_prefix(c.bytes);
  }
  return columns;
}

std::string pad_right(std::string_view text, std::size_t columns) {
  const std::size_t has = width(text);
  return std::string(text) + std::string(columns > has ? columns - has : 0, ' ');
}

std::string pad_left(std::string_view text, std::size_t columns) {
  const std::size_t has = width(text);
  return std::string(columns > has ? columns - has : 0, ' ') + std::string(text);
}

std::string shorten(std::string_view text, std::size_t columns, bool utf8) {
  if (width(text) <= columns) return std::string(text);
  const std::string_view mark = utf8 ? "…" : columns > 3 ? "..." : ".";
  const std::size_t room = columns > width(mark) ? columns - width(mark) : 0;
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const code_point c = next(text);
    if (used + columns_of(c.value) > room) break;
    used += columns_of(c.value);
    out += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return columns == 0 ? std::string() : out + std::string(mark);
}

}  // namespace vds::cli
