#include "apps/vds/verbs/common.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/size.h"
#include "apps/vds/text.h"
#include "apps/vds/when.h"

namespace vds::cli {

guid find_subsystem(context& c, const options& o) {
  const auto all = c.service(o).subsystems();
  if (!o.subsystem.empty()) return find_object(o.subsystem, names(all), "subsystem");
  if (all.size() == 1) return all.front().id;
  if (all.empty())
    throw command_error(exit_status::failed, "there is no subsystem",
                        "'vds provider list' says whether a provider runs");
  std::string list;
  for (const auto& s : all) list += (list.empty() ? "" : ", ") + (s.name.empty() ? to_string(s.id) : s.name);
  throw command_error(exit_status::usage, "there is more than one subsystem", "name one with --subsystem: " + list);
}

guid find_drive(context& c, const options& o, std::string_view text) {
  return find_object(text, names(c.service(o).drives()), "drive");
}

guid find_lun(context& c, const options& o, std::string_view text) {
  return find_object(text, names(c.service(o).luns()), "LUN");
}

guid find_operation(context& c, const options& o, std::string_view text) {
  if (const auto whole = parse_guid(text)) return *whole;  // also one too old for the list: the service says
  std::vector<named> all;
  for (const auto& op : c.service(o).operations(true)) all.push_back({op.id, ""});
  return find_object(text, all, "operation");
}

std::uint64_t size_option(const std::string& text, std::string_view option) {
  const auto size = parse_size(text);
  if (!size) throw command_error(exit_status::usage, fmt::format("{}: {}", option, size.error().message()));
  return *size;
}

guid guid_option(const std::string& text, std::string_view option) {
  const auto id = parse_guid(text);
  if (!id || !*id)
    throw command_error(exit_status::usage, fmt::format("{}: '{}' is no id", option, text),
                        "an id is 32 hexadecimal digits with dashes");
  return *id;
}

id_cells::id_cells(const context& c, const options& o, std::vector<guid> ids)
    : length_(c.where.out_is_terminal && !o.parsable ? short_id_length(ids) : 36) {}

cell id_cells::operator()(const guid& id) const {
  if (!id) return {"-", "-"};
  const std::string text = to_string(id);
  return {text.substr(0, length_), text};
}

cell text_cell(std::string text, tone colour) {
  cell out{text.empty() ? "-" : text, text.empty() ? "-" : text};
  out.colour = colour;
  return out;
}

cell size_cell(std::uint64_t bytes, const options& o) {
  return {o.bytes ? std::to_string(bytes) : print_size(bytes), std::to_string(bytes), bytes};
}

cell number_cell(std::uint64_t n) { return {std::to_string(n), std::to_string(n), n}; }

cell time_cell(std::uint64_t unix_ns) {
  if (unix_ns == 0) return {"-", "-"};
  return {utc(unix_ns), utc(unix_ns), unix_ns};
}

tone tone_of_status(std::string_view status) {
  if (status == "online" || status == "healthy" || status == "ready") return tone::good;
  if (status == "unknown" || status == "rebuilding" || status == "not_ready" || status == "starting" ||
      status.find("redundancy") != std::string_view::npos || status == "degraded" || status == "offline")
    return tone::warning;
  return tone::bad;
}

cell health_cell(std::uint32_t health) {
  const std::string name = name_of(words::health, health);
  return text_cell(name, tone_of_status(name));
}

std::string joined(const std::vector<std::string>& words, std::string_view by) {
  std::string out;
  for (const std::string& w : words) {
    if (!out.empty()) out += by;
    out += w;
  }
  return out;
}

void show_list(context& c, const options& o, const table& t, bool empty, std::string_view nothing, const json& doc) {
  if (o.json) {
    c.out << dump(doc);
    return;
  }
  const std::string text = t.print({o.columns, o.sort, !o.no_headings, o.parsable}, c.where);
  if (empty && !o.parsable && !o.no_headings) {
    if (!o.quiet) c.err << nothing << "\n";
    return;
  }
  c.out << text;
}

void show_one(context& c, const options& o, const properties& lines, const json& doc) {
  if (o.json) {
    c.out << dump(doc);
    return;
  }
  std::size_t longest = 0;
  for (const auto& [key, value] : lines) longest = std::max(longest, width(key));
  for (const auto& [key, value] : lines) {
    if (o.parsable)
      c.out << key << "\t" << printable(value) << "\n";
    else
      c.out << painted(pad_right(key + ":", longest + 1), tone::faint, c.where.colour) << " "
            << (value.empty() ? "-" : printable(value)) << "\n";
  }
}

void confirm(context& c, const options& o, const std::string& question) {
  if (o.yes || !c.where.interactive) return;
  if (!c.ask(question)) throw command_error(exit_status::failed, "not done: you did not say yes");
}

void say_done(context& c, const options& o, const std::string& what, const json& doc) {
  if (o.json)
    c.out << dump(doc);
  else if (!o.quiet)
    c.out << printable(what) << "\n";
}

}  // namespace vds::cli
