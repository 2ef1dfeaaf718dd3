// mirror.h: a group of copies. With one member (simple, span, each column of a stripe) it only passes requests on. With
// several: writes reach all of them in one order; regions being written are marked durably beforehand and unmarked when
// idle and flushed; reads fall over and repair; after a crash, marked regions are made equal again, and until then are
// read from one member only. A region is an ordinal.
#pragma once

#include "array/engine/group.h"
#include "array/layout/extent_set.h"

namespace vds::array::engine {

class mirror final : public group {
 public:
  using group::group;

  rt::task<status> read(std::uint64_t offset, memory m, std::vector<io::buffer> list) override;
  rt::task<status> modify(action what, std::uint64_t offset, std::uint64_t bytes, memory m,
                          std::vector<io::buffer> list, io::durability how, bool may_unmap) override;
  // Reads: from any member. Writes: only where there is one, nobody waits before us, and nothing moves.
  std::optional<status> try_read(std::uint64_t offset, io::buffer into) override;
  std::optional<status> try_write(std::uint64_t offset, io::const_buffer from, io::durability how) override;
  rt::task<result<check_report>> verify_extent(std::uint32_t ordinal, bool repair) override;

  // At assembly: regions whose mark is set on any working member may differ.
  void find_differences() override;
  bool resyncing() const override { return !pending_.empty(); }
  std::uint64_t pending_regions() const override { return pending_.size(); }
  std::uint64_t resync_total() const override { return resync_total_; }
  // Makes one batch of pending regions equal and unmarks them. False: nothing (more) to do, or not now.
  rt::task<bool> resync_some() override;

  // Unmarks regions not written since `before`: flushes, then clears their bits. True while marks are left.
  rt::task<bool> clear_idle(monotonic::time_point before) override;
  bool marked() const override { return !marks_.empty(); }
  bool marked(std::uint32_t ordinal) const override { return marks_.contains(ordinal); }
  void drop_marks() override;  // the LUN is gone
  void for_each_marked(const std::function<void(layout::extent_place)>& visit) const override;

 protected:
  rt::task<status> restore(std::size_t member, std::uint64_t offset, memory m, std::uint64_t bytes,
                           bool from_redundancy) override;
  void cut_off(std::uint32_t ordinal) override;

 private:
  struct mark {
    std::uint32_t writers = 0;
    monotonic::time_point last;
    std::optional<monotonic::time_point> tried;  // that `last` for which it was tried again to make the region equal
  };
  std::uint32_t first_region(std::uint64_t offset) const;
  std::uint32_t last_region(std::uint64_t offset, std::uint64_t bytes) const;
  bool readable_at(std::size_t member, std::uint64_t offset, std::uint64_t bytes) const;
  std::vector<std::size_t> readers(std::uint64_t offset, std::uint64_t bytes) const;
  rt::task<status> modify_range(action what, std::uint64_t offset, std::uint64_t bytes, memory m,
                                std::vector<io::buffer> list, io::durability how, bool may_unmap);
  rt::task<status> enter(std::uint32_t first, std::uint32_t last);
  void leave(std::uint32_t first, std::uint32_t last);
  std::vector<std::size_t> read_order(std::uint64_t offset, std::uint64_t bytes) const;
  rt::task<void> repair(std::vector<std::size_t> members, std::size_t good, std::uint64_t offset, std::uint64_t bytes);
  rt::task<status> verify_copies(std::uint64_t offset, std::uint64_t bytes, bool repair, check_report& report);
  rt::task<bool> equalise(std::uint32_t region);
  void unset(std::uint32_t region);
  rt::task<bool> flush_working();

  std::map<std::uint32_t, mark> marks_;
  layout::extent_set pending_;  // to be resynchronised
  layout::extent_set unequal_;  // of these: what this round of resynchronising could not make equal
  std::uint64_t resync_total_ = 0;
  bool swept_ = false;  // somebody will look at the marks again
};

}  // namespace vds::array::engine
