#include "apps/vds/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "apps/vds/command_error.h"
#include "apps/vds/text.h"

namespace vds::cli {
namespace {

constexpr std::size_t least_prefix = 4;  // shorter ones collide sooner or later, in a script that once worked

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

[[noreturn]] void several(std::string_view text, const std::vector<const named*>& found, std::string_view kind) {
  std::string list;
  for (const named* n : found)
    list +=
        fmt::format("{}{}{}", list.empty() ? "" : ", ", to_string(n->id), n->name.empty() ? "" : " (" + n->name + ")");
  throw command_error(exit_status::usage, fmt::format("'{}' names more than one {}: {}", text, kind, list),
                      "give more of the id");
}

}  // namespace

guid find_object(std::string_view text, std::span<const named> all, std::string_view kind) {
  if (const auto id = parse_guid(text)) {
    for (const named& n : all)
      if (n.id == *id) return *id;
  }
  std::vector<const named*> found;
  for (const named& n : all)
    if (!n.name.empty() && n.name == text) found.push_back(&n);
  if (found.empty() && text.size() >= least_prefix) {
    const std::string prefix = lower(text.starts_with('{') ? text.substr(1) : text);
    for (const named& n : all)
      if (to_string(n.id).starts_with(prefix)) found.push_back(&n);
  }
  if (found.size() > 1) several(text, found, kind);
  if (found.empty())
    throw command_error(fmt::format("finding {} '{}'", kind, text), hresult_of(0x80042405), "VDS_E_OBJECT_NOT_FOUND",
                        fmt::format("no {} has this id or name", kind));
  return found.front()->id;
}

std::size_t short_id_length(std::span<const guid> ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const guid& id : ids) texts.push_back(to_string(id));
  std::sort(texts.begin(), texts.end());
  std::size_t length = 8;
  for (std::size_t i = 1; i < texts.size(); ++i) {
    if (texts[i] == texts[i - 1]) continue;
    const auto differ = std::mismatch(texts[i].begin(), texts[i].end(), texts[i - 1].begin());
    length = std::max(length, static_cast<std::size_t>(differ.first - texts[i].begin()) + 1);
  }
  return length;
}

std::string nearest(std::string_view word, std::span<const std::string_view> choices) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2 + 1);  // at least half of it must fit
  for (const std::string_view choice : choices) {
    // Damerau's distance between neighbours: three rows of the matrix.
    std::vector<std::size_t> before, above(choice.size() + 1), row(choice.size() + 1);
    for (std::size_t j = 0; j <= choice.size(); ++j) above[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      row[0] = i;
      for (std::size_t j = 1; j <= choice.size(); ++j) {
        const std::size_t change = word[i - 1] == choice[j - 1] ? 0 : 1;
        row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + change});
        if (i > 1 && j > 1 && word[i - 1] == choice[j - 2] && word[i - 2] == choice[j - 1])
          row[j] = std::min(row[j], before[j - 2] + 1);
      }
      before = above;
      above = row;
    }
    if (above[choice.size()] < best_distance) {
      best_distance = above[choice.size()];
      best = choice;
    }
  }
  return best;
}

}  // namespace vds::cli
