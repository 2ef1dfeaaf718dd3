#include "client/connection.h"

#include <unistd.h>

#include "com/hresult.h"

namespace vds::client {
namespace {

// One for the socket, one for callbacks and blocking work: a client is not a server.
constexpr unsigned threads = 2;

}  // namespace

connection& connection::of_process() {
  static connection& instance = *new connection;  // see the header: never destroyed
  return instance;
}

HRESULT connection::connected(const std::shared_ptr<wire::endpoint>& not_this, std::shared_ptr<wire::endpoint>& out) {
  const std::lock_guard lock(mutex_);
  if (process_ != ::getpid()) {
    // First use, or the child of a fork: the parent's threads are not here, so its runtime can be neither used nor
    // ended.
    (void)runtime_.release();
    if (endpoint_) (void)new std::shared_ptr<wire::endpoint>(std::move(endpoint_));
    endpoint_.reset();
    runtime_ = std::make_unique<wire::runtime>(threads);
    process_ = ::getpid();
  }
  if (endpoint_ && endpoint_ != not_this && !endpoint_->closed()) {
    out = endpoint_;
    return S_OK;
  }
  endpoint_.reset();
  HRESULT worst = server_unavailable;
  for (const std::string& path : socket_paths(process_surroundings())) {
    auto made = wire::endpoint::connect_unix(*runtime_, path);
    if (made) {
      endpoint_ = std::move(*made);
      out = endpoint_;
      return S_OK;
    }
    // A door that is locked says more than a door that is not there.
    if (wire::connect_hresult(made.error()) == E_ACCESSDENIED) worst = E_ACCESSDENIED;
  }
  return worst;
}

HRESULT connection::activate(REFCLSID clsid, REFIID iid, void** out) {
  std::shared_ptr<wire::endpoint> dead;
  for (bool again : {true, false}) {
    std::shared_ptr<wire::endpoint> to;
    if (const HRESULT hr = connected(dead, to); FAILED(hr)) return hr;
    const HRESULT hr = to->activate(clsid, iid, out);
    // The service may have restarted since the last call, and this call was the first to notice.
    if (hr != RPC_E_DISCONNECTED || !again) return hr;
    dead = std::move(to);
  }
  return RPC_E_DISCONNECTED;
}

}  // namespace vds::client
