#include "apps/vdsd/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "apps/common/daemon.h"
#include "base/log.h"
#include "com/strings.h"
#include "service/access/access.h"

namespace vds::vdsd {
namespace {

// Of the array that vds-arrayd is: its class, and its provider object's id.
constexpr std::string_view array_class = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a01";
constexpr std::string_view array_id = "5c1d5c1e-3f53-4b7e-9d0c-0b6f6d1f7a02";
constexpr auto provider_ready_within = std::chrono::seconds(30);
constexpr unsigned io_threads = 2;  // for each direction: calls that may wait run on gates

// Beside us, where both are installed; in the build tree; else wherever PATH says.
std::string arrayd_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& candidate : {self / "vds-arrayd", self.parent_path() / "arrayd" / "vds-arrayd"})
    if (!error && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  return "vds-arrayd";
}

}  // namespace

result<std::unique_ptr<server>> server::start(const options& given) {
  std::unique_ptr<server> made(new server);
  if (auto opened = made->open(given); !opened) return std::move(opened).error();
  if (auto listening = made->listen(given); !listening) return std::move(listening).error();
  return made;
}

status server::open(const options& given) {
  auto lock = daemon::own_directory(given.state_dir);
  if (!lock) return std::move(lock).error();
  lock_ = std::move(*lock);
  const std::string sockets = given.state_dir + "/providers";
  std::error_code error;
  std::filesystem::create_directories(sockets, error);
  if (error) return failure_from_errno(error.value(), "making " + sockets);
  ::chmod(sockets.c_str(), 0700);

  provider_runtime_ = std::make_unique<wire::runtime>(io_threads);
  client_runtime_ = std::make_unique<wire::runtime>(io_threads);
  launcher_ = std::make_unique<process_launcher>(*provider_runtime_, sockets, provider_ready_within,
                                                 child_limits{given.provider_memory_mib << 20, given.provider_files});
  service::service_options o;
  o.state_dir = given.state_dir;
  o.provider = given.provider;
  o.history = given.history;
  o.ready_limit = given.ready;
  if (!given.array_dir.empty()) {
    const auto dir = std::filesystem::absolute(given.array_dir, error);
    std::filesystem::create_directories(dir, error);
    if (error) return failure_from_errno(error.value(), "making " + dir.string());
    service::provider_spec array;
    array.id = *parse_guid(array_id);
    array.clsid = *parse_guid(array_class);
    array.name = "array";
    array.restart_when_hung = false;  // it carries I/O
    launch_plan how;
    how.command = {arrayd_program(), "--dir", dir, "--iscsi-portal", given.portal};
    if (!given.drives.empty()) how.command.insert(how.command.end(), {"--drives", given.drives});
    if (given.checksums) how.command.push_back("--checksums");
    how.socket = dir / "provider.sock";
    how.outlives_us = true;
    launcher_->plan(array.name, std::move(how));
    o.providers.push_back(std::move(array));
  }
  o.providers.insert(o.providers.end(), given.providers.begin(), given.providers.end());
  auto started = service::service::start(std::move(o), *launcher_);
  if (!started) return std::move(started).error();
  service_ = std::move(*started);
  return {};
}

status server::listen(const options& given) {
  auto policy = service::access_policy::make(given.group);
  if (!policy) return std::move(policy).error();
  const auto parent = std::filesystem::path(given.socket).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return failure_from_errno(error.value(), "making " + parent.string());

  wire::server_options o;
  o.path = given.socket;
  // The kernel keeps strangers out; the check of each call stands behind it, should somebody open the socket to all.
  o.mode = policy->group ? 0660 : 0600;
  if (policy->group) o.gid = *policy->group;
  o.endpoints.authorize = [policy = *policy](const wire::peer_credentials& peer, REFIID, ULONG) -> HRESULT {
    return policy.allows(peer.uid, peer.gid, peer.groups) ? S_OK : E_ACCESSDENIED;
  };
  o.endpoints.activate = [s = service_.get()](REFCLSID clsid, REFIID iid, void** out,
                                              const wire::peer_credentials&) -> HRESULT {
    *out = nullptr;
    if (clsid == CLSID_VdsLoader) return s->loader()->QueryInterface(iid, out);
    if (clsid == CLSID_VdsService) return s->object()->QueryInterface(iid, out);
    return REGDB_E_CLASSNOTREG;
  };
  auto listening = wire::server::listen(*client_runtime_, std::move(o));
  if (!listening) return std::move(listening).error().in("listening on", given.socket);
  clients_ = std::move(*listening);
  service_->wait_ready(monotonic::now() + given.ready + std::chrono::seconds(1));
  return {};
}

server::~server() {
  clients_.reset();
  if (launcher_) launcher_->stopping();
  if (service_) service_->stop();
  service_.reset();
  launcher_.reset();
  client_runtime_.reset();
  provider_runtime_.reset();
}

}  // namespace vds::vdsd
