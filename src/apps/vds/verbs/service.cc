// The verbs of `vds service` and `vds provider`.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "apps/vds/command_error.h"
#include "apps/vds/names.h"
#include "apps/vds/verbs/common.h"
#include "apps/vds/verbs/verbs.h"
#include "apps/vds/when.h"

namespace vds::cli {
namespace {

// Ids of providers that are registered by their name follow from it: registered again, it is the same provider.
constexpr std::string_view id_space = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a20";
// What is activated in a provider that does not mind: its process is one provider.
constexpr std::string_view any_class = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a21";
constexpr auto first_start_within = std::chrono::seconds(60);
constexpr std::uint32_t ready = 2, backing_off = 3, refused = 4;  // VDSX_PS_*

// A word of a command line that is taken apart again by quotes and blanks.
std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char ch : word) out += ch == '\'' ? std::string("'\\''") : std::string(1, ch);
  return out + "'";
}

table provider_table(const context& c, const options& o, const std::vector<provider_view>& all) {
  table t({{"id", "ID"},
           {"name", "NAME"},
           {"version", "VERSION", false, false},
           {"type", "TYPE", false, false},
           {"state", "STATE"},
           {"pid", "PID", true},
           {"restarts", "RESTARTS", true},
           {"since", "SINCE", false, false},
           {"retry", "RETRY", false, false},
           {"last_hresult", "CODE", false, false},
           {"last", "LAST"}});
  std::vector<guid> ids;
  for (const auto& p : all) ids.push_back(p.id);
  const id_cells id(c, o, ids);
  for (const auto& p : all) {
    const std::string state = name_of(words::provider_state, p.state);
    t.add({id(p.id), text_cell(p.name), text_cell(p.version), text_cell(name_of(words::provider_type, p.type)),
           text_cell(state, tone_of_status(state)), p.pid == 0 ? text_cell("") : number_cell(p.pid),
           number_cell(p.restarts), time_cell(p.since_ns), time_cell(p.retry_ns),
           text_cell(hex_hresult(p.last_hresult)), text_cell(p.last)});
  }
  return t;
}

}  // namespace

void service_status(context& c, const options& o) {
  const service_view service = c.service(o).service();
  const auto providers = c.service(o).providers();
  const auto running = c.service(o).operations(false);
  const json doc = document(service, providers, running);
  if (o.json) {
    c.out << dump(doc);
    return;
  }
  show_one(c, o,
           {{"service", "ready"},
            {"version", service.version},
            {"socket", service.socket},
            {"operations", fmt::format("{} under way", doc["operations_running"].get<std::size_t>())}},
           doc);
  if (!o.parsable && !providers.empty()) {
    c.out << "\n";
    show_list(c, o, provider_table(c, o, providers), false, "", doc);
  }
}

void provider_list(context& c, const options& o) {
  const auto all = c.service(o).providers();
  show_list(c, o, provider_table(c, o, all), all.empty(), "no provider is registered", document(all));
}

void provider_register(context& c, const options& o) {
  provider_registration what;
  what.name = o.objects.front();
  what.id = o.id.empty() ? name_guid(*parse_guid(id_space), what.name) : guid_option(o.id, "--id");
  what.class_id = guid_option(o.class_id.empty() ? std::string(any_class) : o.class_id, "--clsid");
  what.version = o.version.empty() ? "1.0" : o.version;
  what.version_id = o.version_id.empty() ? name_guid(what.id, what.version) : guid_option(o.version_id, "--version-id");
  std::vector<std::string> command(o.objects.begin() + 1, o.objects.end());
  // The service works somewhere else; what has no slash it looks for in its PATH.
  if (command.front().find('/') != std::string::npos)
    command.front() = std::filesystem::absolute(command.front()).lexically_normal().string();
  for (const std::string& word : command) what.program += (what.program.empty() ? "" : " ") + quoted(word);
  c.service(o).register_provider(what);
  const json told{{"id", to_string(what.id)}, {"name", what.name}};
  if (o.no_wait) return say_done(c, o, fmt::format("provider {} is registered", what.name), told);
  const auto until = std::chrono::steady_clock::now() + first_start_within;
  provider_view now;
  do {
    for (const provider_view& p : c.service(o).providers())
      if (p.id == what.id) now = p;
    if (now.state == ready) return say_done(c, o, fmt::format("provider {} is registered and ready", what.name), told);
    if (now.state == backing_off || now.state == refused) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  } while (std::chrono::steady_clock::now() < until && !c.stop.raised());
  throw command_error(exit_status::failed,
                      fmt::format("provider {} is registered and not ready: {}", what.name, now.last),
                      fmt::format("the service goes on trying; 'vds provider list' shows how it goes, 'vds provider "
                                  "unregister {}' gives up",
                                  what.name));
}

void provider_unregister(context& c, const options& o) {
  const guid id = find_object(o.objects.front(), names(c.service(o).providers()), "provider");
  c.service(o).unregister_provider(id);
  say_done(c, o, fmt::format("provider {} is forgotten", to_string(id)), {{"id", to_string(id)}});
}

}  // namespace vds::cli
