#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "base/log.h"
#include "provider_sdk/inside.h"
#include "wire/orpc/server.h"

namespace vds::provider {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
  return value == nullptr ? "" : value;
}

std::string base_name(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

int wrong(const std::string& program, const std::string& words) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), words.c_str());
  return 2;
}

}  // namespace

int provider_main(int argc, char** argv, const std::function<ptr<hardware_provider>(const launched&)>& create) {
  const std::string program = argc > 0 ? base_name(argv[0]) : "provider";
  launched how;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--socket" && i + 1 < argc)
      how.socket = argv[++i];
    else
      how.arguments.push_back(word);
  }
  if (how.socket.empty()) return wrong(program, "--socket PATH is needed; the service gives it");
  how.name = variable("VDS_PROVIDER_NAME");
  if (how.name.empty()) how.name = program;
  const std::string id = variable("VDS_PROVIDER_ID"), clsid = variable("VDS_PROVIDER_CLSID");
  guid named, class_id;
  if (!id.empty()) {
    const auto parsed = parse_guid(id);
    if (!parsed || !*parsed) return wrong(program, "VDS_PROVIDER_ID is no id: " + id);
    named = *parsed;
  } else {
    // Started by hand: the same name is the same provider.
    named = name_guid(guid{}, "provider " + how.name);
  }
  if (!clsid.empty()) {
    const auto parsed = parse_guid(clsid);
    if (!parsed) return wrong(program, "VDS_PROVIDER_CLSID is no id: " + clsid);
    class_id = *parsed;
  }
  how.id = to_com(named);

  // Before any thread starts, so that all of them leave the signals to sigwait below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  log::start(program);

  ptr<hardware_provider> provider;
  try {
    provider = create(how);
    if (!provider) return wrong(program, "did not come to be"), 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), e.what());
    return 1;
  } catch (...) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), describe(from_exception()).c_str());
    return 1;
  }
  wire::runtime runtime(2);
  wire::server_options options;
  options.path = how.socket;
  options.mode = 0600;  // the service runs as the same user, or as root
  options.endpoints.activate = [&](REFCLSID asked, REFIID iid, void** out, const wire::peer_credentials&) -> HRESULT {
    *out = nullptr;
    if (class_id && from_com(asked) != class_id) return REGDB_E_CLASSNOTREG;
    return provider->QueryInterface(iid, out);
  };
  auto server = wire::server::listen(runtime, std::move(options));
  if (!server) {
    std::fprintf(stderr, "%s: listening on %s: %s\n", program.c_str(), how.socket.c_str(),
                 server.error().message().c_str());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  int signal = 0;
  while (sigwait(&ends, &signal) != 0) {
  }
  server->reset();
  provider.reset();
  return 0;
}

}  // namespace vds::provider
