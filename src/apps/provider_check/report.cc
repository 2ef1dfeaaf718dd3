#include "apps/provider_check/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/provider_check/methods.h"
#include "base/assert.h"
#include "com/hresult.h"

namespace vds::check {
namespace {

std::string code_name(HRESULT hr) {
  const std::string_view name = hresult_name(hr);
  return name.empty() ? fmt::format("{:#010x}", static_cast<ULONG>(hr)) : std::string(name);
}

bool in(HRESULT hr, std::initializer_list<HRESULT> codes) {
  return std::find(codes.begin(), codes.end(), hr) != codes.end();
}

}  // namespace

std::string_view name_of(verdict v) noexcept {
  constexpr std::string_view names[] = {"untouched", "supported", "refused", "not offered", "not tried", "WRONG"};
  return names[static_cast<std::size_t>(v)];
}

report::report() {
  for (const std::string_view method : hardware_methods) rows_.try_emplace(std::string(method));
}

row& report::of(std::string_view method) {
  const auto at = rows_.find(method);
  always(at != rows_.end());  // a misspelt method is a mistake of ours
  return at->second;
}

void report::wrong(std::string_view method, std::string why) {
  row& r = of(method);
  r.found = verdict::wrong;
  if (std::find(r.wrongs.begin(), r.wrongs.end(), why) == r.wrongs.end()) r.wrongs.push_back(std::move(why));
}

bool report::works(std::string_view method, HRESULT hr, std::initializer_list<HRESULT> allowed) {
  row& r = of(method);
  if (SUCCEEDED(hr)) {
    if (hresult_name(hr).empty()) {
      wrong(method, "answered " + code_name(hr) + ", a success that does not exist");
      return false;
    }
    if (r.found != verdict::wrong) r.found = verdict::supported;
    return true;
  }
  if (hr == VDS_E_NOT_SUPPORTED || in(hr, allowed)) {
    if (r.found == verdict::untouched || r.found == verdict::untried) {
      r.found = verdict::refused;
      r.code = hr;
    }
    return false;
  }
  wrong(method, "answered " + code_name(hr));
  return false;
}

bool report::must(std::string_view method, bool holds, const std::string& otherwise) {
  if (!holds) wrong(method, otherwise);
  return holds;
}

void report::provokes(std::string_view method, HRESULT hr, std::initializer_list<HRESULT> codes, std::string_view by) {
  row& r = of(method);
  if (in(hr, codes)) {
    const auto same = [&](const auto& p) { return p.first == hr && p.second == by; };
    if (std::none_of(r.provoked.begin(), r.provoked.end(), same)) r.provoked.emplace_back(hr, std::string(by));
    return;
  }
  if (hr == VDS_E_NOT_SUPPORTED) {
    if (r.found == verdict::untouched) {
      r.found = verdict::refused;
      r.code = hr;
    }
    return;
  }
  wrong(method, fmt::format("{} answers {} instead of {}", by, code_name(hr), code_name(*codes.begin())));
}

void report::nulls(std::string_view method, HRESULT hr) {
  row& r = of(method);
  r.null_tried = true;
  if (hr == E_INVALIDARG) return;
  if (hr == VDS_E_NOT_SUPPORTED) {
    r.null_refused = true;
    return;
  }
  wrong(method, "a null or nonsensical argument answers " + code_name(hr) + " instead of E_INVALIDARG");
}

void report::gone(std::string_view method, HRESULT hr) {
  row& r = of(method);
  r.gone_tried = true;
  if (hr != VDS_E_OBJECT_DELETED)
    wrong(method, "of a deleted object answers " + code_name(hr) + " instead of VDS_E_OBJECT_DELETED");
}

void report::event(std::string_view method, std::string_view which) { of(method).events.emplace(which); }
void report::async(std::string_view method, std::string_view output) { of(method).async = output; }

void report::untried(std::string_view method, std::string_view why) {
  row& r = of(method);
  if (r.found != verdict::untouched) return;
  r.found = verdict::untried;
  r.note = why;
}

void report::absent(std::string_view interface, std::string_view why) {
  for (auto& [method, r] : rows_) {
    if (!method.starts_with(interface) || method.substr(interface.size(), 2) != "::") continue;
    if (r.found != verdict::untouched) continue;
    r.found = verdict::absent;
    r.note = why;
  }
}

void report::close() {
  for (auto& [method, r] : rows_)
    if (r.null_refused && r.found == verdict::supported)
      wrong(method, "a nonsensical argument answers VDS_E_NOT_SUPPORTED instead of E_INVALIDARG");
}

bool report::passed() const {
  return broken_.empty() &&
         std::none_of(rows_.begin(), rows_.end(), [](const auto& each) { return each.second.found == verdict::wrong; });
}

void report::print(std::ostream& out, bool all) const {
  std::map<verdict, int> counts;
  for (const std::string_view method : hardware_methods) {
    const row& r = rows_.find(method)->second;
    ++counts[r.found];
    if (!all && r.found != verdict::wrong) continue;
    std::string words;
    if (r.found == verdict::refused) words = code_name(r.code);
    for (const std::string& why : r.wrongs) words += (words.empty() ? "" : "; ") + why;
    if (words.empty()) words = r.note;
    out << fmt::format("{:<55} {:<11} {}\n", method, name_of(r.found), words);
  }
  for (const std::string& why : broken_) out << "the provider: " << why << "\n";
  out << fmt::format("{} supported, {} refused, {} not offered, {} not tried, {} WRONG\n", counts[verdict::supported],
                     counts[verdict::refused], counts[verdict::absent],
                     counts[verdict::untried] + counts[verdict::untouched], counts[verdict::wrong]);
}

void report::print_json(std::ostream& out, const std::string& name) const {
  using nlohmann::json;
  json rows = json::array();
  for (const std::string_view method : hardware_methods) {
    const row& r = rows_.find(method)->second;
    json provoked = json::array();
    for (const auto& [hr, by] : r.provoked) provoked.push_back({{"code", code_name(hr)}, {"by", by}});
    const bool touched = r.found == verdict::supported || r.found == verdict::refused || r.found == verdict::wrong;
    rows.push_back({{"method", method},
                    {"verdict", name_of(r.found)},
                    {"code", r.found == verdict::refused ? code_name(r.code) : ""},
                    {"wrong", r.wrongs},
                    {"errors", provoked},
                    {"null_arguments", r.null_tried},
                    {"deleted_object", r.gone_tried},
                    {"events", r.events},
                    {"async_output", r.async},
                    {"note", r.note},
                    {"tried", touched}});
  }
  out << json{{"provider", name}, {"passed", passed()}, {"broken", broken_}, {"methods", rows}}.dump(2) << "\n";
}

}  // namespace vds::check
