// memory_device.h: a block device in memory, for tests, benchmarks and RAM-backed drives. Sparse: a block never written
// takes no room and reads as zeros. Volatile with the process; flush() succeeds at once.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/block_device.h"

namespace vds::io {

class memory_device : public block_device {
 public:
  memory_device(rt::executor& ex, std::string name, block_size size, block_count blocks);

  std::string_view name() const override { return name_; }
  block_geometry geometry() const override { return geometry_; }
  rt::executor& executor() override { return executor_; }

  rt::task<status> read(lba at, buffers into) override;
  rt::task<status> write(lba at, const_buffers from, durability how) override;
  std::optional<status> try_read(lba at, buffer into) override;
  std::optional<status> try_write(lba at, const_buffer from, durability how) override;
  rt::task<status> flush() override;
  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, durability how) override;
  using block_device::read;
  using block_device::write;

  void resize(block_count blocks) { geometry_.blocks = blocks; }
  // Direct access for tests: what the medium holds, past every interface.
  void peek(lba at, std::span<std::byte> into) const;
  void poke(lba at, std::span<const std::byte> from);

 private:
  static constexpr std::size_t chunk_bytes = 64 * 1024;
  std::byte* chunk(std::uint64_t index, bool make);
  bool there(lba at, std::size_t size) const;
  const std::byte* find(std::uint64_t index) const;

  rt::executor& executor_;
  std::string name_;
  block_geometry geometry_;
  std::unordered_map<std::uint64_t, std::unique_ptr<std::byte[]>> chunks_;
};

}  // namespace vds::io
