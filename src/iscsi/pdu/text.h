// text.h: key=value pairs of login and text PDUs (RFC 7143 section 6.1), over views that carry their length: no
// terminator is ever looked for beyond the segment. Limits hold before anything is kept. Views stay the caller's.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vds::iscsi {

inline constexpr std::size_t max_text_keys = 64;
inline constexpr std::size_t max_key_length = 63;
inline constexpr std::size_t max_value_length = 255;
inline constexpr std::size_t max_list_length = 8192;  // SendTargets answers, AuthMethod lists, CHAP values
inline constexpr std::size_t max_text_output = 8192;

struct text_pair {
  std::string_view key, value;
};

// The pairs of one complete text, in order. protocol for: a pair without '=' or key, a key with other than
// [A-Za-z0-9.+@_#-] characters, a last pair without its NUL, anything above the limits. Several NULs in a row are
// tolerated at the end (padding that a peer counted as data).
result<std::vector<text_pair>> parse_text(std::span<const std::byte> data);

// Collects an answer; what would pass the limit is refused, once and for all (overflowed()).
class text_writer {
 public:
  explicit text_writer(std::size_t limit = max_text_output) : limit_(limit) {}
  void add(std::string_view key, std::string_view value);
  bool overflowed() const noexcept { return overflowed_; }
  const std::string& text() const noexcept { return text_; }
  std::string take() noexcept { return std::move(text_); }

 private:
  std::size_t limit_;
  bool overflowed_ = false;
  std::string text_;
};

// 1 to 10 decimal digits or 0x and hex digits, no sign, no blanks, fits 32 bits.
result<std::uint32_t> parse_number(std::string_view text);

// The items of a comma-separated list, in order; empty items are dropped.
std::vector<std::string_view> split_list(std::string_view list);

}  // namespace vds::iscsi
