// parity.h: a group with one or two members' worth of rotating parity (layout/parity_map.h). A row is one stripe unit
// of each member; an update changes a range of it on some members and on its parity.
//
// Invariants: an update of a row holds its range of the lock from before it reads until it is in place on every member
// that works; it is in the stripe journal, durably, before it begins in place (docs/design/array-parity.md). So in
// place each row is consistent except for what the journal can repeat. Reads of rows that need reconstruction take the
// lock, others do not. Writes to one row that wait together become one update; when they fill it, nothing is read.
#pragma once

#include <deque>

#include "array/engine/group.h"
#include "array/engine/stripe_journal.h"
#include "array/layout/parity_map.h"

namespace vds::array::engine {

class parity final : public group {
 public:
  parity(lun_device& lun, std::size_t index, layout::group_shape shape);

  rt::task<status> read(std::uint64_t offset, memory m, std::vector<io::buffer> list) override;
  rt::task<status> modify(action what, std::uint64_t offset, std::uint64_t bytes, memory m,
                          std::vector<io::buffer> list, io::durability how, bool may_unmap) override;
  rt::task<status> flush() override;
  rt::task<void> settle() override;
  rt::task<result<check_report>> verify_extent(std::uint32_t ordinal, bool repair) override;

  // While a member is lost, what is written is marked on the others: it is what the member misses when it comes back.
  void find_differences() override;
  rt::task<bool> clear_idle(monotonic::time_point before) override;
  bool marked() const override { return !marks_.empty(); }
  bool marked(std::uint32_t ordinal) const override { return marks_.contains(ordinal); }
  void drop_marks() override;
  void for_each_marked(const std::function<void(layout::extent_place)>& visit) const override;

  // At assembly: one entry of the stripe journal, oldest first. Puts it in place, or finds that it never began.
  rt::task<status> replay(const std::vector<stripe_journal::found_piece>& entry);

  struct counters {  // for tests and benchmarks
    std::uint64_t full_rows = 0, reconstruct_writes = 0, modify_writes = 0, degraded_writes = 0,
                  reconstructed_reads = 0, repaired_bytes = 0;
  };
  const counters& count() const { return count_; }

 protected:
  rt::task<status> restore(std::size_t member, std::uint64_t offset, memory m, std::uint64_t bytes,
                           bool from_redundancy) override;
  rt::task<status> before_switch() override;
  rt::task<status> prepare_target(std::uint32_t slot) override;
  void shape_changed() override;
  void cut_off(std::uint32_t ordinal) override;

 private:
  using keep_list = std::shared_ptr<std::vector<std::shared_ptr<void>>>;
  struct piece {  // what an update writes to one member; contiguous there
    std::size_t member = 0;
    std::uint64_t offset = 0, bytes = 0;
    std::vector<io::buffer> list;  // empty: zeros
  };
  struct update {
    std::vector<piece> pieces;
    keep_list keep = std::make_shared<std::vector<std::shared_ptr<void>>>();
    void add(std::size_t member, std::uint64_t offset, std::vector<io::buffer> list);
    memory allocate(std::uint64_t bytes);
  };
  struct waiting_write {
    std::uint64_t from = 0, bytes = 0;  // within the row's data
    memory m;
    std::vector<io::buffer> list;
    std::optional<status> answer;
    std::coroutine_handle<> waiter;
  };
  struct segment {  // of a row: the same columns change from lo to hi
    std::uint64_t lo = 0, hi = 0;
    std::map<std::size_t, std::vector<io::buffer>> fresh;  // data column -> new bytes
  };
  using member_set = std::vector<bool>;
  using contents = std::vector<memory>;  // by member; null: not read

  std::uint64_t unit() const { return shape_.unit_bytes; }
  std::uint64_t row_bytes() const { return unit() * map_.data(); }
  stripe_journal& journal() const;
  std::uint32_t ordinal_of(std::uint64_t member_offset) const {
    return static_cast<std::uint32_t>(member_offset / extent_bytes());
  }
  member_set unreadable(std::uint32_t ordinal) const;
  bool takes_writes(std::size_t member, std::uint32_t ordinal) const;
  failure too_many_lost() const;

  rt::task<status> write_rows(std::uint64_t row, std::uint64_t count, std::uint64_t lo, std::uint64_t hi, memory m,
                              std::vector<io::buffer> list, bool zeros);
  rt::task<status> write_part(std::uint64_t row, std::uint64_t from, std::uint64_t bytes, memory m,
                              std::vector<io::buffer> list);
  static rt::task<void> run_row(std::shared_ptr<lun_device> keep, parity* self, std::uint64_t row);
  rt::task<status> update_row(std::uint64_t row, std::vector<std::shared_ptr<waiting_write>> batch);
  std::vector<segment> segments_of(const std::vector<std::shared_ptr<waiting_write>>& batch) const;
  rt::task<status> compute(std::uint64_t row, segment& s, update& u);
  rt::task<status> commit(update u);
  rt::task<status> mark(std::uint32_t ordinal);

  // Reads those members' bytes; who could not be read is added to bad. Non-ok: nothing more to hope for.
  rt::task<status> read_members(const member_set& which, std::uint64_t offset, std::uint64_t bytes, contents& into,
                                member_set& bad);
  // The whole row's bytes there, of every member: read, and what cannot be read computed. `bad` gets who that was.
  rt::task<result<contents>> load_row(std::uint64_t row, std::uint64_t lo, std::uint64_t bytes, member_set& bad,
                                      bool and_parity);
  rt::task<status> reconstruct_read(std::uint64_t row, std::size_t column, std::uint64_t lo,
                                    std::vector<io::buffer> into, bool was_readable);
  rt::task<status> check_rows_after_crash(std::uint64_t lo, std::uint64_t hi, check_report& report);
  rt::task<status> check_rows(std::uint64_t offset, std::uint64_t bytes, bool repair, check_report& report);

  const layout::parity_map map_;
  std::map<std::uint64_t, std::deque<std::shared_ptr<waiting_write>>> rows_;  // with a coroutine at work on each
  std::set<std::uint32_t> marks_;
  counters count_;
};

}  // namespace vds::array::engine
