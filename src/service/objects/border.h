// border.h: what a hardware object needs of whoever stands behind it: the way to the provider's own object, the model,
// and operations. provider_host/provider.h implements it. Objects share it and may outlive the provider's registration,
// even the service; then it answers VDS_E_PROVIDER_FAILURE.
#pragma once

#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/guid.h"
#include "com/com.h"
#include "com/com_ptr.h"
#include "com/local.h"
#include "service/objects/facet.h"

namespace vds::service {

class border {
 public:
  virtual ~border() = default;

  virtual guid provider_id() const = 0;

  // --- the way to the provider
  // An interface of the provider's object; VDS_E_PROVIDER_FAILURE while it is down, VDS_E_OBJECT_DELETED when it no
  // longer knows the object, VDS_E_NOT_SUPPORTED when the object lacks the interface. May wait for the provider.
  virtual HRESULT bind(VDS_OBJECT_TYPE kind, const guid& id, REFIID iid, void** out) = 0;
  // Whether objects of a kind have an optional interface. Never waits.
  virtual bool offers(VDS_OBJECT_TYPE kind, REFIID iid) = 0;
  virtual com_work_queue* gate() = 0;
  virtual monotonic::duration call_limit() const = 0;
  // After every call: notes what the answer says about the provider, and makes it an answer for the client.
  virtual HRESULT answered(const char* what, HRESULT hr) = 0;

  // --- the model
  virtual std::vector<com_ptr<IUnknown>> children(const guid& id, VDS_OBJECT_TYPE kind) = 0;
  virtual com_ptr<hw_object> parent(const guid& id, VDS_OBJECT_TYPE kind) = 0;
  // The service's object for one of the provider's: known by its id, or read and added.
  virtual HRESULT adopt(VDS_OBJECT_TYPE kind, IUnknown* theirs, com_ptr<hw_object>& out) = 0;
  virtual void reread(VDS_OBJECT_TYPE kind, const guid& id) = 0;  // after a change, before the caller hears of it
  // Reads what the model does not hold yet of an object: the plexes of a LUN.
  virtual void complete(hw_object& which) = 0;
  virtual void disappeared(VDS_OBJECT_TYPE kind, const guid& id) = 0;  // deleted through us
  virtual void appeared(VDS_OBJECT_TYPE kind, const guid& id) = 0;     // made through us
  virtual void resync() = 0;

  // --- operations
  using asynchronous_call = std::function<HRESULT(IVdsAsync** async)>;
  virtual HRESULT begin(hw_object& on, const method& m, const asynchronous_call& call, IVdsAsync** out) = 0;
  // A change that was asked for without one, and what became of it: for the history.
  virtual void changed(hw_object& on, const method& m, HRESULT hr) = 0;
};

}  // namespace vds::service
