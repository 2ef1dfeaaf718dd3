// operation_table.h: what a provider remembers of its operations, so that the service can ask after a crash what became
// of one, and a repeated call with the same id joins the first instead of doing the work twice. It implements the three
// methods of IVdsxProviderOperations.
//
//   const auto begun = operations_.begin(current_operation(), VDS_ASYNCOUT_CREATELUN);
//   if (!begun.joined) start_work(begun.async);
//   *ppAsync = begun.async.detach();
//
// Any thread. Bounded: of ended operations the newest `keep` stay. What must outlive the process (an operation that
// ended just before a kill -9) comes from `lookup`, which a provider with durable outcomes gives; it is asked when the
// table does not know an id, and may block.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "sdk/async_object.h"

namespace vds::sdk {

// The id that the service gave the call being served on this thread; nil when the caller is no service.
guid current_operation();

struct operation_outcome {
  bool running = false;
  HRESULT result = S_OK;
  VDS_ASYNC_OUTPUT_TYPE type = VDS_ASYNCOUT_UNKNOWN;
  guid object_id;  // what it made, nil if nothing
};

class operation_table {
 public:
  using lookup_function = std::function<std::optional<operation_outcome>(const guid& id)>;
  // Makes the async object of an operation that only `lookup` knows: finds the object it made.
  using object_function = std::function<com_ptr<IUnknown>(const guid& object, VDS_OBJECT_TYPE type)>;
  using forget_function = std::function<void(const guid& id)>;

  explicit operation_table(std::size_t keep = 1024) : keep_(keep) {}
  void use_durable(lookup_function lookup, object_function object, forget_function forget);

  struct begun {
    com_ptr<async_object> async;
    bool joined = false;
  };
  // A nil id is never joined and not remembered. An id of an operation of another type: null async (answer
  // E_INVALIDARG). `look`: false when the caller asks for itself what `lookup` would be asked, and tells
  // ended_before().
  begun begin(const guid& id, VDS_ASYNC_OUTPUT_TYPE type, bool look = true);
  // What has just begun had ended in an earlier life, like this. E_INVALIDARG: as an operation of another type.
  HRESULT ended_before(const guid& id, const com_ptr<async_object>& async, const operation_outcome& outcome);
  // The method refused after begin(): the id is free again.
  void abandon(const guid& id);

  // IVdsxProviderOperations
  HRESULT query(const VDS_OBJECT_ID& id, VDSX_OPERATION_OUTCOME* out);
  HRESULT open(const VDS_OBJECT_ID& id, IVdsAsync** out);
  HRESULT forget(const VDS_OBJECT_ID& id);

 private:
  com_ptr<async_object> find(const guid& id);
  com_ptr<async_object> from_durable(const operation_outcome& outcome);
  void finish_as(async_object& async, const operation_outcome& outcome);
  void trim();  // with the lock held

  const std::size_t keep_;
  lookup_function lookup_;
  object_function object_;
  forget_function forget_;
  std::mutex mutex_;
  std::unordered_map<guid, com_ptr<async_object>> known_;
  std::deque<guid> order_;
};

}  // namespace vds::sdk
