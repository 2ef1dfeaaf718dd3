#include "iscsi/pdu/text.h"

#include <algorithm>
#include <charconv>

namespace vds::iscsi {
namespace {

bool key_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '+' || c == '@' || c == '_' || c == '#';
}

// Keys whose values are lists or large (RFC 7143 6.1: list of values, binary values of CHAP).
std::size_t value_limit(std::string_view key) {
  return key.starts_with("CHAP_") || key == "AuthMethod" || key == "HeaderDigest" || key == "DataDigest"
             ? max_list_length
             : max_value_length;
}

}  // namespace

result<std::vector<text_pair>> parse_text(std::span<const std::byte> data) {
  std::vector<text_pair> pairs;
  std::string_view rest(reinterpret_cast<const char*>(data.data()), data.size());
  while (!rest.empty() && rest.back() == '\0' && rest.size() >= 2 && rest[rest.size() - 2] == '\0')
    rest.remove_suffix(1);
  if (rest == std::string_view("\0", 1)) rest = {};
  while (!rest.empty()) {
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) return failure(errc::protocol, "text without its end");
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) return failure(errc::protocol, "text that is no key=value");
    const std::string_view key = pair.substr(0, equals), value = pair.substr(equals + 1);
    if (key.size() > max_key_length || !std::all_of(key.begin(), key.end(), key_character))
      return failure(errc::protocol, "text key that cannot be");
    if (value.size() > value_limit(key)) return failure(errc::protocol, "text value too long");
    if (pairs.size() == max_text_keys) return failure(errc::protocol, "more than 64 text keys");
    pairs.push_back({key, value});
  }
  return pairs;
}

void text_writer::add(std::string_view key, std::string_view value) {
  const std::size_t more = key.size() + value.size() + 2;
  if (overflowed_ || text_.size() + more > limit_) {
    overflowed_ = true;
    return;
  }
  text_.append(key).append(1, '=').append(value).append(1, '\0');
}

result<std::uint32_t> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  std::uint32_t value = 0;
  if (text.empty() || text.size() > 10) return failure(errc::protocol, "not a number");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return failure(errc::protocol, "not a number");
  return value;
}

std::vector<std::string_view> split_list(std::string_view list) {
  std::vector<std::string_view> items;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) items.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return items;
}

}  // namespace vds::iscsi
