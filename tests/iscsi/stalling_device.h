// stalling_device.h: a device in front of another, for tests: requests that a rule names wait until they are let go.
// Borrows the device behind it. Thread: its executor.
#pragma once

#include <functional>
#include <string_view>

#include "io/block_device.h"
#include "rt/sync.h"

namespace vds::iscsi::testing {

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

}  // namespace vds::iscsi::testing
