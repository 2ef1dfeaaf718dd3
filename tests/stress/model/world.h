// world.h: where clients find the service: in this process, over an array on files of its own, or behind a socket.
// Made and ended on one thread; connect() on any.
#pragma once

#include <memory>
#include <string>

#include "base/guid.h"
#include "base/result.h"
#include "com/com.h"
#include "com/com_ptr.h"

namespace vds::stress {

class connection {  // one client's own
 public:
  virtual ~connection() = default;
  virtual com_ptr<IVdsService> service() = 0;
};

class world {
 public:
  virtual ~world() = default;
  virtual result<std::unique_ptr<connection>> connect() = 0;
};

// The service and the array provider, with no wire between them. `directory` exists and is the caller's to remove.
result<std::unique_ptr<world>> make_world_in_process(const std::string& directory);
// Clients with a connection and an I/O thread each.
std::unique_ptr<world> make_world_behind(const std::string& socket);

// The only subsystem there is.
result<guid> subsystem_of(IVdsService* service);

}  // namespace vds::stress
