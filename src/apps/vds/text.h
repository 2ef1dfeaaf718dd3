// text.h: strings that end up on a terminal. Names come from providers and drives, so nothing is printed that a
// terminal would obey; widths count columns, not bytes. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace vds::cli {

// Control characters, broken UTF-8 and bidirectional overrides become \xNN or \u{NNNN}.
std::string printable(std::string_view text);

// Columns that printable text takes: combining marks none, East Asian wide characters and emoji two.
std::size_t width(std::string_view text);

std::string pad_right(std::string_view text, std::size_t columns);
std::string pad_left(std::string_view text, std::size_t columns);

// Cuts to that many columns, the last being an ellipsis ("..." when it must be ASCII).
std::string shorten(std::string_view text, std::size_t columns, bool utf8);

}  // namespace vds::cli
