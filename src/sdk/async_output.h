// async_output.h: what an asynchronous method hands out, with the references it owns. VDS_ASYNC_OUTPUT is a tagged
// union in which six arms are one object pointer; this type counts that reference as com_ptr would. A value; any
// thread.
#pragma once

#include "com/com.h"
#include "com/com_ptr.h"

namespace vds::sdk {

// The object pointer inside `output`, or null when its type carries none.
IUnknown** object_slot(VDS_ASYNC_OUTPUT& output) noexcept;
// What kind of object an operation of that type hands out; VDS_OT_UNKNOWN for none.
VDS_OBJECT_TYPE object_type_of(VDS_ASYNC_OUTPUT_TYPE type) noexcept;
// Releases what `output` references and leaves every pointer null, the type as it is.
void clear_output(VDS_ASYNC_OUTPUT& output) noexcept;

class async_output {
 public:
  explicit async_output(VDS_ASYNC_OUTPUT_TYPE type = VDS_ASYNCOUT_UNKNOWN) noexcept { raw_.type = type; }
  // Takes over the references of `raw`, as it comes out of IVdsAsync::Wait.
  static async_output adopt(const VDS_ASYNC_OUTPUT& raw) noexcept;
  // An output of a type that hands out an object; adds a reference.
  static async_output of(VDS_ASYNC_OUTPUT_TYPE type, IUnknown* object) noexcept;

  async_output(const async_output& other) noexcept;
  async_output(async_output&& other) noexcept;
  async_output& operator=(async_output other) noexcept;
  ~async_output() { clear_output(raw_); }

  VDS_ASYNC_OUTPUT_TYPE type() const noexcept { return raw_.type; }
  IUnknown* object() const noexcept;
  const VDS_ASYNC_OUTPUT& raw() const noexcept { return raw_; }
  VDS_ASYNC_OUTPUT& raw() noexcept { return raw_; }
  // The struct with a reference of its own, for the caller of Wait.
  VDS_ASYNC_OUTPUT hand_out() const noexcept;

 private:
  VDS_ASYNC_OUTPUT raw_{};
};

}  // namespace vds::sdk
