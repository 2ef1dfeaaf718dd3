#include "apps/arrayd/daemon.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/log.h"
#include "base/random.h"
#include "providers/array/provider.h"

namespace vds::arrayd {

namespace {

// Calls block until the configuration is durable on the drives; so many of them share one write (group commit).
constexpr unsigned wire_threads = 16;

std::string setting_of_portal(const std::string& portal) { return "port of " + portal; }

}  // namespace

result<std::unique_ptr<daemon>> daemon::start(const options& given) {
  auto d = directory::open(given.directory);
  if (!d) return std::move(d).error();
  std::unique_ptr<daemon> self(new daemon(std::move(*d)));
  VDS_RETURN_IF_FAILED(self->open_array(given));
  VDS_RETURN_IF_FAILED(self->serve(given.socket));
  return self;
}

daemon::~daemon() {
  server_.reset();
  runtime_.reset();
  provider_.reset();
  if (host_) host_->close();
}

status daemon::open_array(const options& given) {
  guid id;
  if (const auto known = directory_->setting("id")) id = parse_guid(*known).value_or(guid{});
  if (!id) {
    id = random_guid(system_random());
    VDS_RETURN_IF_FAILED(directory_->set("id", to_string(id)));
  }
  const bool is_new = !directory_->setting("drives made");
  if (is_new) {
    const auto carried = directory_->adopt_drive_files();
    if (!carried) return carried.error();
    if (*carried != 0) log::info("{} drive files were found in {}", *carried, directory_->path());
  }

  array_provider::host_options options;
  options.id = id;
  options.name = fmt::format("VDS array {}", directory_->path());
  options.portal = given.portal;
  options.reactors = given.reactors;
  options.checksums = given.checksums;
  if (const auto port = directory_->setting(setting_of_portal(given.portal))) options.preferred_portal = *port;
  auto started = array_provider::host::start(std::move(options), *directory_);
  if (!started) return std::move(started).error();
  host_ = std::move(*started);

  // Initiators look for us where we were.
  VDS_RETURN_IF_FAILED(directory_->set(setting_of_portal(given.portal), host_->portal()));
  if (!is_new) return {};
  VDS_RETURN_IF_FAILED(make_drives(given.drives));
  return directory_->set("drives made", "yes");
}

// A crash in the middle leaves some of them; the next start makes the rest.
status daemon::make_drives(const drive_set& drives) {
  const auto there = directory_->entries();
  const auto ours = [&](const std::string& path) {
    return std::any_of(there.begin(), there.end(), [&](const auto& e) { return e.path == path; });
  };
  unsigned made = 0;
  for (unsigned i = 0; i < drives.count; ++i) {
    const std::string path = directory_->file(fmt::format("drive-{:03}.img", i));
    if (ours(path)) {
      ++made;
      continue;
    }
    if (made == 0 && !there.empty()) return {};  // drives of somebody's choice: nothing to make
    auto added = host_->add_drive(path, drives.size, false);
    if (!added) return std::move(added).error().in("making the drives of a new array");
  }
  return {};
}

status daemon::serve(const std::string& socket) {
  provider_ = array_provider::make_provider(host_);
  runtime_ = std::make_unique<wire::runtime>(wire_threads);
  wire::server_options options;
  options.path = socket;
  options.mode = 0600;
  options.endpoints.authorize = [self = ::geteuid()](const wire::peer_credentials& peer, REFIID, ULONG) -> HRESULT {
    return peer.uid == 0 || peer.uid == self ? S_OK : E_ACCESSDENIED;
  };
  options.endpoints.activate = [p = provider_](REFCLSID clsid, REFIID iid, void** out,
                                               const wire::peer_credentials&) -> HRESULT {
    *out = nullptr;
    if (clsid != array_provider::clsid) return REGDB_E_CLASSNOTREG;
    return p->QueryInterface(iid, out);
  };
  auto listening = wire::server::listen(*runtime_, std::move(options));
  if (!listening) return std::move(listening).error().in("listening on", socket);
  server_ = std::move(*listening);
  return {};
}

}  // namespace vds::arrayd
