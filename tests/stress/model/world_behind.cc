#include "com/hresult.h"
#include "tests/stress/model/world.h"
#include "wire/orpc/endpoint.h"

namespace vds::stress {

namespace {

class over_wire final : public connection {
 public:
  ~over_wire() override {
    service_.reset();
    if (endpoint_) endpoint_->close();
  }
  status open(const std::string& socket) {
    auto to = wire::endpoint::connect_unix(runtime_, socket);
    if (!to) return std::move(to).error();
    endpoint_ = std::move(*to);
    com_ptr<IVdsServiceLoader> loader;
    HRESULT hr = endpoint_->activate(CLSID_VdsLoader, IID_IVdsServiceLoader, loader.put_void());
    if (hr == S_OK) hr = loader->LoadService(nullptr, service_.put());
    if (hr == S_OK) hr = service_->WaitForServiceReady();
    return hr == S_OK ? status() : status(failure_from_hresult(hr, "loading the service"));
  }
  com_ptr<IVdsService> service() override { return service_; }

 private:
  wire::runtime runtime_{1};
  std::shared_ptr<wire::endpoint> endpoint_;
  com_ptr<IVdsService> service_;
};

class world_behind final : public world {
 public:
  explicit world_behind(std::string socket) : socket_(std::move(socket)) {}
  result<std::unique_ptr<connection>> connect() override {
    auto made = std::make_unique<over_wire>();
    VDS_RETURN_IF_FAILED(made->open(socket_));
    return std::unique_ptr<connection>(std::move(made));
  }

 private:
  const std::string socket_;
};

}  // namespace

std::unique_ptr<world> make_world_behind(const std::string& socket) { return std::make_unique<world_behind>(socket); }

}  // namespace vds::stress
