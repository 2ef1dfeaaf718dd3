// faulty_device.h: a device in front of a memory_device that behaves as drives do at their worst. Writes go to a
// volatile cache; flush and FUA move them to the medium; power_cut() decides, write by write and sector by sector, what
// of the unflushed ones the medium kept. On cue it fails, delays, hangs, vanishes, flips, misdirects or loses.
// For tests and the simulator. One executor; no thread-safety.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "base/random.h"
#include "io/memory/memory_device.h"
#include "rt/sync.h"

namespace vds::io {

enum class fault : std::uint8_t {
  none,
  fail,        // io_error; nothing is written
  fail_after,  // io_error although it was written
  lose,        // a write that reports success and is not there
  misdirect,   // a write that lands elsewhere (the caller of set_rule says how far in `blocks_off`)
  flip,        // one bit of what is written or read differs
  hang,        // never returns until release_hung()
  tear,        // a write in the middle of which the power goes: as if unflushed, also with FUA; see power_cut()
};

class faulty_device final : public block_device {
 public:
  enum class request : std::uint8_t { read, write, flush, zero };
  struct call {
    request what;
    lba at;
    block_count count;
    std::uint64_t number;  // of this device's requests, from 1
  };
  // Looked at for every request.
  using rule = std::function<fault(const call&)>;

  // The medium outlives this device (it is what a later "boot" opens). Latency per request: 0 or more.
  faulty_device(memory_device& medium, random_source& random)
      : medium_(medium), random_(random), unhang_(medium.executor()) {}

  void set_rule(rule r) { rule_ = std::move(r); }
  void set_latency(monotonic::duration d) { latency_ = d; }
  void set_misdirection(std::int64_t blocks_off) { blocks_off_ = blocks_off; }
  void vanish() { gone_ = true; }  // everything answers unavailable
  void come_back() { gone_ = false; }
  void release_hung() { unhang_.set(); }
  std::uint64_t requests() const noexcept { return requests_; }
  std::size_t unflushed() const noexcept { return cache_.size(); }

  // The power goes: each unflushed sector write reached the medium or not, by chance; in any order; torn between
  // sectors. keep decides per sector write instead of chance when given (index in order of writing). The device is gone
  // afterwards; open the medium with a new one.
  void power_cut(const std::function<bool(std::size_t)>& keep = nullptr);
  // All unflushed sector writes, in order of writing (for enumerating every subset of them).
  std::size_t unflushed_sectors() const noexcept { return cache_.size(); }

  std::string_view name() const override { return medium_.name(); }
  block_geometry geometry() const override { return medium_.geometry(); }
  rt::executor& executor() override { return medium_.executor(); }
  rt::task<status> read(lba at, buffers into) override;
  rt::task<status> write(lba at, const_buffers from, durability how) override;
  rt::task<status> flush() override;
  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, durability how) override;
  using block_device::read;
  using block_device::write;

 private:
  struct sector {
    lba at;
    std::vector<std::byte> bytes;
  };
  rt::task<result<fault>> enter(request what, lba at, block_count count);
  void cache_write(lba at, std::span<const std::byte> bytes);

  memory_device& medium_;
  random_source& random_;
  rule rule_;
  monotonic::duration latency_{};
  std::int64_t blocks_off_ = 8;
  bool gone_ = false;
  std::uint64_t requests_ = 0;
  rt::event unhang_;
  std::deque<sector> cache_;  // unflushed, in order of writing; the last one of a place wins
};

}  // namespace vds::io
