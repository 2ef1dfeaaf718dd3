#include "tests/stress/model/fleet.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "com/hresult.h"

namespace vds::stress {

tick fleet::now() {
  const lock l(mutex_);
  return ++clock_;
}

// --- operations

void fleet::operation_begins(const guid& id, std::optional<lun_seen> to_make) {
  const lock l(mutex_);
  operations_.emplace(id, operation{{++clock_, not_yet}, std::move(to_make), {}, {}, false, 0, 0, {}});
  operation_order_.push_back(id);
}

void fleet::operation_ended(const guid& id, HRESULT result, const guid& object) {
  const lock l(mutex_);
  operation& o = operations_.at(id);
  if (!o.result) {
    o.result = result;
    o.object = object;
    o.when.end = ++clock_;
  } else if (*o.result != result || o.object != object) {
    say(text(id, "an operation ended twice, now with", result) + " " + to_string(object));
  }
}

void fleet::operation_refused(const guid& id, HRESULT result) {
  const lock l(mutex_);
  operation& o = operations_.at(id);
  o.result = result;
  o.refused = true;
  o.when.end = ++clock_;
}

void fleet::cancel_begins(const guid& id) {
  const lock l(mutex_);
  ++operations_.at(id).cancels;
}

void fleet::cancel_answered(const guid& id, HRESULT answer) {
  const lock l(mutex_);
  operation& o = operations_.at(id);
  if (answer == S_OK)
    ++o.accepted;
  else if (answer == VDS_E_OPERATION_CANCELED && o.cancels < 2)
    say(text(id, "the only cancel of an operation was answered", answer));
  else if (answer != VDS_E_OPERATION_CANCELED && answer != VDS_E_CANCEL_TOO_LATE && answer != VDS_E_RETRY)
    say(text(id, "a cancel was answered", answer));
}

std::optional<fleet::known_operation> fleet::some_operation(std::uint64_t chance, which_operation wanted) const {
  const lock l(mutex_);
  constexpr std::size_t newest = 64;
  const std::size_t n = std::min(operation_order_.size(), newest);
  for (std::size_t i = 0; i < n; ++i) {
    const guid& id = operation_order_[operation_order_.size() - 1 - (chance + i) % n];
    const operation& o = operations_.at(id);
    if ((wanted != which_operation::that_makes || o.to_make) && (wanted != which_operation::under_way || !o.result))
      return known_operation{id, o.to_make};
  }
  return std::nullopt;
}

void fleet::operation_told(const guid& id, std::optional<HRESULT> result, tick begin) {
  const lock l(mutex_);
  const auto at = operations_.find(id);
  if (at == operations_.end()) return;
  operation& o = at->second;
  const bool ended = o.result && o.when.end < begin;
  if (!result) {
    if (ended && !o.refused) say(text(id, "an operation is forgotten that ended with", *o.result));
  } else if (*result == VDS_E_OPERATION_PENDING) {
    if (ended) say(text(id, "an operation is said to go on that ended with", *o.result));
  } else {
    o.told.push_back(*result);
  }
}

void fleet::operations_listed(const std::map<guid, HRESULT>& all, tick begin) {
  std::vector<guid> known;
  {
    const lock l(mutex_);
    known = operation_order_;
  }
  for (const guid& id : known) {
    const auto at = all.find(id);
    operation_told(id, at == all.end() ? std::nullopt : std::optional(at->second), begin);
  }
}

// --- LUNs

void fleet::created(const guid& id, const lun_seen& as, tick begin) {
  const lock l(mutex_);
  const auto [at, is_new] = luns_.emplace(id, lun{{begin, ++clock_},
                                                  as.type,
                                                  replaced<std::string>(as.name),
                                                  replaced<std::string>(as.mask),
                                                  summed(as.size),
                                                  as.size,
                                                  {}});
  if (!is_new) return say("two operations made LUN " + to_string(id));
  order_.push_back(id);
  alive_.push_back(id);
}

std::optional<guid> fleet::some_lun(std::uint64_t chance) const {
  const lock l(mutex_);
  constexpr std::size_t newest = 24;
  if (chance % 8 != 0 && !alive_.empty()) return alive_[chance / 8 % alive_.size()];
  const std::size_t n = std::min(order_.size(), newest);
  if (n == 0) return std::nullopt;
  return order_[order_.size() - 1 - chance / 8 % n];
}

std::size_t fleet::alive() const {
  const lock l(mutex_);
  return alive_.size();
}

std::int64_t fleet::likely_size(const guid& id) const {
  const lock l(mutex_);
  return luns_.at(id).last_size;
}

ticket fleet::begin(const guid& id, turn of, fate deletes) {
  lun& l = luns_.at(id);
  l.changes.push_back({of, {++clock_, not_yet}, deletes});
  return {id, clock_, 0, l.changes.size() - 1, 0};
}

// What the answer means for the change, after holding it against what may be.
fate fleet::end(const ticket& t, HRESULT hr, const char* what) {
  lun& l = luns_.at(t.lun);
  change& c = l.changes[t.change];
  c.when.end = ++clock_;
  if (hr == S_OK) {
    if (is_gone(l, t.begin)) say(text(t.lun, "after its deletion a LUN was", hr) + ": " + what);
    return fate::done;
  }
  if (hr == VDS_E_OBJECT_DELETED) {
    if (c.deletes != fate::undone) c.deletes = fate::undone;  // others did
    if (!may_be_gone(l, c.when)) say(text(t.lun, what, hr) + ", and nobody deletes it");
  } else if (hr == VDS_E_ANOTHER_CALL_IN_PROGRESS) {
    if (!turned_away(l, c.of, c.when, t.change)) say(text(t.lun, what, hr) + ", and there is no other call");
  } else {
    say(text(t.lun, what, hr));
  }
  return fate::undone;
}

ticket fleet::renaming(const guid& id, const std::string& to) {
  const lock l(mutex_);
  ticket t = begin(id, turn::none);
  t.value = luns_.at(id).name.begin(to, t.begin);
  return t;
}

void fleet::renamed(const ticket& t, HRESULT hr) {
  const lock l(mutex_);
  const fate f = end(t, hr, "naming a LUN answered");
  luns_.at(t.lun).name.end(t.value, f, clock_);
}

ticket fleet::masking(const guid& id, const std::string& to) {
  const lock l(mutex_);
  ticket t = begin(id, turn::access);
  t.value = luns_.at(id).mask.begin(to, t.begin);
  return t;
}

void fleet::masked(const ticket& t, HRESULT hr) {
  const lock l(mutex_);
  const fate f = end(t, hr, "setting a mask answered");
  luns_.at(t.lun).mask.end(t.value, f, clock_);
}

ticket fleet::resizing(const guid& id, std::int64_t by) {
  const lock l(mutex_);
  ticket t = begin(id, turn::size);
  t.value = luns_.at(id).size.begin(by, t.begin);
  t.by = by;
  return t;
}

void fleet::resized(const ticket& t, HRESULT hr) {
  const lock l(mutex_);
  lun& one = luns_.at(t.lun);
  fate f = fate::undone;
  if (hr == VDS_E_OPERATION_CANCELED) {  // rightly, if judge_operations() finds a cancel that was accepted
    one.changes[t.change].when.end = ++clock_;
  } else if (hr == VDS_E_INVALID_SHRINK_SIZE) {
    one.changes[t.change].when.end = ++clock_;
    if (t.by >= 0 || *one.size.possible({t.begin, clock_}).begin() > -t.by)
      say(text(t.lun, "shrinking a LUN that is large enough answered", hr));
  } else {
    f = end(t, hr, t.by > 0 ? "extending a LUN ended with" : "shrinking a LUN ended with");
  }
  one.size.end(t.value, f, clock_);
  if (f == fate::done) one.last_size += t.by;
}

ticket fleet::deleting(const guid& id) {
  const lock l(mutex_);
  std::erase(alive_, id);
  return begin(id, turn::access, fate::unknown);
}

void fleet::deleted(const ticket& t, HRESULT hr) {
  const lock l(mutex_);
  lun& one = luns_.at(t.lun);
  const fate f = end(t, hr, "deleting a LUN answered");
  if (f == fate::done)
    for (const change& c : one.changes)
      if (c.deletes == fate::done) say("LUN " + to_string(t.lun) + " was deleted twice");
  one.changes[t.change].deletes = f;
  if (!may_be_gone(one, {0, not_yet}) && std::find(alive_.begin(), alive_.end(), t.lun) == alive_.end())
    alive_.push_back(t.lun);
}

bool fleet::may_be_gone(const lun& l, const span& when) {
  return std::any_of(l.changes.begin(), l.changes.end(),
                     [&](const change& c) { return c.deletes != fate::undone && c.when.begin < when.end; });
}

bool fleet::is_gone(const lun& l, tick begin) {
  return std::any_of(l.changes.begin(), l.changes.end(),
                     [&](const change& c) { return c.deletes == fate::done && c.when.end < begin; });
}

bool fleet::turned_away(const lun& l, turn of, const span& when, std::size_t self) {
  for (std::size_t i = 0; i < l.changes.size(); ++i)
    if (i != self && l.changes[i].of == of && l.changes[i].when.overlaps(when)) return true;
  return false;
}

// --- reads

void fleet::found(const guid& id, HRESULT hr, tick begin) {
  const lock l(mutex_);
  const lun& one = luns_.at(id);
  const span when{begin, ++clock_};
  if (hr == S_OK) {
    if (is_gone(one, begin)) say("LUN " + to_string(id) + " is found after its deletion");
  } else if (hr != VDS_E_OBJECT_NOT_FOUND && hr != VDS_E_OBJECT_DELETED) {
    say(text(id, "asking for a LUN answered", hr));
  } else if (!may_be_gone(one, when)) {
    say(text(id, "a LUN that nobody deletes is not found:", hr));
  }
}

void fleet::read(const guid& id, HRESULT hr, const lun_seen& seen, tick begin) {
  const lock l(mutex_);
  const lun& one = luns_.at(id);
  const span when{begin, ++clock_};
  if (hr == VDS_E_OBJECT_DELETED) {
    if (!may_be_gone(one, when)) say(text(id, "properties of a LUN that nobody deletes:", hr));
    return;
  }
  if (hr != S_OK) return say(text(id, "properties of a LUN:", hr));
  if (is_gone(one, begin)) say("LUN " + to_string(id) + " has properties after its deletion");
  if (!one.name.may_be(seen.name, when))
    say(fmt::format("LUN {} cannot have had the name '{}' since {}: {}", id, seen.name, begin,
                    one.name.text(when.end)));
  if (!one.mask.may_be(seen.mask, when))
    say(fmt::format("LUN {} cannot have had the mask '{}' since {}: {}", id, seen.mask, begin,
                    one.mask.text(when.end)));
  if (const auto sizes = one.size.possible(when); !sizes.contains(seen.size))
    say(fmt::format("LUN {} has {} bytes; {} values would be possible, {} among them", id, seen.size, sizes.size(),
                    *sizes.begin()));
  if (seen.type != one.type) say(fmt::format("LUN {} has the type {}", id, static_cast<int>(seen.type)));
}

void fleet::listed(const std::set<guid>& luns, tick begin) {
  const lock l(mutex_);
  const span when{begin, ++clock_};
  for (const guid& id : luns)
    if (!luns_.contains(id)) sighted_.emplace(id, when.end);
  for (const auto& [id, one] : luns_) {
    const bool there = luns.contains(id);
    if (there && is_gone(one, begin)) say("LUN " + to_string(id) + " is listed after its deletion");
    if (!there && one.creation.end < begin && !may_be_gone(one, when))
      say("LUN " + to_string(id) + " is not listed, and nobody deletes it");
  }
}

// --- the end

void fleet::judge_operations() {
  const lock l(mutex_);
  for (const auto& [id, o] : operations_) {
    if (!o.result) {
      say("operation " + to_string(id) + " never ended");
      continue;
    }
    if ((*o.result == VDS_E_OPERATION_CANCELED) != (o.accepted != 0))
      say(text(
          id,
          fmt::format("{} of {} cancels were accepted of an operation that ended with", o.accepted, o.cancels).c_str(),
          *o.result));
    for (const HRESULT told : o.told)
      if (told != *o.result)
        say(text(id,
                 fmt::format("an operation was told to have ended with 0x{:08x}, and ended with",
                             static_cast<std::uint32_t>(told))
                     .c_str(),
                 *o.result));
  }
  for (const auto& [id, when] : sighted_)
    if (const auto at = luns_.find(id); at == luns_.end())
      say("LUN " + to_string(id) + " was listed, and no operation made it");
    else if (at->second.creation.begin > when)
      say("LUN " + to_string(id) + " was listed before it was asked for");
}

void fleet::judge_inventory(const std::map<guid, lun_seen>& there) {
  std::set<guid> ids;
  for (const auto& [id, seen] : there) ids.insert(id);
  const tick begin = now();
  listed(ids, begin);
  for (const auto& [id, seen] : there) {
    bool known = false;
    {
      const lock l(mutex_);
      known = luns_.contains(id);
      if (!known) say("LUN " + to_string(id) + " is there in the end, and nobody made it");
    }
    if (known) read(id, S_OK, seen, begin);
  }
}

void fleet::violated(const std::string& what) {
  const lock l(mutex_);
  say(what);
}

std::vector<std::string> fleet::violations() const {
  const lock l(mutex_);
  return violations_;
}

bool fleet::sound() const {
  const lock l(mutex_);
  return violations_.empty();
}

std::string fleet::summary() const {
  const lock l(mutex_);
  std::size_t cancelled = 0, deleted = 0, refused = 0, changes = 0;
  for (const auto& [id, o] : operations_) {
    cancelled += o.accepted != 0 ? 1U : 0U;
    refused += o.result && FAILED(*o.result) && o.accepted == 0 ? 1U : 0U;
  }
  for (const auto& [id, one] : luns_) {
    changes += one.changes.size();
    deleted += is_gone(one, not_yet) ? 1U : 0U;
  }
  return fmt::format("{} operations ({} cancelled, {} refused), {} LUNs ({} deleted), {} changes of them, {} moments",
                     operations_.size(), cancelled, refused, luns_.size(), deleted, changes, clock_);
}

void fleet::say(const std::string& what) {
  constexpr std::size_t most = 50;
  if (violations_.size() < most) violations_.push_back(fmt::format("at {}: {}", clock_, what));
}

std::string fleet::text(const guid& id, const char* what, HRESULT hr) {
  return fmt::format("{} {} ({})", what, describe(hr), to_string(id));
}

}  // namespace vds::stress
