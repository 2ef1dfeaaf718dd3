// method.h: descriptions of methods, and the four codecs of a call made from them: request and reply, each encoded at
// one end and decoded at the other. The arguments of a call are slots: arguments[i] points to where the C++ parameter i
// lies (a GUID, a ULONG, a pointer). The proxy's slots are its real parameters; the stub's are in call memory.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "wire/ndr/marshal.h"

namespace vds::wire::ndr {

enum class pass : std::uint8_t {
  value,           // [in] T: the slot holds a T; T may be a unique pointer, a string, an interface
  reference,       // T*, never null: [in] the struct, [out] a T of the caller
  string,          // [in, string] wchar_t*, never null; maximum is its conformance when the IDL says max_is
  array,           // [in, size_is(other)] T*, never null
  unique_array,    // [in, unique, size_is(other)] T*
  counted_result,  // [out, size_is(, *other)] T**: the callee allocates
  caller_array,    // [out, size_is(other)] T*: the caller's memory
  varying_array,   // [out, size_is(other), length_is(*length)] T*: the caller's memory
  inout_unique,    // [in, out, unique] T*: may be null
};

struct parameter {
  pass how;
  bool in;
  bool out;
  bool optional;        // an [out] reference that a caller may leave null; the proxy asks for it all the same
  std::uint8_t other;   // index of the parameter that counts
  std::uint8_t length;  // index of the parameter that says how many there are
  std::uint32_t least;  // range(): what a value may be
  std::uint32_t most;   // range(), max_is() + 1; 0: no limit
  const type* is;
  const char* name;
};

inline constexpr std::size_t max_parameters = 16;
using arguments = std::array<void*, max_parameters>;

struct method {
  const char* name;
  const parameter* parameters;
  std::uint8_t parameter_count;
  std::uint8_t slot;
  bool reserved;       // has no place in MS-VDS: carried on local connections only
  std::uint8_t waits;  // 0: an ordinary call; otherwise the local continuation interface that spares a thread
  std::span<const parameter> all() const { return {parameters, parameter_count}; }
};

// Client, before the call: required pointers are there, counts are in range. Then [out] memory is zeroed. The one
// pointer that callers may leave out, is replaced by `spare`.
bool check_call(const method& m, arguments& a, void*& spare_slot, std::uint64_t& spare);
void clear_outs(const method& m, const arguments& a);

void encode_request(value_encoder& to, const method& m, const arguments& a);
// Server: fills a with slots in call memory and makes zeroed room for what comes out.
void decode_request(value_decoder& from, const method& m, arguments& a);

void encode_reply(value_encoder& to, const method& m, const arguments& a);
// Server, after the reply: frees what the callee put into the [out] parameters.
void release_outs(const method& m, const arguments& a, object_codec& objects);

// Client: fills the [out] parameters. After a failure the caller drops the memory and clears the outs.
void decode_reply(value_decoder& from, const method& m, const arguments& a);

}  // namespace vds::wire::ndr
