// common.h: what several verbs need: finding the object a person named, and showing lists and single objects.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/vds/context.h"
#include "apps/vds/documents.h"
#include "apps/vds/match.h"
#include "apps/vds/options.h"
#include "apps/vds/table.h"

namespace vds::cli {

template <class View>
std::vector<named> names(const std::vector<View>& all) {
  std::vector<named> out;
  for (const View& v : all) out.push_back({v.id, v.name});
  return out;
}

guid find_subsystem(context& c, const options& o);  // --subsystem, or the only one there is
guid find_drive(context& c, const options& o, std::string_view text);
guid find_lun(context& c, const options& o, std::string_view text);
guid find_operation(context& c, const options& o, std::string_view text);

std::uint64_t size_option(const std::string& text, std::string_view option);  // throws usage
guid guid_option(const std::string& text, std::string_view option);

// How ids are cut in a table on a terminal: enough to tell these apart. Whole otherwise.
class id_cells {
 public:
  id_cells(const context& c, const options& o, std::vector<guid> ids);
  cell operator()(const guid& id) const;

 private:
  std::size_t length_;
};

cell text_cell(std::string text, tone colour = tone::plain);
cell size_cell(std::uint64_t bytes, const options& o);
cell number_cell(std::uint64_t n);
cell time_cell(std::uint64_t unix_ns);
cell health_cell(std::uint32_t health);
tone tone_of_status(std::string_view status);
std::string joined(const std::vector<std::string>& words, std::string_view by);

// The table, or the document with --json. `nothing` is said on standard error instead of a table without rows.
void show_list(context& c, const options& o, const table& t, bool empty, std::string_view nothing, const json& doc);

// "size:   1 GiB" lines, or the document with --json.
using properties = std::vector<std::pair<std::string, std::string>>;
void show_one(context& c, const options& o, const properties& lines, const json& doc);

// Asks on a terminal, unless --yes. Throws when the answer is no; away from a terminal nobody is asked.
void confirm(context& c, const options& o, const std::string& question);

// Something was done that has no document of its own; silent with --quiet, {"done": ...} with --json.
void say_done(context& c, const options& o, const std::string& what, const json& doc);

}  // namespace vds::cli
