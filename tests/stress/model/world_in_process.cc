#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "com/hresult.h"
#include "com/strings.h"
#include "providers/array/provider.h"
#include "providers/array/testing/in_memory.h"
#include "sdk/enum_object.h"
#include "service/service.h"
#include "tests/stress/model/world.h"

namespace vds::stress {

namespace {

constexpr unsigned drives = 6;
constexpr byte_count drive_size{std::uint64_t{1} << 30};
// A call may wait for many others on a machine that does other things besides; none is lost here.
constexpr auto patience = std::chrono::minutes(10);

class array_connection final : public service::provider_connection {
 public:
  explicit array_connection(com_ptr<IUnknown> provider) : provider_(std::move(provider)) {}
  IUnknown* object() override { return provider_.get(); }
  unsigned pid() const override { return static_cast<unsigned>(::getpid()); }
  void kill() override {}

 private:
  const com_ptr<IUnknown> provider_;
};

class array_launcher final : public service::provider_launcher {
 public:
  explicit array_launcher(std::shared_ptr<array_provider::host> host) : host_(std::move(host)) {}
  result<std::unique_ptr<service::provider_connection>> launch(const service::provider_spec&,
                                                               std::function<void(std::string)>) override {
    return std::unique_ptr<service::provider_connection>(
        std::make_unique<array_connection>(array_provider::make_provider(host_)));
  }

 private:
  const std::shared_ptr<array_provider::host> host_;
};

class direct final : public connection {
 public:
  explicit direct(com_ptr<IVdsService> service) : service_(std::move(service)) {}
  com_ptr<IVdsService> service() override { return service_; }

 private:
  const com_ptr<IVdsService> service_;
};

class world_in_process final : public world {
 public:
  ~world_in_process() override {
    service_.reset();
    if (host_) host_->close();
  }
  status open(const std::string& directory) {
    auto started = array_provider::host::start(
        {.id = guid{{1}}, .name = "stress", .portal = "127.0.0.1:0", .preferred_portal = {}}, list_);
    if (!started) return std::move(started).error();
    host_ = std::move(*started);
    for (unsigned i = 0; i < drives; ++i)
      if (auto added = host_->add_drive(fmt::format("{}/drive-{}", directory, i), drive_size, false); !added)
        return std::move(added).error();
    launcher_ = std::make_unique<array_launcher>(host_);
    service::service_options options;
    options.state_dir = directory;
    options.history = 10'000'000;
    options.provider.call_limit = options.provider.ping_limit = options.provider.load_limit = patience;
    service::provider_spec array;
    array.id = from_com(array_provider::provider_id);
    array.name = "array";
    array.clsid = from_com(array_provider::clsid);
    array.restart_when_hung = false;
    options.providers = {array};
    auto running = service::service::start(std::move(options), *launcher_);
    if (!running) return std::move(running).error();
    service_ = std::move(*running);
    if (!service_->wait_ready(monotonic::now() + patience)) return failure(errc::timed_out, "the service is not ready");
    return {};
  }
  result<std::unique_ptr<connection>> connect() override {
    return std::unique_ptr<connection>(std::make_unique<direct>(service_->object().as<IVdsService>()));
  }

 private:
  array_provider::testing::list_in_memory list_;
  std::shared_ptr<array_provider::host> host_;
  std::unique_ptr<array_launcher> launcher_;
  std::unique_ptr<service::service> service_;
};

}  // namespace

result<std::unique_ptr<world>> make_world_in_process(const std::string& directory) {
  auto made = std::make_unique<world_in_process>();
  VDS_RETURN_IF_FAILED(made->open(directory));
  return std::unique_ptr<world>(std::move(made));
}

result<guid> subsystem_of(IVdsService* service) {
  com_ptr<IEnumVdsObject> providers;
  std::vector<com_ptr<IUnknown>> found;
  HRESULT hr = service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, providers.put());
  if (hr == S_OK) hr = sdk::read_enum(providers.get(), found);
  if (hr != S_OK) return failure_from_hresult(hr, "asking for the providers");
  for (const auto& each : found) {
    const auto provider = each.as<IVdsHwProvider>();
    com_ptr<IEnumVdsObject> all;
    std::vector<com_ptr<IUnknown>> subsystems;
    if (!provider || provider->QuerySubSystems(all.put()) != S_OK || sdk::read_enum(all.get(), subsystems) != S_OK)
      continue;
    for (const auto& one : subsystems) {
      VDS_SUB_SYSTEM_PROP p{};
      hr = one.as<IVdsSubSystem>()->GetProperties(&p);
      CoTaskMemFree(p.pwszFriendlyName);
      CoTaskMemFree(p.pwszIdentification);
      if (hr == S_OK) return from_com(p.id);
    }
  }
  return failure(errc::not_found, "there is no array");
}

}  // namespace vds::stress
