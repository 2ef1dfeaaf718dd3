// drive.h: one drive at work: requests with a deadline, flushes shared by all who need one, and the state.
//
// Memory: a request owns what it reads into or writes from (shared memory), so that nobody has to wait for a drive that
// hangs: at the deadline the waiter goes on with timed_out, and the request keeps its memory until the device returns.
// Thread: the device's executor. Lifetime: shared, because a hung request keeps its drive.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "array/engine/log_ground.h"
#include "array/format/superblock.h"
#include "array/integrity/checked_device.h"
#include "array/layout/byte_set.h"
#include "array/layout/extent_set.h"
#include "array/types.h"
#include "io/aligned_buffer.h"
#include "io/block_device.h"
#include "rt/sync.h"

namespace vds::array::engine {

using memory = std::shared_ptr<io::aligned_buffer>;
inline memory make_memory(std::size_t bytes) { return std::make_shared<io::aligned_buffer>(bytes); }
inline memory make_memory(io::aligned_buffer b) { return std::make_shared<io::aligned_buffer>(std::move(b)); }

struct log_cursor {  // where the next batch goes on this drive
  unsigned area = 0;
  std::uint64_t cycle = 0, index = 0;
  std::size_t tail = 0;
  std::uint32_t crc = 0;
  std::size_t sealed = 0;  // where the changes since the snapshot begin
};

class intents;

// What a drive with room for checksums does with them (array/integrity/).
struct checking {
  std::size_t cached_regions = integrity::default_cached_regions;
};

class drive : public std::enable_shared_from_this<drive> {
 public:
  drive(std::unique_ptr<io::block_device> device, const format::superblock& sb, monotonic::duration deadline,
        checking checks = {});
  ~drive();

  const guid& id() const { return superblock.drive_id; }
  std::uint32_t slot() const { return superblock.slot; }
  std::string_view name() const { return device_->name(); }
  io::block_geometry geometry() const { return device_->geometry(); }
  rt::executor& executor() const { return executor_; }

  drive_state state() const { return state_; }
  bool usable() const { return state_ == drive_state::online; }
  const failure* why() const { return why_ ? &*why_ : nullptr; }
  // Online to failed: from here on nothing is asked of it, and whoever waits for it goes on. True if it was online.
  bool fail(failure why);
  std::size_t busy() const { return in_flight_.size(); }

  // Bytes from the start of the drive; whole logical blocks. The spans lie in what `keep` holds.
  rt::task<status> read(std::uint64_t offset, std::shared_ptr<void> keep, std::vector<io::buffer> into);
  rt::task<status> write(std::uint64_t offset, std::shared_ptr<void> keep, std::vector<io::const_buffer> from,
                         io::durability how);
  rt::task<status> write(std::uint64_t offset, memory whole, io::durability how);
  // At once, if the device can (io/block_device.h). Nothing to wait for, so no deadline, and nobody who might hold the
  // memory for ever.
  std::optional<status> try_read(std::uint64_t offset, io::buffer into);
  std::optional<status> try_write(std::uint64_t offset, io::const_buffer from, io::durability how);
  rt::task<status> zero(std::uint64_t offset, std::uint64_t bytes, bool may_unmap, io::durability how);
  // Everything that was written before is durable. Costs nothing when nothing was.
  rt::task<status> flush();

  // Null: the drive has no checksums. Opened or formatted before anything is asked of the drive's data.
  integrity::checked_device* checks() const { return checks_; }
  rt::task<status> open_checks();
  rt::task<status> format_checks();
  // Settles some of what was not written since `before`; a failure: the drive does not take what is written to it.
  // Again while it is wanted. `learn` false: regions in doubt wait for the next start.
  bool wants_settling(monotonic::time_point before, bool learn) const;
  rt::task<status> settle_checks(monotonic::time_point before, bool learn);
  // Of an extent that has checksums of its own.
  void exempt_from_checks(std::uint32_t first_extent, std::uint32_t extents);

  format::superblock superblock;
  log_cursor log, next_log;  // next_log: of a snapshot being written into the other area
  log_ground ground;         // ahead of both
  std::unique_ptr<intents> intent;
  // Extents whose content is not believed until it was rebuilt: they are written, and never read. Empty as a rule; kept
  // by who brings a drive back or adds a member.
  layout::extent_set stale;
  // What could not be read from anywhere when it was to be copied here, in bytes of the data area (so that the
  // configuration can say the same): reading answers a medium error until it is written. A write there is durable, and
  // so is that it is readable again (`readable_again`), before it is answered.
  layout::byte_set unreadable;
  std::function<rt::task<status>()> readable_again;

 private:
  bool cannot_be_read(std::uint64_t offset, std::uint64_t bytes) const {
    return !unreadable.empty() && offset >= superblock.data_offset &&
           unreadable.overlaps(offset - superblock.data_offset, bytes);
  }
  rt::task<status> after_rewriting(std::uint64_t offset, std::uint64_t bytes);
  struct request {
    deadline until;
    std::optional<status> answer;
    std::coroutine_handle<> waiter;
    std::list<std::shared_ptr<request>>::iterator place;
    bool listed = true;
  };
  struct flushing {
    explicit flushing(rt::executor& ex) : done(ex) {}
    std::uint64_t covers = 0;
    status answer;
    rt::event done;
  };
  rt::task<status> run(std::shared_ptr<void> keep, rt::task<status> op);
  static rt::task<void> perform(std::shared_ptr<drive> self, std::shared_ptr<request> r, std::shared_ptr<void> keep,
                                rt::task<status> op);
  void give_up(request& r, const failure& why);
  void arm();
  void sweep();
  failure refusal() const;

  std::unique_ptr<io::block_device> device_;
  integrity::checked_device* checks_ = nullptr;  // device_, when it checks
  rt::executor& executor_;
  monotonic::duration deadline_;
  std::uint32_t block_;
  drive_state state_ = drive_state::online;
  std::optional<failure> why_;
  std::list<std::shared_ptr<request>> in_flight_;  // oldest first
  bool armed_ = false;
  // What an earlier process wrote may still be in a cache: so there is one unflushed write from the start.
  std::uint64_t written_ = 1, flushed_ = 0;
  std::shared_ptr<flushing> flushing_;
};

// Writes all copies of the superblock, one durable after the other, so that one is whole at any time.
rt::task<status> write_superblock(std::shared_ptr<drive> d);

}  // namespace vds::array::engine
