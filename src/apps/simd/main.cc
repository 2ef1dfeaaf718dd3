// vds-simd: the sim provider in a process of its own, listening where it is told to, until SIGTERM.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/log.h"
#include "com/com_ptr.h"
#include "com/strings.h"
#include "providers/sim/world.h"
#include "wire/orpc/server.h"

namespace {

using namespace vds;

struct settings {
  std::string socket;
  std::string script_file;
  std::string script_text;
  std::string name = "sim";
  std::string id = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a12";
  std::string clsid = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a11";
};

int serve(const settings& told, const guid& id, const guid& clsid, sim::script script) {
  // Before any thread starts, so that all of them leave the signals to sigwait below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  sim::world world(id, told.name, std::move(script), told.script_file, system_random());
  if (world.play.play("start")) return 1;
  wire::runtime runtime(2);
  wire::server_options options;
  options.path = told.socket;
  options.mode = 0600;  // the service runs as the same user, or as root
  options.endpoints.activate = [&](REFCLSID asked, REFIID iid, void** out, const wire::peer_credentials&) -> HRESULT {
    *out = nullptr;
    if (from_com(asked) != clsid) return REGDB_E_CLASSNOTREG;
    return sim::make_provider(world)->QueryInterface(iid, out);
  };
  auto server = wire::server::listen(runtime, std::move(options));
  if (!server) {
    log::error("listening on {}: {}", told.socket, server.error());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  log::info("ending on signal {}", signal);
  world.stop();  // calls that hang come back, so that the server can end
  server->reset();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  settings told;
  CLI::App app("A VDS hardware provider for tests: honest, or as its script says.", "vds-simd");
  app.add_option("--socket", told.socket, "where the service finds this provider")->required();
  app.add_option("--script", told.script_file, "a file of lies, read again whenever it changes");
  app.add_option("--lie", told.script_text, "lies on the command line, separated by ';'");
  app.add_option("--name", told.name, "the provider's name");
  app.add_option("--id", told.id, "the provider's id");
  app.add_option("--clsid", told.clsid, "the class that the service activates");
  CLI11_PARSE(app, argc, argv);

  log::start("vds-simd");
  const auto id = parse_guid(told.id), clsid = parse_guid(told.clsid);
  if (!id || !clsid) {
    std::fprintf(stderr, "vds-simd: not an id: %s\n", (id ? told.clsid : told.id).c_str());
    return 2;
  }
  std::string text = told.script_text;
  for (char& c : text)
    if (c == ';') c = '\n';
  if (!told.script_file.empty()) {
    // What holds from the start (drives, luns, start) is read here, the rest whenever a method is called.
    std::ifstream in(told.script_file);
    text += "\n" + std::string(std::istreambuf_iterator<char>(in), {});
  }
  auto script = sim::parse_script(text);
  if (!script) {
    std::fprintf(stderr, "vds-simd: %s\n", script.error().message().c_str());
    return 2;
  }
  return serve(told, *id, *clsid, std::move(*script));
}
