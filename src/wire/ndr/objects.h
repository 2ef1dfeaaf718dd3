// objects.h: how the NDR codec gets rid of interface pointers: the object layer turns them into OBJREFs and back. A
// test or fuzzer brings its own. Pointers are untyped here because ndr/ knows no COM; they are IUnknown derivatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/ndr/uuid.h"

namespace vds::wire::ndr {

class object_codec {
 public:
  virtual ~object_codec() = default;
  // Appends the OBJREF of a non-null interface pointer. false: it cannot be marshalled.
  virtual bool marshal(void* object, const uuid& iid, std::vector<std::byte>& out) = 0;
  // Makes an interface pointer, with one reference, of an OBJREF. false: the OBJREF is refused.
  virtual bool unmarshal(std::span<const std::byte> objref, const uuid& iid, void** object) = 0;
  virtual void release(void* object) = 0;
};

}  // namespace vds::wire::ndr
