// connection.h: the process's connection to the service: made at the first activation, shared by all, made anew when
// the service went away since. What was got over a lost connection stays lost (RPC_E_DISCONNECTED); the next
// activation works.
// Any thread. Never destroyed: objects may be used until the process ends. A child of fork() gets a connection of its
// own; the parent's objects are not usable there.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>

#include "client/socket_path.h"
#include "wire/orpc/endpoint.h"
#include "wire/orpc/runtime.h"

namespace vds::client {

class connection {
 public:
  static connection& of_process();

  // RPC_S_SERVER_UNAVAILABLE when nobody listens, E_ACCESSDENIED when the socket may not be opened.
  HRESULT activate(REFCLSID clsid, REFIID iid, void** out);

 private:
  connection() = default;
  // The live endpoint, or the HRESULT why there is none. `not_this`: one that is known to be dead.
  HRESULT connected(const std::shared_ptr<wire::endpoint>& not_this, std::shared_ptr<wire::endpoint>& out);

  std::mutex mutex_;
  pid_t process_ = 0;
  std::unique_ptr<wire::runtime> runtime_;
  std::shared_ptr<wire::endpoint> endpoint_;
};

}  // namespace vds::client
