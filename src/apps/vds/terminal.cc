#include "apps/vds/terminal.h"

#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace vds::cli {

bool wants_utf8(const environment_lookup& env) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = env(name);
    if (value == nullptr || *value == '\0') continue;  // as the C library: an empty one does not count
    const std::string_view text(value);
    const auto dot = text.find('.');
    if (dot == std::string_view::npos) return false;
    const std::string codeset(text.substr(dot + 1, text.find('@') - dot - 1));
    return strcasecmp(codeset.c_str(), "UTF-8") == 0 || strcasecmp(codeset.c_str(), "UTF8") == 0;
  }
  return false;
}

bool wants_colour(std::string_view choice, bool is_terminal, const environment_lookup& env) {
  if (choice == "always") return true;
  if (choice == "never") return false;
  const char* no = env("NO_COLOR");
  const char* term = env("TERM");
  return is_terminal && (no == nullptr || *no == '\0') && term != nullptr && std::string_view(term) != "dumb";
}

terminal detect_terminal(std::string_view colour_choice) {
  const environment_lookup env = [](const char* name) { return std::getenv(name); };  // before any thread
  terminal t;
  t.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  t.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  t.interactive = ::isatty(STDIN_FILENO) == 1 && t.err_is_terminal;
  t.utf8 = wants_utf8(env);
  t.colour = wants_colour(colour_choice, t.out_is_terminal, env);
  winsize size{};
  const int fd = t.out_is_terminal ? STDOUT_FILENO : STDERR_FILENO;
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) t.columns = size.ws_col;
  return t;
}

std::string painted(std::string_view text, tone t, bool colour) {
  constexpr std::array<std::string_view, 6> codes{"", "32", "33", "31", "2", "1"};  // in the order of tone
  if (!colour || t == tone::plain) return std::string(text);
  return "\x1b[" + std::string(codes[static_cast<std::size_t>(t)]) + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace vds::cli
