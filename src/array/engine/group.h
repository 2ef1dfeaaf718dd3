// group.h: one redundancy group at work (layout/shape.h): what foreground requests, background jobs and health ask of
// it. The kinds are mirror.h (copies: one or more) and parity.h.
//
// Places: `offset` is in bytes of the group's data for requests, in bytes of a member (a column) where a member is
// named; an ordinal counts the extents of a member. A place is read when its drive works and it is not stale
// (drive::stale); it is written when its drive works.
//
// Moving: while rebuild_extent() fills another place for an extent, and afterwards until the record names that place
// (set_record) or stop_moving(), everything written to the extent goes to both; nobody reads the new place. After the
// switch the old place may still be in use by requests that began before: settle() waits for those, and only then may
// the old place be given away.
//
// Thread: the array's executor. Owned by its lun_device; whoever calls holds that one, and its gate.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "array/engine/drive.h"
#include "array/engine/range_lock.h"
#include "array/layout/shape.h"

namespace vds::array::engine {

class lun_device;

enum class action : std::uint8_t { read, write, zero };

inline constexpr std::uint32_t no_slot = UINT32_MAX;
struct bad_drive {
  std::uint32_t slot = 0;  // no_slot: nobody's fault
  failure why{errc::io_error};
};

// What scrubbing one extent of every member found.
struct check_report {
  std::uint64_t bytes = 0;              // of members, looked at
  std::uint64_t mismatched = 0;         // bytes of rows (4096 of each member at a time) that did not agree
  std::uint64_t unreadable = 0;         // bytes of members that could not be read
  std::uint64_t repaired = 0;           // bytes of members, rewritten
  std::vector<std::uint32_t> suspects;  // slots of drives that could not read, or were proven to differ from the rest
  void add(const check_report& other);
};

class group {
 public:
  group(lun_device& lun, std::size_t index, layout::group_shape shape);
  virtual ~group();
  group(const group&) = delete;
  group& operator=(const group&) = delete;

  // Requests. list: where in m the bytes are, one after the other; empty for zero. Drives that failed are recorded as
  // lost before the answer.
  virtual rt::task<status> read(std::uint64_t offset, memory m, std::vector<io::buffer> list) = 0;
  virtual rt::task<status> modify(action what, std::uint64_t offset, std::uint64_t bytes, memory m,
                                  std::vector<io::buffer> list, io::durability how, bool may_unmap) = 0;
  // At once, or not (io/block_device.h). A kind that can do it only at some times or places says nullopt at the others.
  virtual std::optional<status> try_read(std::uint64_t /*offset*/, io::buffer /*into*/) { return std::nullopt; }
  virtual std::optional<status> try_write(std::uint64_t /*offset*/, io::const_buffer /*from*/, io::durability /*how*/) {
    return std::nullopt;
  }
  // What was written and answered before is durable on every working member when this ends well.
  virtual rt::task<status> flush();

  const layout::group_shape& shape() const { return shape_; }
  std::size_t index() const { return index_; }
  // The record changed: other places, more or fewer extents or members; never another kind.
  void set_shape(layout::group_shape next);

  lun_health health() const;
  // Further losses of a drive that no data is lost by.
  unsigned tolerates() const;
  bool readable(std::size_t member, std::uint32_t ordinal) const;
  bool writable(std::size_t member, std::uint32_t ordinal) const;
  bool works(std::size_t member) const;  // all of it is readable
  layout::extent_place place(std::size_t member, std::uint32_t ordinal) const {
    return layout::column_extent(shape_.members[member], ordinal);
  }

  // For background jobs. `from_redundancy`: do not trust the old place, even if it can be read.
  // rebuild: what the member has to hold there is durable in `to`. `to` may be the place itself, when it is stale.
  // A failure of `to` is the caller's to judge; a move that failed is over. Blocks that nobody can read are remembered
  // as such there (drive::unreadable): the caller records them together with the place. Not when the old place's drive
  // works: then they end the move.
  rt::task<status> rebuild_extent(std::size_t member, std::uint32_t ordinal, layout::extent_place to,
                                  bool from_redundancy = false);
  void stop_moving(std::size_t member, std::uint32_t ordinal) { moving_.erase({member, ordinal}); }
  // Requests that began before this call have ended when it returns.
  virtual rt::task<void> settle();
  // While it is held nobody writes: writers and background work that began before have ended, others wait.
  auto no_writers() { return lock_.take(0, UINT64_MAX); }
  // Compares that extent of all members, and with repair makes them agree.
  virtual rt::task<result<check_report>> verify_extent(std::uint32_t ordinal, bool repair) = 0;

  // Regions that may differ between members since a crash or a loss (write-intent marks): mirror.h.
  virtual void find_differences() {}
  virtual bool resyncing() const { return false; }
  virtual std::uint64_t pending_regions() const { return 0; }
  virtual std::uint64_t resync_total() const { return 0; }
  virtual rt::task<bool> resync_some() { co_return false; }
  virtual rt::task<bool> clear_idle(monotonic::time_point) { co_return false; }
  virtual bool marked() const { return false; }
  // Written while a member was lost there: what that member has to be given when its drive comes back.
  virtual bool marked(std::uint32_t) const { return false; }
  virtual void drop_marks() {}
  virtual void for_each_marked(const std::function<void(layout::extent_place)>&) const {}

 protected:
  // How a request on one member ended.
  struct outcome {
    std::vector<bad_drive> bad;  // drives that did not do it
    bool whole = true;           // the member has all of it: nothing bad, and no place of it lost
  };
  // Bytes of one member. Writes go to every place that takes them (also to those being moved to); reads want all.
  rt::task<outcome> on_member(std::size_t member, action what, std::uint64_t offset, std::uint64_t bytes,
                              std::shared_ptr<void> keep, std::vector<io::buffer> list, io::durability how,
                              bool may_unmap = false);
  // Bytes of one member whose places are all as they should be, a piece at a time: each(drive, place, from, bytes).
  // Stops at what is not done. Not while anything moves, if it is a write.
  template <class Each>
  std::optional<status> at_once(std::size_t member, std::uint64_t offset, std::uint64_t bytes, Each each) const;
  bool moving() const { return !moving_.empty(); }
  // Fills m with what the member has to hold there: from its own place, or from the others. The range is locked.
  virtual rt::task<status> restore(std::size_t member, std::uint64_t offset, memory m, std::uint64_t bytes,
                                   bool from_redundancy) = 0;
  // Nothing more to be waited for before an extent may be switched to its new place.
  virtual rt::task<status> before_switch() { co_return status(); }
  // Before anything is moved to that drive.
  virtual rt::task<status> prepare_target(std::uint32_t) { co_return status(); }
  const layout::extent_place* moving_to(std::size_t member, std::uint32_t ordinal) const {
    const auto it = moving_.find({member, ordinal});
    return it == moving_.end() ? nullptr : &it->second;
  }
  std::vector<std::uint32_t> slots() const;  // of all members and of what is being moved to, each once
  // Members that cannot be read, at the worst place.
  std::size_t worst_loss() const;
  bool all_writable(std::uint64_t offset, std::uint64_t bytes) const;
  std::uint64_t extent_bytes() const;
  // Held by each request while it may use places of the record as it is.
  struct use {
    explicit use(rt::executor& ex) : ended(std::make_shared<rt::event>(ex)) {}
    ~use() { ended->set(); }
    std::shared_ptr<rt::event> ended;
  };
  std::shared_ptr<use> in_use() const { return use_; }
  virtual void shape_changed() {}
  virtual void cut_off(std::uint32_t /*ordinal*/) {}  // from there on the members are about to end: no marks any more

  lun_device& lun_;
  const std::size_t index_;
  layout::group_shape shape_;
  range_lock lock_;  // ranges of member bytes: writers, and whoever must not meet them

 private:
  // As restore, but what no member can read is left out: of these pieces m holds zeros.
  rt::task<status> restore_what_can_be(std::size_t member, std::uint64_t offset, memory m, std::uint64_t bytes,
                                       bool from_redundancy, std::vector<std::uint64_t>& lost);
  std::uint64_t unit_of_loss() const;
  rt::task<status> write_place(layout::extent_place to, std::uint64_t within, memory m, std::uint64_t bytes);
  std::map<std::pair<std::size_t, std::uint32_t>, layout::extent_place> moving_;
  std::shared_ptr<use> use_;
};

inline std::vector<io::buffer> list_of(io::buffer one) {  // (g++ 12 rejects {one} within co_await)
  return std::vector<io::buffer>(1, one);
}
// The part of a list that holds `bytes` from `from` on.
std::vector<io::buffer> part_of(const std::vector<io::buffer>& list, std::uint64_t from, std::uint64_t bytes);

}  // namespace vds::array::engine
