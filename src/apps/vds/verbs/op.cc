// The verbs of `vds op`, and `vds events`.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/size.h"
#include "apps/vds/verbs/common.h"
#include "apps/vds/verbs/verbs.h"
#include "apps/vds/wait.h"
#include "apps/vds/when.h"

namespace vds::cli {
namespace {

std::string result_text(const operation_view& v) {
  if (v.state != operation_done) return {};
  if (v.hresult == 0) return "ok";
  return v.hresult_name.empty() ? hex_hresult(v.hresult) : v.hresult_name;
}

std::string left(const operation_view& v) {
  return v.seconds_left ? print_duration(std::chrono::seconds(*v.seconds_left)) : std::string();
}

void show_operation(context& c, const options& o, const operation_view& v) {
  std::string bytes;
  if (v.bytes_total > 0) bytes = fmt::format("{} of {}", print_size(v.bytes_done), print_size(v.bytes_total));
  show_one(c, o,
           {{"id", to_string(v.id)},
            {"kind", v.kind},
            {"object", v.object ? to_string(v.object) : ""},
            {"state", name_of(words::operation_state, v.state)},
            {"percent", std::to_string(v.percent)},
            {"phase", v.phase},
            {"bytes", bytes},
            {"rate", v.bytes_per_second == 0 ? "" : print_size(v.bytes_per_second) + "/s"},
            {"left", left(v)},
            {"waits for", v.waiting_for},
            {"result", result_text(v)},
            {"owner", v.owner},
            {"begun", utc(v.begun_ns)},
            {"ended", utc(v.ended_ns)}},
           document(v));
}

}  // namespace

void op_list(context& c, const options& o) {
  const auto all = c.service(o).operations(o.all);
  table t({{"id", "ID"},
           {"kind", "KIND"},
           {"object", "OBJECT"},
           {"state", "STATE"},
           {"percent", "%", true},
           {"phase", "PHASE"},
           {"bytes_done", "DONE", true},
           {"bytes_total", "OF", true},
           {"bytes_per_second", "PER SECOND", true, false},
           {"seconds_left", "LEFT", true},
           {"waiting_for", "WAITS FOR", false, false},
           {"hresult", "RESULT"},
           {"owner", "OWNER"},
           {"begun", "BEGUN"},
           {"ended", "ENDED", false, false}});
  std::vector<guid> ids;
  for (const auto& v : all) {
    ids.push_back(v.id);
    ids.push_back(v.object);
  }
  const id_cells id(c, o, ids);
  for (const auto& v : all)
    t.add({id(v.id), text_cell(v.kind), id(v.object), text_cell(name_of(words::operation_state, v.state)),
           number_cell(v.percent), text_cell(v.phase), v.bytes_total == 0 ? text_cell("") : size_cell(v.bytes_done, o),
           v.bytes_total == 0 ? text_cell("") : size_cell(v.bytes_total, o),
           v.bytes_per_second == 0 ? text_cell("") : size_cell(v.bytes_per_second, o), text_cell(left(v)),
           text_cell(v.waiting_for),
           text_cell(result_text(v), v.state == operation_done && v.hresult < 0 ? tone::bad : tone::plain),
           text_cell(v.owner), time_cell(v.begun_ns), time_cell(v.ended_ns)});
  show_list(c, o, t, all.empty(),
            o.all ? "there were no operations" : "no operation is under way; --all shows those that ended",
            document(all));
}

void op_show(context& c, const options& o) {
  show_operation(c, o, c.service(o).operation_status(find_operation(c, o, o.objects.front())));
}

void op_wait(context& c, const options& o) {
  const guid id = find_operation(c, o, o.objects.front());
  operation_ptr op = c.service(o).open_operation(id);
  wait_for(c, o, std::move(op));
  if (o.json || !o.quiet) show_operation(c, o, c.service(o).operation_status(id));
}

void op_cancel(context& c, const options& o) {
  const guid id = find_operation(c, o, o.objects.front());
  c.service(o).open_operation(id)->cancel();
  say_done(c, o, fmt::format("operation {} is asked to stop and undo what it did", to_string(id)),
           {{"id", to_string(id)}});
}

void events(context& c, const options& o) {
  constexpr std::uint32_t page_size = 500;
  constexpr std::uint32_t patience_ms = 10'000;
  // One --json document cannot follow: it has an end.
  const bool follow = !o.no_follow && !(o.json && !o.json_lines);
  std::uint64_t since = o.since.value_or(0);
  std::uint64_t left = o.most == 0 ? ~0ull : o.most;
  if (!o.since && follow) {  // from now on: past what is kept
    for (auto page = c.service(o).events(since, page_size, 0); !page.events.empty();
         page = c.service(o).events(since, page_size, 0))
      since = page.next;
  }
  json all = json::array();
  while (left > 0) {
    const auto page = c.service(o).events(since, static_cast<std::uint32_t>(std::min<std::uint64_t>(left, page_size)),
                                          follow ? patience_ms : 0);
    if (page.lost && !o.quiet) c.err << "events before these are no longer kept\n";
    // A program that follows reads one stream only.
    if (page.lost && o.json_lines) c.out << dump(json{{"lost", true}, {"since", since}}, true);
    for (const auto& e : page.events) {
      if (o.json_lines)
        c.out << dump(document(e), true);
      else if (o.json)
        all.push_back(document(e));
      else
        c.out << fmt::format("{}  {:>6}  {:<20} {} {}\n", utc(e.unix_ns), e.sequence, name_of(words::event, e.code),
                             name_of(words::object_type, e.object_type), to_string(e.object));
    }
    c.out << std::flush;
    if (!c.out) break;  // nobody reads any more
    left -= std::min<std::uint64_t>(left, page.events.size());
    since = page.next;
    if (page.events.empty() && !follow) break;
  }
  if (o.json && !o.json_lines) c.out << dump(all);
}

std::vector<std::string> names_of_kind(context& c, const options& o, std::string_view kind) {
  std::vector<named> all;
  if (kind == "lun") all = names(c.service(o).luns());
  if (kind == "drive") all = names(c.service(o).drives());
  if (kind == "subsystem") all = names(c.service(o).subsystems());
  if (kind == "provider") all = names(c.service(o).providers());
  if (kind == "target") all = names(c.service(o).iscsi().targets());
  if (kind == "portal")
    for (const auto& v : c.service(o).iscsi().portals()) all.push_back({v.id, v.address});
  if (kind == "portal-group")
    for (const auto& v : c.service(o).iscsi().portal_groups())
      all.push_back({v.id, v.target_name + ":" + std::to_string(v.tag)});
  if (kind == "op")
    for (const auto& v : c.service(o).operations(true)) all.push_back({v.id, ""});
  std::vector<std::string> out;
  for (const named& n : all)
    out.push_back(n.name.empty() || n.name.find_first_of(" \t\n'\"\\") != std::string::npos ? to_string(n.id) : n.name);
  return out;
}

}  // namespace vds::cli
