// context.h: what a verb works with: the service, the two outputs, the terminal, and the person at it. Tests give it
// strings and a service in memory.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "apps/vds/gateway.h"
#include "apps/vds/interrupt.h"
#include "apps/vds/options.h"
#include "apps/vds/terminal.h"

namespace vds::cli {

// Connects on the first call, so that `--help` and wrong usage need no service.
using gateway_factory = std::function<std::unique_ptr<gateway>(const std::string& socket)>;

class context {
 public:
  context(std::ostream& out, std::ostream& err, terminal where, gateway_factory connect, const interrupt& stop,
          std::function<bool(const std::string& question)> ask)
      : out(out), err(err), where(where), stop(stop), ask(std::move(ask)), connect_(std::move(connect)) {}

  gateway& service(const options& o) {
    if (!service_) service_ = connect_(o.socket);
    return *service_;
  }
  void reconnect(const options& o) {  // after the service went away; throws while it is not back
    service_.reset();
    service(o);
  }

  std::ostream& out;
  std::ostream& err;
  terminal where;
  const interrupt& stop;
  std::function<bool(const std::string& question)> ask;  // false when nobody is there to be asked

 private:
  gateway_factory connect_;
  std::unique_ptr<gateway> service_;
};

}  // namespace vds::cli
