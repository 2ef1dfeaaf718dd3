// fleet.h: the model: every LUN that clients made, what was done to it and when, and every operation that was begun. It
// says of each answer whether a correct service can have given it, whatever the order of calls that overlapped.
//
//   const auto t = fleet.renaming(lun, "new");   // before the call
//   fleet.renamed(t, naming->SetFriendlyName(L"new"));
//
// What it takes for granted is what a caller may: what a call that has ended did is seen by every call that begins
// later, by whoever; an object that is deleted stays so; a cancel that was accepted undoes, one that was refused does
// not. Any thread: every function takes the one lock. Violations are collected; the first ones are what matters.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/guid.h"
#include "com/com.h"
#include "tests/stress/model/history.h"

namespace vds::stress {

struct lun_seen {
  std::string name, mask;
  std::int64_t size = 0;
  VDS_LUN_TYPE type = VDS_LT_UNKNOWN;
};

// The kinds of change that turn each other away while they overlap: SetMask and Delete; Extend and Shrink.
enum class turn : std::uint8_t { none, access, size };

struct ticket {  // of one change under way
  guid lun;
  tick begin = 0;
  std::size_t value = 0;   // in its history
  std::size_t change = 0;  // among the LUN's changes
  std::int64_t by = 0;
};

class fleet {
 public:
  tick now();  // for calls that change nothing: before and after

  // --- operations: from before the call that begins one until its result is known
  void operation_begins(const guid& id, std::optional<lun_seen> to_make = {});
  // `object`: what it made. Whoever joined says the same.
  void operation_ended(const guid& id, HRESULT result, const guid& object);
  void operation_refused(const guid& id, HRESULT result);  // by the method itself: there is no operation
  void cancel_begins(const guid& id);
  void cancel_answered(const guid& id, HRESULT answer);
  struct known_operation {
    guid id;
    std::optional<lun_seen> to_make;
  };
  enum class which_operation : std::uint8_t { any, under_way, that_makes };  // the newest; any, if there is no other
  std::optional<known_operation> some_operation(std::uint64_t chance, which_operation wanted) const;
  // `result` of an operation as the service tells it; none: it knows no such operation.
  void operation_told(const guid& id, std::optional<HRESULT> result, tick begin);
  void operations_listed(const std::map<guid, HRESULT>& all, tick begin);

  // --- LUNs
  void created(const guid& id, const lun_seen& as, tick begin);
  std::optional<guid> some_lun(
      std::uint64_t chance) const;  // one that nobody deletes, or now and then any of the newest
  std::size_t alive() const;
  std::int64_t likely_size(const guid& lun) const;

  ticket renaming(const guid& lun, const std::string& to);
  void renamed(const ticket& t, HRESULT hr);
  ticket masking(const guid& lun, const std::string& to);
  void masked(const ticket& t, HRESULT hr);
  ticket resizing(const guid& lun, std::int64_t by);
  void resized(const ticket& t, HRESULT hr);
  ticket deleting(const guid& lun);
  void deleted(const ticket& t, HRESULT hr);

  // --- reads
  void read(const guid& lun, HRESULT hr, const lun_seen& seen, tick begin);
  void found(const guid& lun, HRESULT hr, tick begin);  // it was asked for by its id
  void listed(const std::set<guid>& luns, tick begin);

  // --- the end, when nothing is under way any more
  void judge_operations();
  void judge_inventory(const std::map<guid, lun_seen>& there);

  void violated(const std::string& what);
  std::vector<std::string> violations() const;
  bool sound() const;
  std::string summary() const;  // what has been done, in words

 private:
  struct change {
    turn of;
    span when;
    fate deletes = fate::undone;  // of a deletion: whether it did
  };
  struct lun {
    span creation;
    VDS_LUN_TYPE type;
    replaced<std::string> name, mask;
    summed size;
    std::int64_t last_size;
    std::vector<change> changes;
  };
  struct operation {
    span when;
    std::optional<lun_seen> to_make;
    std::optional<HRESULT> result;
    guid object;
    bool refused = false;
    unsigned cancels = 0, accepted = 0;
    std::vector<HRESULT> told;  // before its end was known here
  };
  using lock = std::lock_guard<std::mutex>;

  static bool may_be_gone(const lun& l, const span& when);
  static bool is_gone(const lun& l, tick begin);
  static bool turned_away(const lun& l, turn of, const span& when, std::size_t self);
  ticket begin(const guid& id, turn of, fate deletes = fate::undone);
  fate end(const ticket& t, HRESULT hr, const char* what);
  void say(const std::string& what);
  static std::string text(const guid& id, const char* what, HRESULT hr);

  mutable std::mutex mutex_;
  tick clock_ = 0;
  std::map<guid, lun> luns_;
  std::vector<guid> order_, alive_;  // alive: nobody deletes it
  std::map<guid, operation> operations_;
  std::vector<guid> operation_order_;
  std::map<guid, tick> sighted_;  // in lists, before their creation was known to have ended
  std::vector<std::string> violations_;
};

}  // namespace vds::stress
