// marshal.h: encodes, decodes and releases values by their descriptions (type.h). A value has a flat part and what its
// pointers lead to, which follows after the flat part of the outermost construct it stands in (C706 14.3.12.3); whole()
// does both. Decoding writes into zeroed memory and, when it fails, leaves nothing owned behind (memory.h) but
// may leave pointers in the target: the caller zeroes it. One thread.
#pragma once

#include "wire/ndr/decoder.h"
#include "wire/ndr/encoder.h"
#include "wire/ndr/memory.h"
#include "wire/ndr/objects.h"
#include "wire/ndr/type.h"

namespace vds::wire::ndr {

class value_encoder {
 public:
  value_encoder(encoder& to, object_codec& objects) noexcept : to(to), objects_(objects) {}
  void whole(const type& t, const void* at) {
    flat(t, at, at);
    if (t.defers) deferred(t, at, at);
  }
  // base: the struct that holds the value, where counts and discriminants are looked up.
  void flat(const type& t, const void* at, const void* base);
  void deferred(const type& t, const void* at, const void* base);
  // The elements of an array: all flat parts, then all that follows from them.
  void elements(const type& of, const void* first, std::uint32_t count);

  encoder& to;

 private:
  void object(const type& t, void* pointer);
  object_codec& objects_;
  buffer scratch_;
  unsigned depth_ = 0;
};

class value_decoder {
 public:
  value_decoder(decoder& from, memory& mem) noexcept : from(from), mem(mem) {}
  void whole(const type& t, void* at) {
    flat(t, at, at);
    if (t.defers) deferred(t, at, at);
  }
  void flat(const type& t, void* at, void* base);
  void deferred(const type& t, void* at, void* base);
  void elements(const type& of, void* first, std::uint32_t count);
  void* allocate(std::uint64_t bytes);

  decoder& from;
  memory& mem;

 private:
  void object(const type& t, void** at);
  unsigned depth_ = 0;
};

// Frees what a value points to (CoTaskMemFree, Release) and zeroes it; the value's own memory stays.
void release_value(const type& t, void* at, void* base, object_codec& objects);

// The arm that a union's discriminant selects; null: no such arm.
const arm* select(const type& choice, const void* base);

}  // namespace vds::wire::ndr
