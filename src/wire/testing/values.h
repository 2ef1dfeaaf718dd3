// values.h: pseudo-random values of any described type, and a canonical dump of them, for tests that compare what went
// in at one end of the wire with what came out at the other. Walks the descriptions, never the marshaller.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "com/com_ptr.h"
#include "wire/ndr/method.h"

namespace vds::wire::testing {

using engine = std::mt19937;

// Where generated values put their memory: a test's own, or CoTaskMem for what a callee returns.
class value_memory {
 public:
  explicit value_memory(bool co_task) : co_task_(co_task) {}
  ~value_memory();
  void* allocate(std::size_t bytes);

 private:
  bool co_task_;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

class value_maker {
 public:
  // make_object: an object with the interface, with one reference.
  value_maker(engine& random, value_memory& mem, com_ptr<IUnknown> (*make_object)(const uuid&))
      : random_(random), mem_(mem), make_object_(make_object) {}
  void fill(const ndr::type& t, void* at, void* base);
  std::uint32_t below(std::uint32_t n) { return std::uniform_int_distribution<std::uint32_t>(0, n - 1)(random_); }
  wchar_t* string(std::uint32_t maximum = 40);  // in units of the wire, with the terminator
  value_memory& memory() { return mem_; }

 private:
  void fill_record(const ndr::type& t, void* at);
  void fill_text(wchar_t* at, std::uint32_t units);
  engine& random_;
  value_memory& mem_;
  com_ptr<IUnknown> (*make_object_)(const uuid&);
};

// The arguments of a call, as a caller has them: [in] values made up, [out] memory full of rubbish.
struct caller_arguments {
  ndr::arguments slots{};
  void make(const ndr::method& m, value_maker& values);
};
// What a callee does with its [out] parameters: values made up, in CoTaskMem.
void fill_outs(const ndr::method& m, const ndr::arguments& a, value_maker& values);

// Everything that a peer must see, without addresses; interface pointers as there or not.
std::string dump(const ndr::type& t, const void* at, const void* base);
std::string dump_arguments(const ndr::method& m, const ndr::arguments& a, bool out);

// Releases what in-arguments hold.
void release_ins(const ndr::method& m, const ndr::arguments& a);

}  // namespace vds::wire::testing
