#include "apps/vds/size.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <limits>
#include <optional>

namespace vds::cli {
namespace {

using wide = unsigned __int128;

constexpr std::string_view prefixes = "KMGTPE";

failure bad_size(std::string_view text, std::string_view why) {
  return {errc::invalid_argument, fmt::format("'{}' is no size: {} (like 512MiB, 10G, 1.5T or 1000000)", text, why)};
}

// The factor that a unit stands for: "" and "B" are 1.
std::optional<std::uint64_t> factor_of(std::string_view unit) {
  if (unit.empty() || unit == "B" || unit == "b") return 1;
  const auto power = prefixes.find(static_cast<char>(std::toupper(static_cast<unsigned char>(unit.front()))));
  if (power == std::string_view::npos) return std::nullopt;
  const std::string_view rest = unit.substr(1);
  const bool decimal = rest == "B" || rest == "b";
  if (!decimal && !rest.empty() && rest != "iB" && rest != "ib" && rest != "i") return std::nullopt;
  std::uint64_t factor = 1;
  for (std::size_t i = 0; i <= power; ++i) factor *= decimal ? 1000 : 1024;
  return factor;
}

}  // namespace

result<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::size_t at = 0;
  wide number = 0;   // digits without the point
  wide divisor = 1;  // ten to the count of digits behind the point
  bool point = false;
  bool digits = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits = true;
      number = number * 10 + static_cast<unsigned>(c - '0');
      if (point) divisor *= 10;
      // Both stay far below 128 bits: nobody writes more than 19 digits with a meaning.
      if (number > wide{most} * 10 || divisor > wide{most})
        return failure(errc::out_of_range, bad_size(text, "too many digits").message());
    } else {
      break;
    }
  }
  if (!digits) return bad_size(text, "it must begin with a number");
  while (at < text.size() && text[at] == ' ') ++at;
  const auto factor = factor_of(text.substr(at));
  if (!factor) return bad_size(text, fmt::format("'{}' is no unit", text.substr(at)));
  // number < 2^68 and factor <= 2^60: no overflow of 128 bits, because number is checked against the factor first.
  if (number > (~wide{0}) / *factor)
    return failure(errc::out_of_range, bad_size(text, "it does not fit 64 bits").message());
  const wide scaled = number * *factor;
  if (scaled % divisor != 0) return bad_size(text, "it has a fraction of a byte");
  if (scaled / divisor > most) return failure(errc::out_of_range, bad_size(text, "it does not fit 64 bits").message());
  return static_cast<std::uint64_t>(scaled / divisor);
}

std::string print_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t power = 0;
  // 1023.95 would be printed as 1024.0: go to the next unit before that.
  while (value >= 1023.95 && power < prefixes.size()) {
    value /= 1024;
    ++power;
  }
  std::string number = fmt::format("{:.1f}", value);
  if (number.ends_with(".0")) number.resize(number.size() - 2);
  return fmt::format("{} {}iB", number, prefixes[power - 1]);
}

}  // namespace vds::cli
