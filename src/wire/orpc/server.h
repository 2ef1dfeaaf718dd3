// server.h: listens on a unix socket and keeps an endpoint for every client. Closing the server closes them all.
#pragma once

#include <memory>
#include <string>

#include "wire/orpc/endpoint.h"

namespace vds::wire {

struct server_options {
  std::string path;
  mode_t mode = 0660;
  gid_t gid = static_cast<gid_t>(-1);  // of the socket; -1: the process's
  std::size_t connections = 4096;
  endpoint_options endpoints;  // of each client: activate and authorize belong here
};

class server {
 public:
  virtual ~server() = default;  // stops listening, removes the socket, closes all connections
  static result<std::unique_ptr<server>> listen(runtime& rt, server_options options);
  virtual std::size_t connection_count() const = 0;
};

}  // namespace vds::wire
