// guid.h: the 128-bit ids of every object. Bytes are in RFC 4122 (big-endian text) order, so that comparison and text
// agree; com/strings.h converts to the COM struct. A default guid is nil and means "none".
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace vds {

class random_source;

struct guid {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const guid&) const = default;
  explicit operator bool() const noexcept { return *this != guid{}; }  // not nil
};

guid random_guid(random_source& random);                         // RFC 4122 version 4
guid name_guid(const guid& space, std::string_view name);        // RFC 4122 version 5 (SHA-1)
std::string to_string(const guid& id);                           // 36 characters, lower case
std::optional<guid> parse_guid(std::string_view text) noexcept;  // with or without braces

}  // namespace vds

template <>
struct std::hash<vds::guid> {
  std::size_t operator()(const vds::guid& id) const noexcept {
    std::uint64_t a = 0;
    for (int i = 0; i < 8; ++i)
      a = a << 8 | (id.bytes[static_cast<std::size_t>(i)] ^ id.bytes[static_cast<std::size_t>(i) + 8]);
    return a;
  }
};
