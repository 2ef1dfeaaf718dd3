// rig.h: a whole target in one deterministic thread: devices in memory that can hang, streams in memory, time that
// jumps. What a test asks an initiator to do runs until it has an answer.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "initiator.h"
#include "io/faulty/faulty_device.h"
#include "io/memory/memory_device.h"
#include "io/memory/memory_stream.h"
#include "iscsi/target/portal_server.h"
#include "rt/manual_executor.h"
#include "stalling_device.h"

namespace vds::iscsi::testing {

inline const std::string test_iqn = "iqn.2026-01.test:target";

struct rig {
  explicit rig(server_limits limits = {}, std::uint64_t seed = 0) : random(seed + 1) {
    if (seed != 0) executor = std::make_unique<rt::manual_executor>(seed);
    auto l = std::make_unique<io::memory_listener>(ex(), "10.0.0.1:3260");
    listener = l.get();
    std::vector<portal> portals;
    portals.push_back({ex(), std::move(l)});
    server = std::make_unique<portal_server>(std::move(portals), limits);
    EXPECT_TRUE(server->add(target));
    server->start();
  }
  ~rig() {
    for (auto& d : devices) d->slow.let_go();
    ex().run(server->stop());
  }
  rt::manual_executor& ex() { return *executor; }

  struct device {
    device(rt::executor& e, random_source& r, std::uint64_t blocks)
        : medium(e, "medium", block_size{512}, block_count{blocks}), drive(medium, r), slow(drive) {}
    io::memory_device medium;
    io::faulty_device drive;
    stalling_device slow;
  };
  // LUN `number` on a new device, for everybody unless `who` says otherwise.
  device& add_lun(std::uint32_t number, access who = {true, {}}, std::uint64_t blocks = 16384) {
    devices.push_back(std::make_unique<device>(ex(), random, blocks));
    EXPECT_TRUE(target.publish(description(number, devices.back()->slow), std::move(who)));
    return *devices.back();
  }
  static logical_unit description(std::uint32_t number, io::block_device& d) {
    std::vector<std::uint8_t> naa(16);
    naa[0] = 0x60;
    for (int i = 0; i < 3; ++i) naa[15 - i] = static_cast<std::uint8_t>(number >> 8 * i);
    return {.number = number, .id = {}, .device = d, .naa = naa, .serial = "S" + std::to_string(number)};
  }

  std::unique_ptr<initiator> connect(const std::string& from = "10.0.0.2:1000", std::size_t capacity = 1 << 20) {
    return std::make_unique<initiator>(listener->connect(from, capacity));
  }
  // Logged in, with the power-on attention of LUN 0 out of the way if it can be seen.
  std::unique_ptr<initiator> log_in(login_options o = {}) {
    if (o.target.empty()) o.target = test_iqn;
    auto i = connect();
    EXPECT_EQ(ex().run(i->login(o)), 0);
    if (target.published(0)) ex().run(i->clear_attentions(0));
    return i;
  }
  template <class T>
  T run(rt::task<T> t) {
    return ex().run(std::move(t));
  }

  std::unique_ptr<rt::manual_executor> executor = std::make_unique<rt::manual_executor>();
  seeded_random random;
  std::vector<std::unique_ptr<device>> devices;
  iscsi::target target{{test_iqn, ""}};
  io::memory_listener* listener = nullptr;
  std::unique_ptr<portal_server> server;
};

}  // namespace vds::iscsi::testing
