#include "base/guid.h"

#include <openssl/evp.h>

#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "base/random.h"

namespace vds {
namespace {

void stamp(guid& id, std::uint8_t version) {
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | version << 4);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
}

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

guid random_guid(random_source& random) {
  guid id;
  random.fill(std::as_writable_bytes(std::span(id.bytes)));
  stamp(id, 4);
  return id;
}

guid name_guid(const guid& space, std::string_view name) {
  std::vector<std::uint8_t> input(space.bytes.begin(), space.bytes.end());
  input.insert(input.end(), name.begin(), name.end());
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  always(EVP_Digest(input.data(), input.size(), digest.data(), &length, EVP_sha1(), nullptr) == 1 && length >= 16);
  guid id;
  std::copy_n(digest.begin(), 16, id.bytes.begin());
  stamp(id, 5);
  return id;
}

std::string to_string(const guid& id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[id.bytes[i] >> 4];
    text += digits[id.bytes[i] & 15];
  }
  return text;
}

std::optional<guid> parse_guid(std::string_view text) noexcept {
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
  if (text.size() != 36) return std::nullopt;
  guid id;
  std::size_t at = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      if (text[at++] != '-') return std::nullopt;
    }
    const int high = digit(text[at]), low = digit(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return id;
}

}  // namespace vds
