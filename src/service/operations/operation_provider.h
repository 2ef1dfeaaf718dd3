// operation_provider.h: what an operation needs of the provider that does its work.
#pragma once

#include "service/objects/border.h"

namespace vds::service {

class operation_provider : public border {
 public:
  // Runs work on the provider's gate; false after the service stopped.
  virtual bool post(std::function<void()> work) = 0;
  // Counts the provider's starts; 0 while it is down.
  virtual std::uint64_t incarnation() const = 0;
  // Null while it is down, or when it does not have the interface.
  virtual com_ptr<IVdsxProviderOperations> provider_operations() = 0;
  // The service's object for an id, asking the provider when the model does not know it.
  virtual HRESULT object(VDS_OBJECT_TYPE kind, const guid& id, com_ptr<hw_object>& out) = 0;
  virtual std::string provider_name() const = 0;
};

// The answer says nothing about whether the provider did it: it may yet, or has.
constexpr bool outcome_unknown(HRESULT hr) {
  return hr == RPC_E_TIMEOUT || hr == RPC_E_DISCONNECTED || hr == RPC_E_CALL_CANCELED ||
         hr == HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE) || hr == HRESULT_FROM_WIN32(RPC_S_CALL_FAILED);
}

}  // namespace vds::service
