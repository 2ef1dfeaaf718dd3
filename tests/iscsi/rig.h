// rig.h: a whole target in one deterministic thread: devices in memory that can hang, streams in memory, time that
// jumps. What a test asks an initiator to do runs until it has an answer.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "initiator.h"
#include "io/faulty/faulty_device.h"
#include "io/memory/memory_device.h"
#include "io/memory/memory_stream.h"
#include "iscsi/target/portal_server.h"
#include "rt/manual_executor.h"

namespace vds::iscsi::testing {

inline const std::string test_iqn = "iqn.2026-01.test:target";

// In front of a device: what the rule names waits until let_go(), and then happens after all.
class stalling_device final : public io::block_device {
 public:
  enum class request { read, write, other };
  explicit stalling_device(io::block_device& behind) : behind_(behind), go_(behind.executor()) {}
  void stall(std::function<bool(request)> which) {
    which_ = std::move(which);
    go_.reset();
  }
  void let_go() {
    which_ = nullptr;
    go_.set();
  }
  std::size_t begun = 0;  // reads and writes that came, stalled or not

  std::string_view name() const override { return behind_.name(); }
  io::block_geometry geometry() const override { return behind_.geometry(); }
  rt::executor& executor() override { return behind_.executor(); }
  rt::task<status> read(lba at, io::buffers into) override {
    co_await pass(request::read);
    co_return co_await behind_.read(at, into);
  }
  rt::task<status> write(lba at, io::const_buffers from, io::durability how) override {
    co_await pass(request::write);
    co_return co_await behind_.write(at, from, how);
  }
  rt::task<status> flush() override {
    co_await pass(request::other);
    co_return co_await behind_.flush();
  }
  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, io::durability how) override {
    co_await pass(request::other);
    co_return co_await behind_.write_zeroes(at, count, may_unmap, how);
  }
  using io::block_device::read;
  using io::block_device::write;

 private:
  rt::task<void> pass(request what) {
    if (what != request::other) ++begun;
    if (which_ && which_(what)) co_await go_;
  }
  io::block_device& behind_;
  std::function<bool(request)> which_;
  rt::event go_;
};

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
  device& add_lun(std::uint16_t number, access who = {true, {}}, std::uint64_t blocks = 16384) {
    devices.push_back(std::make_unique<device>(ex(), random, blocks));
    EXPECT_TRUE(target.publish(description(number, devices.back()->slow), std::move(who)));
    return *devices.back();
  }
  static logical_unit description(std::uint16_t number, io::block_device& d) {
    std::vector<std::uint8_t> naa(16);
    naa[0] = 0x60;
    naa[15] = static_cast<std::uint8_t>(number);
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
