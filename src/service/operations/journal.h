// journal.h: what makes an operation outlive the service. begin() returns when the operation is on stable storage.
// Whoever comes while nothing is being written writes for all who wait at that moment (group commit), on its own
// thread; the others wait for it. end() is lazy: it joins the next commit or makes one soon, because what ended and was
// not written down is found out from the provider.
//
// A commit is one write to the operations log (operation_log.h). What is in the log is folded into SQLite
// (history.h) in the background: when an area of the log is full, and in the end.
//
// Invariants: begin() has returned success <=> after any crash the operation is read back by open(), until its end is
// committed; an operation is in unfinished or in history, never both, never twice. The cost of a call does not depend
// on how many operations or LUNs there are. Any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "service/operations/history.h"
#include "service/operations/operation_log.h"

namespace vds::service {

struct journal_options {
  std::string path;                                           // of the history; the log's name is that and ".log"
  std::size_t history = 10'000;                               // ended operations kept
  monotonic::duration lazy = std::chrono::milliseconds(100);  // an end is committed at the latest after this
  std::uint64_t log_area_bytes = 4 << 20;                     // of a new log: two of these
  // Tests end the process here. Steps: "begin", "before-commit", "after-commit", "answered", "before-fold",
  // "after-fold".
  std::function<void(std::string_view step)> at_step;
};

class journal {
 public:
  using contents = history::contents;
  static result<std::unique_ptr<journal>> open(journal_options options, contents& out);
  ~journal();

  // Blocks until durable.
  status begin(const operation_record& r);
  // Lazy. `durable` runs on the journal's thread, or one that flushes, once the end is on stable storage; it must not
  // block.
  void end(const operation_record& r, std::function<void()> durable = {});
  // Something that had ended when it was told of: a change without an operation of its own. Lazy.
  void note(const operation_record& r);
  // The method refused: nothing happened, nothing is kept. Lazy.
  void drop(const guid& id);
  // Blocks until everything given so far is durable and told.
  status flush();
  // All of the above, and the files are let go of: whoever opens them next finds the history complete. Whatever is
  // given afterwards is refused (begin, flush) or lost (an end, which the next start asks the provider for). Once.
  void close();

 private:
  using change = log_format::change;
  struct waiter {
    std::condition_variable wake;  // used with mutex_
    std::optional<status> answer;
  };
  struct entry {
    std::optional<change> what;  // none: a flush
    waiter* who = nullptr;       // none: lazy
    std::function<void()> durable;
  };
  struct window {  // of the log, not yet folded
    std::vector<change> changes;
    std::uint64_t through = 0;
  };

  explicit journal(journal_options options) : options_(std::move(options)) {}
  status commit(std::unique_lock<std::mutex>& lock, entry e);
  void lead(std::unique_lock<std::mutex>& lock);
  status write(const std::vector<entry>& batch);
  status make_room(std::size_t payload);
  void tell(std::unique_lock<std::mutex>& lock);
  void fold(std::unique_lock<std::mutex>& lock);
  void add_lazy(std::vector<entry> entries);  // of one commit
  void run();
  void step(std::string_view name) const {
    if (options_.at_step) options_.at_step(name);
  }

  const journal_options options_;
  std::unique_ptr<history> history_;    // journal's thread only, once it runs
  std::unique_ptr<operation_log> log_;  // whoever set writing_
  std::uint64_t sequence_ = 0;          // of the newest batch; likewise
  codec::bytes payload_;                // likewise

  std::mutex mutex_;
  std::condition_variable work_, folded_, told_;
  std::vector<entry> queue_;
  std::vector<std::function<void()>> durable_;  // to be told
  std::optional<deadline> lazy_due_;
  bool writing_ = false, stopping_ = false;
  unsigned telling_ = 0;
  window unfolded_;
  std::uint64_t applied_ = 0;                 // through this batch the history has everything
  std::array<std::uint64_t, 2> area_ends_{};  // sequence of the last batch in each area
  bool fold_now_ = false;
  std::optional<failure> fold_failed_;
  std::thread thread_;
};

}  // namespace vds::service
