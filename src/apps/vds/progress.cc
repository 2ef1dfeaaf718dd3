#include "apps/vds/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "apps/vds/names.h"
#include "apps/vds/size.h"
#include "apps/vds/text.h"
#include "apps/vds/when.h"

namespace vds::cli {
namespace {

using namespace std::chrono_literals;
constexpr auto remembered = 5s;
constexpr auto too_little = 500ms;

std::string bar(std::uint32_t percent, std::size_t cells, bool utf8) {
  percent = std::min(percent, 100u);
  if (!utf8) {
    const std::size_t full = cells * percent / 100;
    return "[" + std::string(full, '#') + std::string(cells - full, '-') + "]";
  }
  constexpr std::array<std::string_view, 8> eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const std::size_t filled = cells * 8 * percent / 100;
  std::string out = "▕";
  for (std::size_t i = 0; i < filled / 8; ++i) out += "█";
  out += eighths[filled % 8];
  out += std::string(cells - filled / 8 - (filled % 8 != 0 ? 1 : 0), ' ');
  return out + "▏";
}

}  // namespace

void rate_meter::note(time now, std::uint64_t bytes_done) {
  if (!samples_.empty() && bytes_done < samples_.back().bytes) samples_.clear();
  samples_.push_back({now, bytes_done});
  while (samples_.size() > 2 && now - samples_[1].at >= remembered) samples_.pop_front();
}

std::optional<double> rate_meter::per_second() const {
  if (samples_.size() < 2) return std::nullopt;
  const auto span = samples_.back().at - samples_.front().at;
  if (span < too_little) return std::nullopt;
  return static_cast<double>(samples_.back().bytes - samples_.front().bytes) /
         std::chrono::duration<double>(span).count();
}

std::string progress_line(const operation_view& op, std::optional<double> rate, std::size_t columns, bool utf8) {
  // What a narrow terminal can spare comes last.
  std::vector<std::string> parts{printable(op.kind), fmt::format("{:3}%", std::min(op.percent, 100u))};
  parts.push_back(printable(op.phase.empty() ? name_of(words::operation_state, op.state) : op.phase));
  if (op.bytes_total > 0) {
    parts.push_back(print_size(std::min(op.bytes_done, op.bytes_total)) + " of " + print_size(op.bytes_total));
    if (rate && *rate >= 1) {
      parts.push_back(print_size(static_cast<std::uint64_t>(*rate)) + "/s");
      const double left = static_cast<double>(op.bytes_total - std::min(op.bytes_done, op.bytes_total)) / *rate;
      if (op.state != operation_done && left < 1e9)
        parts.push_back(print_duration(std::chrono::milliseconds(std::llround(left * 1000))) + " left");
    }
  }
  const auto join = [&parts](const std::string& with_bar) {
    std::string line = parts[0] + "  " + with_bar;
    for (std::size_t i = 1; i < parts.size(); ++i) line += "  " + parts[i];
    return line;
  };
  const std::size_t around = width(join("")) + 2;
  const std::size_t cells = columns > around ? std::min<std::size_t>(columns - around, 24) : 0;
  if (cells >= 6) return join(bar(op.percent, cells, utf8));
  std::string line = parts[0];
  for (std::size_t i = 1; i < parts.size() && width(line) + 2 + width(parts[i]) <= columns; ++i)
    line += "  " + parts[i];
  return shorten(line, columns, utf8);
}

}  // namespace vds::cli
