// target_on_memory: an iSCSI target over TCP whose LUNs are memory. For tests with real initiators and for benchmarks.
//   target_on_memory [--portal 127.0.0.1:0] [--iqn IQN] [--luns N] [--size BYTES] [--block BYTES] [--physical BYTES]
//   [--reactors N]
// Prints "iscsi://ADDRESS/IQN/0" when initiators may connect; SIGTERM or SIGINT stops it cleanly.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/memory/memory_device.h"
#include "io/uring/tcp.h"
#include "iscsi/target/portal_server.h"

using namespace vds;

namespace {

struct options {
  std::string portal = "127.0.0.1:0", iqn = "iqn.2026-01.io.vds:memory";
  std::uint64_t luns = 1, size = 1u << 30, block = 512, physical = 512, reactors = 1;
  bool thin = true;
};

// With physical blocks larger than logical ones, so that initiators see an alignment to keep.
struct aligned_memory final : io::memory_device {
  aligned_memory(rt::executor& ex, std::string name, block_size size, block_count blocks, block_size physical)
      : memory_device(ex, std::move(name), size, blocks), physical_(physical) {}
  io::block_geometry geometry() const override {
    io::block_geometry g = memory_device::geometry();
    g.physical = std::max(g.logical, physical_);
    return g;
  }

 private:
  const block_size physical_;
};

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--portal")
      o.portal = value;
    else if (name == "--iqn")
      o.iqn = value;
    else if (name == "--luns")
      o.luns = std::strtoull(value.c_str(), nullptr, 0);
    else if (name == "--size")
      o.size = std::strtoull(value.c_str(), nullptr, 0);
    else if (name == "--block")
      o.block = std::strtoull(value.c_str(), nullptr, 0);
    else if (name == "--physical")
      o.physical = std::strtoull(value.c_str(), nullptr, 0);
    else if (name == "--reactors")
      o.reactors = std::strtoull(value.c_str(), nullptr, 0);
  }
  return o;
}

template <class T>
T must(result<T> r) {
  if (!r) {
    std::fprintf(stderr, "target_on_memory: %s\n", r.error().message().c_str());
    std::exit(1);
  }
  return std::move(*r);
}

}  // namespace

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const options o = parse(argc, argv);
  log::start("target_on_memory");

  std::vector<std::unique_ptr<io::reactor_thread>> threads;
  for (std::uint64_t i = 0; i < o.reactors; ++i)
    threads.push_back(must(io::reactor_thread::start("reactor-" + std::to_string(i))));
  std::vector<std::unique_ptr<io::memory_device>> devices;
  iscsi::target target({o.iqn, "memory"});
  for (std::uint64_t n = 0; n < o.luns; ++n) {
    auto& reactor = threads[n % threads.size()]->reactor();
    devices.push_back(std::make_unique<aligned_memory>(
        reactor, "memory-" + std::to_string(n), block_size{static_cast<std::uint32_t>(o.block)},
        block_count{o.size / o.block}, block_size{static_cast<std::uint32_t>(o.physical)}));
    std::vector<std::uint8_t> naa(16);
    naa[0] = 0x60;
    naa[14] = static_cast<std::uint8_t>(n >> 8);
    naa[15] = static_cast<std::uint8_t>(n);
    if (auto done = target.publish({.number = static_cast<std::uint16_t>(n),
                                    .id = {},
                                    .device = *devices.back(),
                                    .naa = naa,
                                    .serial = "MEM" + std::to_string(n),
                                    .atomic = block_count{65536}},  // what is lost, is lost whole
                                   {.all = true, .initiators = {}});
        !done) {
      std::fprintf(stderr, "target_on_memory: %s\n", done.error().message().c_str());
      return 1;
    }
  }

  std::vector<iscsi::portal> portals;
  std::string address = o.portal;
  for (auto& t : threads) {
    auto listener = must(io::listen_tcp(t->reactor(), address, {.share_port = o.reactors > 1}));
    address = listener->local_name();  // the port that the first was given is everyone's
    portals.push_back({t->reactor(), std::move(listener)});
  }
  iscsi::portal_server server(std::move(portals));
  if (!server.add(target)) return 1;
  server.start();
  std::printf("iscsi://%s/%s/0\n", address.c_str(), o.iqn.c_str());
  std::fflush(stdout);

  int which = 0;
  sigwait(&signals, &which);
  rt::block_on(threads.front()->reactor(), [&server] { return server.stop(); });
  return 0;
}
