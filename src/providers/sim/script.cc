#include "providers/sim/script.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <sstream>
#include <utility>

namespace vds::sim {

namespace {

template <class T>
using word_table = std::vector<std::pair<std::string_view, T>>;

const word_table<async_lie> async_words = {
    {"honest", async_lie::honest},
    {"wrong_type", async_lie::wrong_type},
    {"null_object", async_lie::null_object},
    {"garbage", async_lie::garbage},
    {"garbage_success", async_lie::garbage_success},
    {"failed_with_object", async_lie::failed_with_object},
    {"wait_fails", async_lie::wait_fails},
    {"backwards", async_lie::backwards},
    {"never", async_lie::never},
    {"never_blocking", async_lie::never_blocking},
};
const word_table<enum_lie> enum_words = {
    {"honest", enum_lie::honest},     {"endless", enum_lie::endless}, {"nulls", enum_lie::nulls},
    {"too_many", enum_lie::too_many}, {"stuck", enum_lie::stuck},
};

template <class T>
bool find_word(const word_table<T>& table, std::string_view word, T& out) {
  for (const auto& [name, value] : table) {
    if (name != word) continue;
    out = value;
    return true;
  }
  return false;
}

bool number(std::string_view text, std::uint64_t& out) {
  int base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool parse_action(const std::vector<std::string>& words, script& out) {
  if (words.size() < 3) return false;
  action a{.method = words[1], .kind = action_kind::crash, .hang_for = {}};
  std::uint64_t n = 0;
  if (words[2] == "crash" && words.size() == 3) {
    a.kind = action_kind::crash;
  } else if (words[2] == "hang" && words.size() <= 4) {
    a.kind = action_kind::hang;
    if (words.size() == 4) {
      if (!number(words[3], n)) return false;
      a.hang_for = std::chrono::milliseconds(n);
    }
  } else if (words[2] == "return" && words.size() == 4 && number(words[3], n) && n <= 0xffffffff) {
    a.kind = action_kind::answer;
    a.answer = static_cast<std::int32_t>(static_cast<std::uint32_t>(n));
  } else {
    return false;
  }
  out.actions.push_back(std::move(a));
  return true;
}

bool parse_line(const std::vector<std::string>& words, script& out) {
  if (words[0] == "on") return parse_action(words, out);
  if (words.size() != 2) return false;
  if (words[0] == "async") return find_word(async_words, words[1], out.async);
  if (words[0] == "enum") return find_word(enum_words, words[1], out.enumeration);
  std::uint64_t n = 0;
  if (!number(words[1], n)) return false;
  if (words[0] == "create_ms")
    out.create = std::chrono::milliseconds(n);
  else if (words[0] == "crash_after_ms")
    out.crash_after = std::chrono::milliseconds(n);
  else if (words[0] == "name_length")
    out.name_length = n;
  else if (words[0] == "drives")
    out.drives = static_cast<unsigned>(n);
  else if (words[0] == "luns")
    out.luns = static_cast<unsigned>(n);
  else if (words[0] == "drive_bytes")
    out.drive_bytes = n;
  else
    return false;
  return true;
}

}  // namespace

const action* script::on(std::string_view method) const noexcept {
  for (const action& a : actions) {
    if (method == a.method) return &a;
    const auto at = method.rfind("::");
    if (at != std::string_view::npos && method.substr(at + 2) == a.method) return &a;
  }
  return nullptr;
}

result<script> parse_script(std::string_view text) {
  script out;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int at = 1; std::getline(lines, line); ++at) {
    std::istringstream split(line.substr(0, line.find('#')));
    std::vector<std::string> words;
    for (std::string word; split >> word;) words.push_back(word);
    if (!words.empty() && !parse_line(words, out))
      return failure(errc::invalid_argument, fmt::format("script line {}: '{}'", at, line));
  }
  return out;
}

}  // namespace vds::sim
