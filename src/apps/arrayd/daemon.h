// daemon.h: joins the parts: directory, host, provider, wire. main() only parses and waits for signals.
#pragma once

#include <memory>

#include "apps/arrayd/directory.h"
#include "apps/arrayd/options.h"
#include "com/com_ptr.h"
#include "providers/array/host.h"
#include "wire/orpc/server.h"

namespace vds::arrayd {

class daemon {
 public:
  // Serving when it returns. A failure is told to the person who started us.
  static result<std::unique_ptr<daemon>> start(const options& given);
  ~daemon();  // clean stop: the service is let go, then initiators, then the drives

  const array_provider::host& array() const { return *host_; }

 private:
  explicit daemon(std::unique_ptr<directory> d) : directory_(std::move(d)) {}
  status open_array(const options& given);
  status make_drives(const drive_set& drives);
  status serve(const std::string& socket);

  std::unique_ptr<directory> directory_;
  std::shared_ptr<array_provider::host> host_;
  com_ptr<IUnknown> provider_;
  std::unique_ptr<wire::runtime> runtime_;
  std::unique_ptr<wire::server> server_;
};

}  // namespace vds::arrayd
