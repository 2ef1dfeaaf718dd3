// task_set.h: the commands that a LUN knows, in order of arrival. Decides who may run (ORDERED waits for all before it
// and holds up all behind it, SAM-5 8), and lets task management wait until marked commands are gone.
// Thread: the LUN's executor.
#pragma once

#include <cstddef>
#include <functional>

#include "iscsi/scsi/command.h"
#include "rt/sync.h"

namespace vds::iscsi {

class task_set {
 public:
  explicit task_set(rt::executor& ex) : executor_(ex), moved_(ex) {}
  ~task_set() { always(first_ == nullptr); }

  void enter(command& c);
  void leave(command& c);  // no-op if it is not in
  // Returns when the task attributes let the command run, or when it was aborted.
  rt::task<void> turn(command& c);

  // A command was marked from outside: whoever waits for its turn looks again.
  void wake() {
    if (ordered_ != 0) moved_.set();
  }
  // Marks the commands for which `which` is true and returns when they have left.
  rt::task<void> abort(std::function<bool(const command&)> which, bool silently = true);

  bool any_ordered() const noexcept { return ordered_ != 0; }
  std::size_t size() const noexcept { return size_; }
  bool any(const std::function<bool(const command&)>& which) const;

 private:
  bool held_up(const command& c) const;

  rt::executor& executor_;
  rt::event moved_;  // pulsed when a command leaves or is aborted while `ordered_` are in
  command* first_ = nullptr;
  command* last_ = nullptr;
  std::size_t size_ = 0, ordered_ = 0;
};

}  // namespace vds::iscsi
