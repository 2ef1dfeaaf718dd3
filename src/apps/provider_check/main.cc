// vds-provider-check: holds a provider to everything its callers rely on, method by method.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "apps/provider_check/calls.h"
#include "base/log.h"

namespace {

using namespace vds;
using namespace vds::check;

// What no check reached, and why.
void fill_up(scene& s) {
  report& say = s.say;
  const struct {
    const char* interface;
    const char* why;
  } optional[] = {
      {"IVdsProviderSupport", "the provider has not got the interface"},
      {"IVdsHwProviderType", "the provider has not got the interface"},
      {"IVdsHwProviderType2", "the provider has not got the interface"},
      {"IVdsHwProviderStoragePools", "the provider has not got the interface"},
      {"IVdsStoragePool", "the provider has no storage pools"},
      {"IVdsHwProviderPrivateMpio", "for providers whose hosts have paths of their own"},
      {"IVdsSubSystem2", "the subsystem has not got the interface"},
      {"IVdsSubSystemNaming", "the subsystem has not got the interface"},
      {"IVdsSubSystemInterconnect", "the subsystem has not got the interface"},
      {"IVdsSubSystemIscsi", "the subsystem has not got the interface"},
      {"IVdsController", "the subsystem has no controllers"},
      {"IVdsControllerControllerPort", "the subsystem has no controllers"},
      {"IVdsControllerPort", "the subsystem has no controllers"},
      {"IVdsDrive2", "the drives have not got the interface"},
      {"IVdsLun2", "the LUNs have not got the interface"},
      {"IVdsLunNaming", "the LUNs have not got the interface"},
      {"IVdsLunNumber", "the LUNs have not got the interface"},
      {"IVdsLunControllerPorts", "the LUNs have not got the interface"},
      {"IVdsLunIscsi", "the LUNs have not got the interface"},
      {"IVdsLunMpio", "the LUNs have not got the interface"},
      {"IVdsLunPlex", "the LUNs have no plexes"},
      {"IVdsIscsiTarget", "the subsystem makes no targets"},
      {"IVdsIscsiPortalGroup", "the subsystem makes no targets"},
      {"IVdsIscsiPortal", "the subsystem has no portals"},
      {"IVdsMaintenance", "no object has got the interface"},
  };
  for (const auto& each : optional) say.absent(each.interface, each.why);
  if (!s.at.straight())
    for (const char* each : {"IVdsProviderPrivate", "IVdsHwProviderPrivate"})
      say.absent(each, "only the service calls it; --program does, too");
}

void check_all(scene& s) {
  check_provider(s);
  if (s.subsystem) {
    check_subsystem(s);
    for (const auto next : {check_drives, check_controllers, check_pools, check_luns})
      if (!s.given_up) next(s);
  }
  fill_up(s);
  s.say.close();
  if (const std::string why = s.at.ended(); !why.empty()) s.say.broken(why);
}

}  // namespace

int main(int argc, char** argv) {
  std::string name, socket, clsid;
  std::vector<std::string> command;
  int patience = 30;
  bool as_json = false, all = false, straight = false;
  CLI::App app(
      "Holds a provider to the rules that its callers rely on, method by method. Makes LUNs and targets of its own in "
      "the "
      "provider's first subsystem and deletes them; leaves what it finds as it is.",
      "vds-provider-check");
  app.add_option("provider", command,
                 "name or id of a registered provider; with --program, a program and its arguments")
      ->required()
      ->type_name("NAME");
  app.add_flag("--program", straight, "start that program and speak to it without a service");
  app.add_option("--clsid", clsid, "the class to activate in that program, if it minds")->type_name("GUID");
  app.add_flag("--json", as_json, "one document with all that was found");
  app.add_flag("-a,--all", all, "also the methods with which nothing is wrong");
  app.add_option("--patience", patience, "seconds to wait for an operation's end")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600));
  app.add_option("--socket", socket, "where the service listens")->type_name("PATH");
  app.set_version_flag("--version", "vds-provider-check " VDS_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  name = command.front();
  if (!socket.empty()) ::setenv("VDS_SOCKET", socket.c_str(), 1);
  std::string why;
  HRESULT hr = S_OK;
  const auto way = straight ? straight_to(command, clsid, why) : through_the_service(name, why, hr);
  if (!way) {
    std::cerr << "vds-provider-check: " << why << "\n";
    if (straight || hr == VDS_E_OBJECT_NOT_FOUND || hr == VDS_E_PROVIDER_FAILURE) return 1;
    return hr == E_ACCESSDENIED ? 4 : 3;
  }
  report said;
  scene s{.at = *way,
          .say = said,
          .provider = {},
          .provider_id = {},
          .subsystem = {},
          .subsystem_id = {},
          .drives = {},
          .patience = std::chrono::seconds(patience)};
  check_all(s);
  if (as_json)
    said.print_json(std::cout, name);
  else
    said.print(std::cout, all);
  return said.passed() ? 0 : 1;
}
