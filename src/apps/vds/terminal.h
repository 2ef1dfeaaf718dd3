// terminal.h: what may be shown where. Decided once, from the file descriptors and the environment; tests make their
// own. Colour is never the only carrier of a meaning.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace vds::cli {

struct terminal {
  bool interactive = false;  // standard input and standard error are a terminal: questions may be asked
  bool out_is_terminal = false;
  bool err_is_terminal = false;  // the progress bar goes to standard error
  bool utf8 = false;
  bool colour = false;
  std::size_t columns = 80;
};

using environment_lookup = std::function<const char*(const char*)>;

// LC_ALL, else LC_CTYPE, else LANG names UTF-8.
bool wants_utf8(const environment_lookup& env);
// "always", "never", or "auto": a terminal, TERM is not "dumb", and NO_COLOR is unset or empty (no-color.org).
bool wants_colour(std::string_view choice, bool is_terminal, const environment_lookup& env);

terminal detect_terminal(std::string_view colour_choice);

enum class tone { plain, good, warning, bad, faint, strong };
std::string painted(std::string_view text, tone t, bool colour);

}  // namespace vds::cli
