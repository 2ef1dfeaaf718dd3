// facet.h: one interface of one hardware object as clients see it. Facets are generated (tools/idlc, back end forward),
// made when first asked for, owned by their hw_object and counted with it: however many interfaces a client holds, it
// holds one object with one identity.
#pragma once

#include <memory>
#include <span>

#include "com/com.h"

namespace vds::service {

class hw_object;

class facet {
 public:
  virtual ~facet() = default;
  virtual void* as_interface() noexcept = 0;  // adds no reference
};

// What a method is, for the forwarding code.
enum class effect : unsigned char {
  none,
  changes,  // success changes the object: the model reads it again before the caller hears of it
  deletes,
  resyncs,  // success may change everything of the provider
};
struct method {
  const char* name;       // "IVdsLun::SetMask"
  const char* operation;  // kind of the operation it begins ("create_lun"), "" for none
  VDS_ASYNC_OUTPUT_TYPE output;
  effect what;
};

struct offered {
  const IID* iid;
  bool always;  // false: only where the provider's object has it
};

// --- generated
std::unique_ptr<facet> make_facet(REFIID iid, hw_object& owner);  // null: no such interface on hardware objects
bool answered_from_model(REFIID iid, ULONG slot) noexcept;        // never waits for a provider
std::span<const offered> interfaces_of(VDS_OBJECT_TYPE kind) noexcept;

}  // namespace vds::service
