// counting_device.h: a drive that counts what is asked of it. Thread: the drive's executor.
#pragma once

#include <memory>

#include "io/block_device.h"

namespace vds::bench {

struct request_counts {
  std::uint64_t reads = 0, writes = 0, flushes = 0, read_bytes = 0, written_bytes = 0;
  void add(const request_counts& c, std::int64_t sign = 1) {
    reads += static_cast<std::uint64_t>(sign) * c.reads, writes += static_cast<std::uint64_t>(sign) * c.writes;
    flushes += static_cast<std::uint64_t>(sign) * c.flushes;
    read_bytes += static_cast<std::uint64_t>(sign) * c.read_bytes;
    written_bytes += static_cast<std::uint64_t>(sign) * c.written_bytes;
  }
};

class counting_device final : public io::block_device {
 public:
  // `counts` outlives the device.
  counting_device(std::unique_ptr<io::block_device> drive, request_counts& counts)
      : drive_(std::move(drive)), counts_(counts) {}

  std::string_view name() const override { return drive_->name(); }
  io::block_geometry geometry() const override { return drive_->geometry(); }
  rt::executor& executor() override { return drive_->executor(); }
  rt::task<status> read(lba at, io::buffers into) override {
    count_read(io::total_size(into));
    return drive_->read(at, into);
  }
  rt::task<status> write(lba at, io::const_buffers from, io::durability how) override {
    count_write(io::total_size(from));
    return drive_->write(at, from, how);
  }
  rt::task<status> flush() override {
    ++counts_.flushes;
    return drive_->flush();
  }
  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, io::durability how) override {
    count_write((count * drive_->geometry().logical).n);
    return drive_->write_zeroes(at, count, may_unmap, how);
  }
  std::optional<status> try_read(lba at, io::buffer into) override {
    auto done = drive_->try_read(at, into);
    if (done) count_read(into.size());
    return done;
  }
  std::optional<status> try_write(lba at, io::const_buffer from, io::durability how) override {
    auto done = drive_->try_write(at, from, how);
    if (done) count_write(from.size());
    return done;
  }
  using block_device::read;
  using block_device::write;

 private:
  void count_read(std::uint64_t bytes) { ++counts_.reads, counts_.read_bytes += bytes; }
  void count_write(std::uint64_t bytes) { ++counts_.writes, counts_.written_bytes += bytes; }

  const std::unique_ptr<io::block_device> drive_;
  request_counts& counts_;
};

}  // namespace vds::bench
