// session.h: the way to the provider that is checked. Two ways: through the running service, as every caller meets it
// (what the service makes of a lie is told as WRONG, too), and straight, to a process of its own that the service knows
// nothing of (what the service would mend or hide is seen as it is). Both give the same objects and events.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/guid.h"
#include "com/com.h"
#include "com/com_ptr.h"

namespace vds::check {

class session {
 public:
  virtual ~session() = default;
  virtual com_ptr<IUnknown> provider() = 0;  // answers for IVdsProvider, IVdsHwProvider
  virtual HRESULT object(const guid& id, VDS_OBJECT_TYPE type, IUnknown** out) = 0;
  // Whether this event has come about this object since forget_events(), waiting for it a while unless told not to.
  virtual bool event(ULONG code, const guid& id, bool wait = true) = 0;
  virtual void forget_events() = 0;
  virtual bool straight() const = 0;  // the provider itself, not what the service makes of it
  // What is wrong with the provider as a whole in the end; empty: nothing.
  virtual std::string ended() = 0;
};

// `wanted` is the name or the id of a provider. Null with the reason in `why`.
std::unique_ptr<session> through_the_service(const std::string& wanted, std::string& why, HRESULT& hr);
// `clsid`: the class to activate in it; empty: it does not mind.
std::unique_ptr<session> straight_to(const std::vector<std::string>& command, const std::string& clsid,
                                     std::string& why);

}  // namespace vds::check
