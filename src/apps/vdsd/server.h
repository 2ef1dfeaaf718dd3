// server.h: joins the parts of vdsd: the service, the launcher of its providers, and the socket that clients come by.
// main() only parses and waits for signals.
#pragma once

#include <memory>

#include "apps/vdsd/options.h"
#include "apps/vdsd/process_launcher.h"
#include "base/unique_fd.h"
#include "service/service.h"
#include "wire/orpc/server.h"

namespace vds::vdsd {

class server {
 public:
  // Clients may connect when it returns. A failure is told to the person who started us.
  static result<std::unique_ptr<server>> start(const options& given);
  ~server();  // clients first, then providers in order, then our state

 private:
  server() = default;
  status open(const options& given);
  status listen(const options& given);

  unique_fd lock_;
  std::unique_ptr<wire::runtime> provider_runtime_, client_runtime_;
  std::unique_ptr<process_launcher> launcher_;
  std::unique_ptr<service::service> service_;
  std::unique_ptr<wire::server> clients_;
};

}  // namespace vds::vdsd
