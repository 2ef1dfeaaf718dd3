// make_seeds: writes the seed corpora of the fuzzers ndr, rpc_pdu and objref: made-up but valid messages, one for each
// kind of signature. Run it when the IDL changes: make_seeds tests/fuzz
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include "wire/orpc/ids.h"
#include "wire/orpc/orpcthis.h"
#include "wire/orpc/remote_calls.h"
#include "wire/rpc/pdu.h"
#include "wire/testing/echo.h"
#include "wire/testing/values.h"

namespace {

using namespace vds;
using namespace vds::wire;
using namespace vds::wire::testing;

struct : ndr::object_codec {
  bool marshal(void*, const uuid& iid, std::vector<std::byte>& out) override {
    append_objref(out, {iid, {0, 5, 7, 8, iid}});
    return true;
  }
  bool unmarshal(std::span<const std::byte>, const uuid&, void**) override { return false; }
  void release(void* p) override { static_cast<IUnknown*>(p)->Release(); }
} objects;

void save(const std::string& path, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

std::string signature(const ndr::method& m) {
  std::string text;
  for (const ndr::parameter& p : m.all())
    text += std::to_string(static_cast<int>(p.how)) + (p.out ? "<" : ">") + p.is->name + ",";
  return text;
}

void ndr_seeds(const std::string& dir) {
  std::mt19937 random(1);
  std::set<std::string> seen;
  std::size_t index = 0;
  for (const interface_info* info : all_interfaces())
    for (std::uint32_t k = 0; k < info->method_count; ++k, ++index) {
      const ndr::method& m = info->methods[k];
      if (!seen.insert(signature(m)).second || m.parameter_count == 0) continue;
      value_memory mine(false), theirs(true);
      value_maker in(random, mine, make_echo_object), out(random, theirs, make_echo_object);
      caller_arguments a;
      a.make(m, in);
      const auto write = [&](bool reply) {
        ndr::buffer b{static_cast<std::byte>(reply), static_cast<std::byte>(index), static_cast<std::byte>(index >> 8)};
        ndr::encoder to(b);
        ndr::value_encoder values(to, objects);
        reply ? ndr::encode_reply(values, m, a.slots) : ndr::encode_request(values, m, a.slots);
        if (to.ok() && b.size() > 3 && b.size() <= 2048)
          save(dir + "/" + info->name + "." + m.name + (reply ? ".reply" : ".request"), b);
      };
      write(false);
      ndr::clear_outs(m, a.slots);
      fill_outs(m, a.slots, out);
      write(true);
    }
}

void pdu_seeds(const std::string& dir) {
  rpc::context_item item;
  item.abstract.id = iid_rem_unknown;
  item.transfer.push_back(rpc::ndr20);
  const rpc::context_result accepted{rpc::bind_result::acceptance, 0, rpc::ndr20};
  const auto named = [&](const char* name, std::byte step, auto&& body) {
    ndr::buffer b{step};
    ndr::buffer pdus;
    body(pdus);
    b.insert(b.end(), pdus.begin(), pdus.end());
    save(dir + "/" + name, b);
  };
  const auto bind = [&](ndr::buffer& b) { rpc::write_bind(b, rpc::ptype::bind, 1, 0, {&item, 1}); };
  const auto request = [&](ndr::buffer& b, std::size_t bytes) {
    ndr::buffer message(rpc::request_bytes + bytes, std::byte{0x5a}), spill;
    const auto view = rpc::finish_request(message, {2, 0, 3, iid_unknown}, rpc::least_fragment, spill);
    b.insert(b.end(), view.begin(), view.end());
  };
  named("bind", std::byte{0}, bind);
  named("bind_ack", std::byte{0}, [&](ndr::buffer& b) {
    rpc::write_bind_ack(b, rpc::ptype::bind_ack, 1, rpc::our_fragment, 1, {&accepted, 1});
  });
  named("fault", std::byte{3}, [&](ndr::buffer& b) { rpc::write_fault(b, 9, 0, rpc::nca_op_range); });
  named("call", std::byte{0}, [&](ndr::buffer& b) {
    bind(b);
    request(b, 100);
  });
  named("fragments", std::byte{7}, [&](ndr::buffer& b) {
    bind(b);
    request(b, 3000);
  });
  named("alter_context", std::byte{1}, [&](ndr::buffer& b) {
    bind(b);
    item.id = 1;
    item.abstract.id = iid_activation;
    rpc::write_bind(b, rpc::ptype::alter_context, 3, 0, {&item, 1});
    request(b, 8);
  });
  named("response", std::byte{0}, [&](ndr::buffer& b) {
    ndr::buffer message(rpc::response_bytes + 1600, std::byte{1}), spill;
    const auto view = rpc::finish_response(message, 9, 0, rpc::least_fragment, spill);
    b.insert(b.end(), view.begin(), view.end());
  });
}

void objref_seeds(const std::string& dir) {
  const auto named = [&](const char* name, std::byte kind, auto&& body) {
    ndr::buffer b{kind};
    ndr::encoder e(b);
    body(e);
    save(dir + "/" + name, b);
  };
  ndr::buffer ref;
  append_objref(ref, {iid_rem_unknown, {0, 5, 0x1112131415161718, 9, iid_unknown}});
  named("objref", std::byte{0}, [&](ndr::encoder& e) { e.bytes(ref); });
  named("orpcthis", std::byte{1}, [](ndr::encoder& e) { encode_orpc_this(e, {}); });
  named("orpcthis_extents", std::byte{1}, [](ndr::encoder& e) {
    encode_orpc_this(e, {iid_unknown, iid_rem_unknown, "alice (pid 4711)"});
  });
  named("orpcthat", std::byte{2}, [](ndr::encoder& e) { encode_orpc_that(e); });
  named("query_request", std::byte{3}, [](ndr::encoder& e) {
    encode(e, query_request{iid_unknown, 5, {iid_unknown}});
  });
  named("query_results", std::byte{4}, [](ndr::encoder& e) {
    encode_query_results(e, {{S_OK, 0, {0, 5, 1, 2, iid_unknown}}, {E_NOINTERFACE, 0, {}}});
  });
  named("refs", std::byte{5}, [](ndr::encoder& e) { encode_refs(e, {{iid_unknown, 1, 0}, {iid_unknown, 2, 3}}); });
  named("activation_request", std::byte{6}, [](ndr::encoder& e) {
    encode(e, activation_request{iid_unknown, {iid_unknown}});
  });
  named("activation_result", std::byte{7}, [&](ndr::encoder& e) { encode(e, activation_result{1, S_OK, ref}, 1); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds tests/fuzz\n");
    return 2;
  }
  const std::string root = argv[1];
  ndr_seeds(root + "/ndr/corpus");
  pdu_seeds(root + "/rpc_pdu/corpus");
  objref_seeds(root + "/objref/corpus");
}
