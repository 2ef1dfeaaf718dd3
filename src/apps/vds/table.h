// table.h: the one way in which lists are shown: aligned columns, chosen with -o, sorted with --sort, without headings
// with -H, tab-separated and exact with -p. A cell has the text for people and the value for sorting and scripts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/vds/terminal.h"

namespace vds::cli {

struct cell {
  std::string text;         // for people
  std::string exact = {};   // for -p; the text when empty
  std::uint64_t order = 0;  // sort key of numbers; texts compare when equal
  tone colour = tone::plain;
};

struct column {
  std::string_view key;  // as -o and --sort name it, and as the JSON document does
  std::string_view heading;
  bool right = false;    // numbers
  bool standard = true;  // shown without -o
};

struct table_style {
  std::string columns;  // "a,b", "+a" adds to the standard ones, "all"; "" = standard
  std::string sort;     // a column's key, "-key" for descending; "" = as given
  bool headings = true;
  bool parsable = false;  // exact values, tab-separated
};

class table {
 public:
  explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<cell> row);  // one cell a column
  // Throws command_error(usage) for a column that does not exist. Only the last column is cut to the terminal's width.
  std::string print(const table_style& style, const terminal& where) const;

 private:
  std::vector<std::size_t> chosen(std::string_view columns) const;
  std::size_t index_of(std::string_view key) const;

  std::vector<column> columns_;
  std::vector<std::vector<cell>> rows_;
};

}  // namespace vds::cli
