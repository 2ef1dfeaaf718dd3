// A connection on one deterministic thread: the input is what the initiator sends, after a login that went well (first
// byte odd) or from the start (even). Bit 1 of it: with digests. The target must neither crash, nor hang, nor keep the
// session when the peer has gone.
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/memory/memory_device.h"
#include "io/memory/memory_stream.h"
#include "iscsi/pdu/header_check.h"
#include "iscsi/target/portal_server.h"
#include "rt/manual_executor.h"

using namespace vds;

namespace {

std::vector<std::byte> login_bytes(bool digests) {
  std::string text;
  const std::string value = digests ? "CRC32C" : "None";
  for (const std::string& pair :
       {std::string("InitiatorName=iqn.2026-01.t:i"), std::string("TargetName=iqn.2026-01.t:t"),
        "HeaderDigest=" + value, std::string("DataDigest=None"), std::string("InitialR2T=No")})
    text += pair + '\0';
  iscsi::login_request_pdu request;
  request.flags = 0x87;
  request.cmd_sn = 1u;
  request.data_length = static_cast<std::uint32_t>(text.size());
  std::vector<std::byte> out(48 + iscsi::padded(text.size()));
  std::memcpy(out.data(), &request, 48);
  std::memcpy(out.data() + 48, text.data(), text.size());
  return out;
}

rt::task<void> send(io::stream& s, const std::vector<std::byte>& bytes) {
  const io::const_buffer list[] = {bytes};
  (void)co_await s.write_all(list);
}

// What it answers is taken away, so that it goes on.
rt::task<void> drain_answers(io::stream& s) {
  std::vector<std::byte> sink(65536);
  for (;;) {
    auto n = co_await s.read_some(sink);
    if (!n || *n == 0) break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const bool quiet = [] {
    log::ours().set_level(spdlog::level::off);
    return true;
  }();
  (void)quiet;
  rt::manual_executor ex;
  io::memory_device device(ex, "m", block_size{512}, block_count{1024});
  iscsi::target target({"iqn.2026-01.t:t", ""});
  (void)target.publish(
      {.number = 0, .id = {}, .device = device, .naa = std::vector<std::uint8_t>(16, 0x61), .serial = "S"}, {true, {}});
  auto listener = std::make_unique<io::memory_listener>(ex, "10.0.0.1:3260");
  auto* portal = listener.get();
  std::vector<iscsi::portal> portals;
  portals.push_back({ex, std::move(listener)});
  iscsi::server_limits limits;
  limits.connection.max_recv_data_segment = 65536;
  limits.connection.data_bytes = 16u << 20;
  iscsi::portal_server server(std::move(portals), limits);
  (void)server.add(target);
  server.start();
  ex.run_ready();

  auto peer = portal->connect("10.0.0.2:1", 1 << 20);
  std::vector<std::byte> all;
  if ((data[0] & 1) != 0) all = login_bytes((data[0] & 2) != 0);
  const auto rest = std::as_bytes(std::span(data + 1, size - 1));
  all.insert(all.end(), rest.begin(), rest.end());
  rt::start(send(*peer, all));
  rt::start(drain_answers(*peer));
  ex.run_ready();
  peer->close();
  ex.run_ready();
  ex.advance(
      limits.connection.refusal_delay);  // a refusal is on its way until then, whether or not somebody waits for it
  if (target.sessions() != 0 || server.connections() != 0) __builtin_trap();
  ex.run(server.stop());
  (void)iscsi::parse_ahs(rest);
  return 0;
}
