#include "apps/vds/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "apps/vds/command_error.h"
#include "apps/vds/text.h"
#include "base/assert.h"

namespace vds::cli {

void table::add(std::vector<cell> row) {
  always(row.size() == columns_.size());
  for (cell& c : row) {
    c.text = printable(c.text);
    c.exact = c.exact.empty() ? c.text : printable(c.exact);
  }
  rows_.push_back(std::move(row));
}

std::size_t table::index_of(std::string_view key) const {
  for (std::size_t i = 0; i < columns_.size(); ++i)
    if (columns_[i].key == key) return i;
  std::string known;
  for (const column& c : columns_) known += (known.empty() ? "" : ", ") + std::string(c.key);
  throw command_error(exit_status::usage, fmt::format("there is no column '{}'", key), "columns are: " + known);
}

std::vector<std::size_t> table::chosen(std::string_view columns) const {
  std::vector<std::size_t> out;
  if (columns.empty() || columns.starts_with('+')) {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i].standard) out.push_back(i);
    if (columns.empty()) return out;
    columns.remove_prefix(1);
  }
  if (columns == "all") {
    out.resize(columns_.size());
    std::iota(out.begin(), out.end(), std::size_t{0});
    return out;
  }
  while (true) {
    const auto comma = columns.find(',');
    out.push_back(index_of(columns.substr(0, comma)));
    if (comma == std::string_view::npos) return out;
    columns.remove_prefix(comma + 1);
  }
}

std::string table::print(const table_style& style, const terminal& where) const {
  const std::vector<std::size_t> shown = chosen(style.columns);
  std::vector<const std::vector<cell>*> rows;
  for (const auto& row : rows_) rows.push_back(&row);
  if (!style.sort.empty()) {
    const bool descending = style.sort.starts_with('-');
    const std::size_t by = index_of(std::string_view(style.sort).substr(descending ? 1 : 0));
    std::stable_sort(rows.begin(), rows.end(), [&](const auto* a, const auto* b) {
      if (descending) std::swap(a, b);
      return std::tie((*a)[by].order, (*a)[by].text) < std::tie((*b)[by].order, (*b)[by].text);
    });
  }

  std::string out;
  if (style.parsable) {
    for (const auto* row : rows) {
      for (std::size_t i = 0; i < shown.size(); ++i) out += (i == 0 ? "" : "\t") + (*row)[shown[i]].exact;
      out += '\n';
    }
    return out;
  }
  std::vector<std::size_t> widths;
  for (const std::size_t i : shown) {
    std::size_t w = style.headings ? width(columns_[i].heading) : 0;
    for (const auto* row : rows) w = std::max(w, width((*row)[i].text));
    widths.push_back(w);
  }
  // A line ends with the last cell, not with blanks; on a terminal that cell gives way rather than wrap.
  const auto line = [&](auto&& text_of, auto&& paint) {
    std::string text;
    std::size_t used = 0;
    for (std::size_t k = 0; k < shown.size(); ++k) {
      const column& c = columns_[shown[k]];
      const bool last = k + 1 == shown.size();
      std::string body = text_of(shown[k]);
      if (last && !c.right && where.out_is_terminal && used + width(body) > where.columns && where.columns > used + 8)
        body = shorten(body, where.columns - used, where.utf8);
      const std::string padded = c.right ? pad_left(body, widths[k]) : last ? body : pad_right(body, widths[k]);
      text += paint(shown[k], padded) + (last ? "" : "  ");
      used += widths[k] + 2;
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  if (style.headings)
    line([&](std::size_t i) { return std::string(columns_[i].heading); },
         [&](std::size_t, const std::string& s) { return painted(s, tone::strong, where.colour); });
  for (const auto* row : rows)
    line([&](std::size_t i) { return (*row)[i].text; },
         [&](std::size_t i, const std::string& s) { return painted(s, (*row)[i].colour, where.colour); });
  return out;
}

}  // namespace vds::cli
