#include "apps/vdsd/options.h"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <set>

namespace vds::vdsd {
namespace {

// Providers that nobody gave a class: the one that the provider for tests answers for.
constexpr std::string_view default_class = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a11";

failure at(const std::string& path, const toml::node& where, const std::string& what) {
  return failure(errc::invalid_argument, fmt::format("{}:{}: {}", path, where.source().begin.line, what));
}

// Every key is known, or the file is refused: a misspelt limit must not go unnoticed.
status known_keys(const std::string& path, const toml::table& table, const std::set<std::string_view>& known) {
  for (const auto& [key, value] : table)
    if (!known.contains(key.str())) return at(path, value, fmt::format("'{}' is not a setting", key.str()));
  return {};
}

template <class T>
status number(const std::string& path, const toml::table& table, const char* key, std::int64_t least, std::int64_t most,
              T& into) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return {};
  const auto value = node->value_exact<std::int64_t>();
  if (!value || *value < least || *value > most)
    return at(path, *node, fmt::format("{} has to be a number from {} to {}", key, least, most));
  into = T(*value);
  return {};
}

status text(const std::string& path, const toml::table& table, const char* key, std::string& into) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return {};
  const auto value = node->value_exact<std::string>();
  if (!value) return at(path, *node, fmt::format("{} has to be a text in quotes", key));
  into = *value;
  return {};
}

status id(const std::string& path, const toml::table& table, const char* key, guid& into) {
  std::string words;
  VDS_RETURN_IF_FAILED(text(path, table, key, words));
  if (words.empty()) return {};
  const auto parsed = parse_guid(words);
  if (!parsed) return at(path, *table.get(key), fmt::format("{} is no id: {}", key, words));
  into = *parsed;
  return {};
}

}  // namespace

std::string default_socket() {
  if (::geteuid() == 0) return "/run/vds/vdsd.sock";
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && *runtime != '\0' ? std::string(runtime) + "/vds/vdsd.sock" : std::string();
}

result<service::provider_spec> parse_provider(std::string_view told) {
  const auto equals = told.find('=');
  std::string_view name = told.substr(0, equals);
  service::provider_spec p;
  std::string_view clsid = default_class;
  if (const auto sign = name.find('@'); sign != std::string_view::npos) {
    clsid = name.substr(sign + 1);
    name = name.substr(0, sign);
  }
  const auto parsed = parse_guid(clsid);
  if (equals == std::string_view::npos || name.empty() || equals + 1 == told.size() || !parsed)
    return failure(errc::invalid_argument, fmt::format("'{}' is not NAME=COMMAND or NAME@CLASS-ID=COMMAND", told));
  p.name = name;
  p.clsid = *parsed;
  p.command = told.substr(equals + 1);
  return p;
}

status read_config(const std::string& path, options& into) {
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& e) {
    return failure(errc::invalid_argument, fmt::format("{}:{}: {}", path, e.source().begin.line, e.description()));
  }
  VDS_RETURN_IF_FAILED(known_keys(path, file, {"group", "history", "limits", "provider"}));
  if (into.group.empty()) VDS_RETURN_IF_FAILED(text(path, file, "group", into.group));
  VDS_RETURN_IF_FAILED(number(path, file, "history", 0, 1'000'000, into.history));
  if (const toml::node* limits = file.get("limits")) {
    if (!limits->is_table()) return at(path, *limits, "limits has to be a table: [limits]");
    const toml::table& t = *limits->as_table();
    VDS_RETURN_IF_FAILED(
        known_keys(path, t, {"call", "load", "ready", "threads", "provider_memory", "provider_files"}));
    std::chrono::seconds call(0), load(0);
    VDS_RETURN_IF_FAILED(number(path, t, "call", 1, 3600, call));
    VDS_RETURN_IF_FAILED(number(path, t, "load", 1, 3600, load));
    VDS_RETURN_IF_FAILED(number(path, t, "ready", 0, 3600, into.ready));
    VDS_RETURN_IF_FAILED(number(path, t, "threads", 1, 1024, into.provider.gate.threads));
    VDS_RETURN_IF_FAILED(number(path, t, "provider_memory", 0, 1 << 27, into.provider_memory_mib));
    VDS_RETURN_IF_FAILED(number(path, t, "provider_files", 0, 1 << 24, into.provider_files));
    if (call.count() != 0) into.provider.call_limit = call;
    if (load.count() != 0) into.provider.load_limit = load;
  }
  if (const toml::node* providers = file.get("provider")) {
    if (!providers->is_table()) return at(path, *providers, "providers are tables: [provider.NAME]");
    for (const auto& [name, node] : *providers->as_table()) {
      if (!node.is_table()) return at(path, node, "a provider is a table: [provider.NAME]");
      const toml::table& t = *node.as_table();
      VDS_RETURN_IF_FAILED(known_keys(path, t, {"command", "clsid", "id"}));
      service::provider_spec p;
      p.name = std::string(name.str());
      p.clsid = *parse_guid(default_class);
      VDS_RETURN_IF_FAILED(text(path, t, "command", p.command));
      VDS_RETURN_IF_FAILED(id(path, t, "clsid", p.clsid));
      VDS_RETURN_IF_FAILED(id(path, t, "id", p.id));
      if (p.command.empty()) return at(path, node, fmt::format("provider {} has no command", p.name));
      into.providers.push_back(std::move(p));
    }
  }
  return {};
}

parsed parse_command_line(int argc, char** argv) {
  parsed p;
  std::string config;
  std::vector<std::string> providers;
  CLI::App app("The Virtual Disk Service: arrays, LUNs and operations behind one API.", "vdsd");
  app.add_option("--state-dir", p.given.state_dir, "where the service keeps its own state; made if it does not exist")
      ->required();
  p.given.socket = default_socket();
  app.add_option("--socket", p.given.socket, "where it listens")->capture_default_str();
  auto* array =
      app.add_option("--with-array", p.given.array_dir, "also run an array whose files live in this directory");
  app.add_option("--drives", p.given.drives, "give that array, when new, this many sparse drive files, like 6x1G")
      ->needs(array);
  app.add_option("--iscsi-portal", p.given.portal, "where initiators reach that array; port 0: any")
      ->capture_default_str()
      ->needs(array);
  app.add_flag("--checksums", p.given.checksums, "drives that join that array from now on keep checksums of their data")
      ->needs(array);
  app.add_option("--config", config, "settings, in TOML");
  app.add_option("--group", p.given.group, "whose members administer, besides root and the user this runs as");
  app.add_option("--provider", providers,
                 "a provider to run besides the registered ones: NAME=COMMAND or NAME@CLASS-ID=COMMAND");
  app.set_version_flag("--version", "vdsd 0.1.0");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    p.exit_status = app.exit(e) == 0 ? 0 : 2;
    return p;
  }
  const auto wrong = [&p](const std::string& words) {
    fmt::print(stderr, "vdsd: {}\n", words);
    p.exit_status = 2;
  };
  if (!config.empty())
    if (const auto read = read_config(config, p.given); !read) wrong(read.error().message());
  for (const std::string& each : providers) {
    auto spec = parse_provider(each);
    if (spec)
      p.given.providers.push_back(std::move(*spec));
    else
      wrong(spec.error().message());
  }
  if (p.given.socket.empty() && p.exit_status < 0) wrong("--socket is needed: XDG_RUNTIME_DIR is not set");
  return p;
}

}  // namespace vds::vdsd
