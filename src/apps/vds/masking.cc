#include "apps/vds/masking.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/vds/command_error.h"

namespace vds::cli {
namespace {

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const auto end = list.find(';');
    std::string name(list.substr(0, end));
    if (!name.empty() && std::find(out.begin(), out.end(), name) == out.end()) out.push_back(std::move(name));
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
  return out;
}

std::string join(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ";") + n;
  return out;
}

}  // namespace

std::string unmasked(std::string_view list, const std::vector<std::string>& initiators) {
  std::vector<std::string> now = split(list);
  for (const auto& arguments : initiators)
    for (const auto& name : split(arguments))
      if (std::find(now.begin(), now.end(), name) == now.end()) now.push_back(name);
  if (std::find(now.begin(), now.end(), "*") != now.end()) return "*";
  return join(now);
}

std::string masked(std::string_view list, const std::vector<std::string>& initiators) {
  std::vector<std::string> now = split(list);
  for (const auto& arguments : initiators) {
    for (const auto& name : split(arguments)) {
      if (now == std::vector<std::string>{"*"} && name != "*")
        throw command_error(exit_status::usage, "everybody may see this LUN, so nobody can be taken off the list",
                            "'vds lun mask LUN --all' first, then unmask those who may");
      const auto at = std::find(now.begin(), now.end(), name);
      if (at == now.end()) throw command_error(exit_status::usage, fmt::format("'{}' does not see this LUN now", name));
      now.erase(at);
    }
  }
  return join(now);
}

}  // namespace vds::cli
