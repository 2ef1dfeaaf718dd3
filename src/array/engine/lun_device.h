// lun_device.h: a LUN as a block device: a stripe over redundancy groups (group.h), or just one. Cuts requests, hands
// each group its share, and adds up health.
//
// Invariants: a write or flush that ended well while a member was lost, ended after the survivors durably knew of the
// loss. Memory: data is copied once into memory that the requests own, because a hung drive may hold it for ever
// (drive.h). Thread: the array's executor. Lifetime: shared; each request keeps it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "array/engine/group.h"
#include "array/format/records.h"
#include "io/block_device.h"

namespace vds::array::engine {

class lun_device;
class stripe_journal;

// What LUNs need of the array.
class pool {
 public:
  virtual ~pool() = default;
  virtual rt::executor& executor() = 0;
  virtual std::uint32_t extent_bytes() const = 0;
  virtual std::shared_ptr<drive> find_drive(std::uint32_t slot) const = 0;
  virtual bool gives_back_space(std::uint32_t slot) const = 0;
  // Durable on the survivors when it returns; non-ok: too few of them are left.
  virtual rt::task<status> fail_drive(std::uint32_t slot, failure why) = 0;
  virtual bool recorded_as_lost(std::uint32_t slot) const = 0;
  virtual void health_changed(const guid& lun) = 0;
  virtual void marks_appeared(std::shared_ptr<lun_device> lun) = 0;  // marked regions, to be cleared later
  virtual void needs_resync(std::shared_ptr<lun_device> lun) = 0;
  virtual stripe_journal& stripes() = 0;
  // A drive that takes a member of a parity group needs one: allocated and recorded if it is not there.
  virtual rt::task<status> need_stripe_journal(std::uint32_t slot) = 0;
};

class lun_device final : public io::block_device, public std::enable_shared_from_this<lun_device> {
 public:
  lun_device(std::shared_ptr<pool> p, std::shared_ptr<const format::lun_record> record);
  ~lun_device() override;

  std::string_view name() const override { return name_; }
  io::block_geometry geometry() const override;
  rt::executor& executor() override { return pool_->executor(); }
  rt::task<status> read(lba at, io::buffers into) override;
  rt::task<status> write(lba at, io::const_buffers from, io::durability how) override;
  std::optional<status> try_read(lba at, io::buffer into) override;
  std::optional<status> try_write(lba at, io::const_buffer from, io::durability how) override;
  rt::task<status> flush() override;
  rt::task<status> write_zeroes(lba at, block_count count, bool may_unmap, io::durability how) override;
  using block_device::read;
  using block_device::write;

  const format::lun_record& record() const { return *record_; }
  // Durable already. Groups see the new places at once; see group.h on when old ones may be given away. Not for another
  // kind or number of groups.
  void set_record(std::shared_ptr<const format::lun_record> r);
  const std::vector<std::unique_ptr<group>>& groups() const { return groups_; }
  lun_health health() const { return health_; }
  void refresh_health();                    // after a drive or resynchronisation changed
  unsigned tolerates() const;               // further losses of a drive, whichever
  bool plex_works(std::size_t plex) const;  // all of it can be read
  rt::task<void> settle();                  // requests that began before have ended: of every group
  // A LUN that is to become smaller: what lies beyond is refused from now on; none: the record's end counts again.
  void limit(std::optional<std::uint64_t> bytes) { limit_ = bytes; }
  // What its extents have room for beyond its end, which nobody can reach: zeroed, so that growing uncovers nothing.
  rt::task<status> zero_rest();
  rt::task<void> drain();  // requests of initiators that began before have ended; one drain at a time
  rt::task<void> close();  // lets nobody new in, waits for requests in flight
  bool closing() const { return gate_.closing(); }
  rt::gate& gate() { return gate_; }
  pool& owner() { return *pool_; }

  // Failures of drives become durable; so do those of lost members that are still being recorded.
  rt::task<status> record_losses(std::vector<bad_drive> bad);

  // Of all groups: see group.h.
  void find_differences();
  bool resyncing() const;
  std::uint64_t pending_regions() const;
  std::uint64_t resync_total() const;
  rt::task<bool> resync_some();
  rt::task<bool> clear_idle(monotonic::time_point before);
  bool marked() const;
  void drop_marks();
  // These extents are about to be nobody's: their marks mean nothing any more.
  void unmark(const std::vector<layout::run>& runs);
  void for_each_marked(const std::function<void(layout::extent_place)>& visit) const;

 private:
  rt::task<status> modify(action what, std::uint64_t offset, memory m, std::uint64_t bytes, io::durability how,
                          bool may_unmap);
  status refuse() const;
  template <class Each>
  std::optional<status> at_once(lba at, std::size_t bytes, Each each);
  lun_health measure() const;
  // A request of an initiator, from its range check to its end.
  class request {
   public:
    explicit request(lun_device& of) : of_(of), turn_(of.turn_) { ++of_.in_flight_[turn_ & 1]; }
    ~request() {
      if (--of_.in_flight_[turn_ & 1] == 0 && turn_ != of_.turn_) of_.drained_.set();
    }
    request(const request&) = delete;
    request& operator=(const request&) = delete;

   private:
    lun_device& of_;
    const unsigned turn_;
  };

  std::shared_ptr<pool> pool_;
  std::shared_ptr<const format::lun_record> record_;
  std::string name_;
  lun_health health_;
  rt::gate gate_;
  std::optional<std::uint64_t> limit_;
  unsigned turn_ = 0;
  std::size_t in_flight_[2] = {0, 0};  // by the last bit of the turn in which they began
  rt::event drained_;
  layout::shape shape_;
  std::vector<std::unique_ptr<group>> groups_;
};

}  // namespace vds::array::engine
