// context.h: what all COM objects of the provider share. They hold nothing but this and an id: properties are asked of
// the array when somebody wants them, so no object can be out of date, and one whose thing is gone says so.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "com/com.h"
#include "com/com_ptr.h"
#include "providers/array/host.h"
#include "sdk/notifier.h"
#include "sdk/operation_table.h"

namespace vds::array_provider {

struct context : std::enable_shared_from_this<context> {
  explicit context(std::shared_ptr<host> h) : core(std::move(h)) {}

  std::shared_ptr<host> core;
  sdk::operation_table operations;

  // The service's ear, from OnLoad to OnUnload; another one when a new service takes over.
  std::mutex mutex;
  std::shared_ptr<sdk::notifier> notifier;
  bool loaded = false;

  bool is_loaded() {
    const std::lock_guard lock(mutex);
    return loaded;
  }
};
using context_ptr = std::shared_ptr<context>;

// The array's log knows operations by an id alone. Those that make no LUN go under another one, which tells their type.
guid log_id(guid operation, VDS_ASYNC_OUTPUT_TYPE type);

// What the array's drives still know of an operation whose process is gone. On the reactor.
std::optional<sdk::operation_outcome> durable_outcome(const array::array& a, const targets& t, const guid& id);

// New COM objects; each call makes one, the id is the identity.
com_ptr<IUnknown> make_subsystem(context_ptr c);
com_ptr<IUnknown> make_drive(context_ptr c, const guid& id);
com_ptr<IUnknown> make_lun(context_ptr c, const guid& id);
com_ptr<IUnknown> make_plex(context_ptr c, const guid& lun, const guid& id);
com_ptr<IUnknown> make_target(context_ptr c, const guid& id);
com_ptr<IUnknown> make_portal(context_ptr c, const guid& id);
com_ptr<IUnknown> make_portal_group(context_ptr c, const guid& id);
com_ptr<IUnknown> make_root(context_ptr c);  // the provider itself

}  // namespace vds::array_provider
