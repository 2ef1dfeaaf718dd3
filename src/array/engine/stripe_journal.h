// stripe_journal.h: makes updates of parity rows atomic (docs/design/array-parity.md). Each drive logs what an update
// writes to it, in a journal of its own (format/stripe_batch.h); only when that is durable on every drive concerned the
// update begins in place. Updates that wait together share a batch; batches of different drives are written at once.
//
// An entry is active from log() to done(). Retiring: everything below the oldest active entry is flushed in place and
// the heads say so, before its room in the rings is used again. That happens when a ring is half full, and on demand.
//
// After log() ended well the update is durable as far as the members that took it: an acknowledged write needs no
// flush. Thread: the array's executor. Lifetime: shared; coroutines hold it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "array/engine/group.h"
#include "array/format/stripe_batch.h"
#include "base/random.h"

namespace vds::array::engine {

class pool;

class stripe_journal : public std::enable_shared_from_this<stripe_journal> {
 public:
  stripe_journal(rt::executor& ex, random_source& random) : executor_(ex), random_(random) {}
  void set_pool(std::weak_ptr<pool> p) { pool_ = std::move(p); }

  // How large a journal a drive of that size gets.
  static std::uint64_t bytes_for(std::uint64_t drive_bytes);
  // Makes an empty journal on these extents of the drive; durable when it returns.
  rt::task<status> create(std::shared_ptr<drive> d, std::vector<layout::run> runs);
  bool on(const drive& d) const;

  // Most bytes of one piece.
  std::uint64_t max_piece_bytes() const { return max_piece_; }

  struct piece {
    std::uint32_t slot = 0;
    std::uint8_t member = 0;
    std::uint64_t offset = 0, bytes = 0;  // of the member
    std::vector<io::buffer> list;         // empty: zeros
  };
  struct logged {
    std::uint64_t entry = 0;
    std::vector<bad_drive> bad;  // that did not take their pieces: to be recorded as lost before anything is in place
  };
  // members: the bits of those that have a piece. keep holds the lists' memory.
  rt::task<logged> log(const guid& lun, std::size_t group, std::uint64_t members, std::vector<piece> pieces,
                       std::shared_ptr<void> keep);
  // In place on every member that works; losses are recorded.
  void done(std::uint64_t entry);
  // Nothing may be retired any more: a loss could not be recorded.
  void give_up() {
    broken_ = true;
    if (progress_) std::exchange(progress_, nullptr)->set();  // nobody waits for room that will not come
  }

  // What was logged before is in place, durably, and will not be replayed.
  rt::task<void> retire_all();
  bool all_retired() const { return !broken_ && retired_ == next_; }
  void forget(std::uint32_t slot) { rings_.erase(slot); }  // the drive has left the array

  // At assembly: what the drives' journals hold. clean: the array was shut down, there is nothing to replay.
  struct found_piece {
    std::uint32_t slot = 0;
    format::stripe_piece piece;
  };
  using entries = std::map<std::uint64_t, std::vector<found_piece>>;
  struct opened {
    entries to_replay;
    std::vector<std::shared_ptr<void>> memory;  // that they lie in
    std::vector<bad_drive> unreadable;
  };
  rt::task<opened> open(std::map<std::uint32_t, std::vector<layout::run>> journals, bool clean);

  std::uint64_t batches() const { return batches_; }  // for tests and benchmarks
  std::uint64_t rounds() const { return rounds_; }

 private:
  struct entry_state {
    explicit entry_state(rt::executor& ex) : answered(ex) {}
    std::size_t left = 0;
    std::vector<bad_drive> bad;
    rt::event answered;
  };
  struct waiting {
    std::vector<format::stripe_piece> pieces;
    std::shared_ptr<void> keep;
    std::shared_ptr<entry_state> entry;
  };
  struct live {
    std::uint64_t end = 0, last_entry = 0;
  };
  struct ring {
    std::shared_ptr<drive> on;
    std::vector<layout::run> runs;
    std::uint64_t bytes = 0, next = format::stripe_ring_at, used = 0;
    format::stripe_head head;
    std::map<std::uint64_t, live> live_batches;  // by place
    std::deque<waiting> queue;
    bool pumping = false;
  };
  static rt::task<void> pump(std::shared_ptr<stripe_journal> self, std::shared_ptr<ring> r);
  rt::task<status> write_batch(std::shared_ptr<ring> r, std::uint64_t place, std::vector<waiting>& batch);
  rt::task<status> write_area(std::shared_ptr<ring> r, std::uint64_t at, std::shared_ptr<void> keep,
                              std::vector<io::buffer> list, io::durability how);
  rt::task<status> write_head(std::shared_ptr<ring> r);
  bool allocate(ring& r, std::uint64_t bytes, std::uint64_t& place) const;
  static rt::task<void> round(std::shared_ptr<stripe_journal> self);
  rt::task<void> make_room();
  std::uint64_t oldest_active() const { return active_.empty() ? next_ : *active_.begin(); }
  void add_ring(std::shared_ptr<ring> r);

  rt::executor& executor_;
  random_source& random_;
  std::weak_ptr<pool> pool_;
  std::map<std::uint32_t, std::shared_ptr<ring>> rings_;
  std::uint64_t next_ = 1, retired_ = 1;
  std::set<std::uint64_t> active_;
  std::uint64_t max_piece_ = 1 << 20;
  bool broken_ = false;
  std::shared_ptr<rt::event> round_, progress_;  // a round runs; somebody waits for an entry to end
  std::uint64_t batches_ = 0, rounds_ = 0;
};

}  // namespace vds::array::engine
