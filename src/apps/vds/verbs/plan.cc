#include "apps/vds/verbs/plan.h"

#include <fmt/format.h>

#include <map>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/size.h"
#include "apps/vds/verbs/common.h"

namespace vds::cli {
namespace {

std::string survives(const plan_view::step& s) {
  if (s.object_type != object_type_lun) return {};
  const auto say = [](std::int32_t n) { return n < 0 ? std::string("-") : std::to_string(n); };
  return fmt::format("{} > {} > {}", say(s.survives_before), say(s.survives_meanwhile), say(s.survives_after));
}

std::string room(const plan_view::step& s, bool bytes) {
  const auto say = [bytes](std::uint64_t n) { return bytes ? std::to_string(n) : print_size(n); };
  if (s.bytes_taken != 0 && s.bytes_freed != 0)
    return fmt::format("takes {}, frees {}", say(s.bytes_taken), say(s.bytes_freed));
  if (s.bytes_taken != 0) return "takes " + say(s.bytes_taken);
  return s.bytes_freed != 0 ? "frees " + say(s.bytes_freed) : std::string();
}

}  // namespace

void show_plan(context& c, const options& o, const plan_view& plan, std::string_view doing) {
  std::map<guid, std::string> called;
  for (const auto& d : c.service(o).drives()) called[d.id] = d.name;
  for (const auto& l : c.service(o).luns()) called[l.id] = l.name;
  table t({{"object", "OBJECT"},
           {"name", "NAME"},
           {"object_type", "KIND"},
           {"action", "IS"},
           {"room", "ROOM"},
           {"bytes_to_write", "TO WRITE", true},
           {"survives", "SURVIVES (BEFORE > MEANWHILE > AFTER)"}});
  std::vector<guid> ids;
  for (const auto& s : plan.steps) ids.push_back(s.object);
  const id_cells id(c, o, ids);
  for (const auto& s : plan.steps)
    t.add({s.object ? id(s.object) : text_cell("(new)"), text_cell(called[s.object]),
           text_cell(name_of(words::object_type, s.object_type)), text_cell(name_of(words::plan_action, s.action)),
           text_cell(room(s, o.bytes)), s.bytes_to_write == 0 ? text_cell("") : size_cell(s.bytes_to_write, o),
           text_cell(survives(s))});
  show_list(c, o, t, plan.steps.empty(), "nothing would change", document(plan));
  if (plan.hresult < 0) throw command_error(std::string(doing), plan.hresult, plan.hresult_name, "it would be refused");
}

}  // namespace vds::cli
