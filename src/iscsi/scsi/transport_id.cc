#include "iscsi/scsi/transport_id.h"

#include <algorithm>
#include <string_view>

#include "base/endian.h"

namespace vds::iscsi {
namespace {

constexpr std::size_t header = 4, shortest = 20, longest_name = 223, isid_digits = 12;
constexpr std::string_view separator = ",i,0x";
constexpr std::byte protocol{0x05};

bool hexadecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool plausible_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c != ',' && c != '\x7f'; });
}

}  // namespace

parsed_transport_id parse_transport_id(std::span<const std::byte> bytes) {
  if (bytes.size() < header) return {};
  const int format = std::to_integer<int>(bytes[0]) >> 6;
  if ((bytes[0] & std::byte{0x3f}) != protocol || format > 1) return {};
  const std::size_t length = load<be16>(&bytes[2]);
  if (length < shortest || length % 4 != 0 || length > bytes.size() - header) return {};
  std::string text;
  for (const std::byte b : bytes.subspan(header, length)) {
    if (b == std::byte{0}) break;
    const char c = static_cast<char>(b);
    text.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  if (text.size() == length) return {};  // no NUL
  const std::size_t cut = text.find(separator);
  const std::string_view name = std::string_view(text).substr(0, cut);
  if (!plausible_name(name) || (format == 1) != (cut != std::string::npos)) return {};
  if (format == 1) {
    const std::string_view isid = std::string_view(text).substr(cut + separator.size());
    if (isid.size() != isid_digits || !hexadecimal(isid)) return {};
  }
  return {{std::move(text), format == 1}, header + length};
}

std::vector<std::byte> encode_transport_id(const std::string& port_name) {
  const std::size_t name = std::max((port_name.size() + 4) & ~std::size_t{3}, shortest);
  std::vector<std::byte> out(header + name);
  out[0] = std::byte{0x40} | protocol;
  store(&out[2], be16(static_cast<std::uint16_t>(name)));
  std::transform(port_name.begin(), port_name.end(), out.begin() + header,
                 [](char c) { return static_cast<std::byte>(c); });
  return out;
}

}  // namespace vds::iscsi
