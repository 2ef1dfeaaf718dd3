// The generated decoders of every method, both ways. Byte 0: request or reply; bytes 1 and 2: which method; the rest is
// the stub data. Whatever decodes must encode again and decode to the end; whatever does not must leave nothing behind.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "wire/ndr/method.h"
#include "wire/orpc/interface.h"

namespace {

using namespace vds::wire;

// Interface pointers are counted stand-ins; an OBJREF is anything.
struct : ndr::object_codec {
  bool marshal(void*, const uuid&, std::vector<std::byte>& out) override {
    out.assign(4, std::byte{1});
    return true;
  }
  bool unmarshal(std::span<const std::byte> bytes, const uuid&, void** object) override {
    if (bytes.empty()) return false;
    *object = this;
    ++alive;
    return true;
  }
  void release(void*) override { --alive; }
  long alive = 0;
} objects;

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void request(const ndr::method& m, std::span<const std::byte> stub) {
  ndr::decoder from(stub);
  ndr::memory mem(ndr::memory::kind::call, objects);
  ndr::value_decoder values(from, mem);
  ndr::arguments a{};
  ndr::decode_request(values, m, a);
  if (!from.ok()) return;
  ndr::buffer again;
  ndr::encoder to(again);
  ndr::value_encoder encoder(to, objects);
  ndr::encode_request(encoder, m, a);
  check(to.ok(), "what was decoded does not encode");
  ndr::decoder from_again(again);
  ndr::memory mem_again(ndr::memory::kind::call, objects);
  ndr::value_decoder values_again(from_again, mem_again);
  ndr::arguments b{};
  ndr::decode_request(values_again, m, b);
  check(from_again.ok() && from_again.remaining() == 0, "what was encoded does not decode");
  ndr::release_outs(m, b, objects);
  ndr::release_outs(m, a, objects);
}

void reply(const ndr::method& m, std::span<const std::byte> stub) {
  constexpr std::uint32_t elements = 4;
  std::vector<std::vector<std::uint64_t>> room;
  std::vector<void*> pointers(ndr::max_parameters);
  ndr::arguments a{};
  for (std::size_t i = 0; i < m.parameter_count; ++i) {
    const ndr::parameter& p = m.parameters[i];
    room.emplace_back(p.is->size * elements / 8 + 2);
    pointers[i] = room.back().data();
    a[i] = p.how == ndr::pass::value ? pointers[i] : &pointers[i];
  }
  for (const ndr::parameter& p : m.all())
    if (p.how == ndr::pass::caller_array || p.how == ndr::pass::varying_array)
      std::memcpy(pointers[p.other], &elements, sizeof elements);
  ndr::decoder from(stub);
  {
    ndr::memory mem(ndr::memory::kind::caller, objects);
    ndr::value_decoder values(from, mem);
    ndr::decode_reply(values, m, a);
    if (from.ok()) mem.commit();
  }
  if (from.ok())
    ndr::release_outs(m, a, objects);
  else
    ndr::clear_outs(m, a);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<const ndr::method*> methods = [] {
    std::vector<const ndr::method*> all;
    for (const interface_info* info : all_interfaces())
      for (std::uint32_t i = 0; i < info->method_count; ++i) all.push_back(&info->methods[i]);
    return all;
  }();
  if (size < 3) return 0;
  const ndr::method& m = *methods[(data[1] | data[2] << 8) % methods.size()];
  const std::span stub(reinterpret_cast<const std::byte*>(data) + 3, size - 3);
  (data[0] & 1) ? reply(m, stub) : request(m, stub);
  check(objects.alive == 0, "an interface pointer was leaked or released twice");
  return 0;
}
