// LUNs become larger and smaller at their end, under I/O. Growing: every member gets as many more extents as it takes,
// and one record of the log names them and the new size. Shrinking: what is to go is out of reach, and everything that
// was under way there has ended, before the record is cut; then it is deleted data like any other.
// docs/design/array-life.md.
#include <fmt/format.h>

#include <algorithm>

#include "array/array_impl.h"
#include "array/layout/growth.h"

namespace vds::array {
namespace {

std::uint64_t length(const std::vector<layout::run>& column) {
  std::uint64_t n = 0;
  for (const auto& r : column) n += r.count;
  return n;
}

// The columns of a record, as the members of its groups follow each other.
template <class Record, class Each>
void for_each_member(Record& r, Each each) {
  const auto s = layout::shape_of(r.type, r.plexes, r.groups);
  for (std::size_t g = 0; g < s.groups.size(); ++g) {
    for (std::size_t m = 0; m < s.groups[g].members.size(); ++m) {
      const auto at = layout::place_of_member(r.type, s.groups[g].members.size(), g, m);
      each(r.plexes[at.plex].columns[at.column]);
    }
  }
}

void append_run(std::vector<layout::run>& column, const layout::run& r) {
  if (!column.empty() && column.back().slot == r.slot && column.back().end() == r.start)
    column.back().count += r.count;
  else
    column.push_back(r);
}

}  // namespace

// Growing ------------------------------------------------------------------------------------------------------------

result<std::uint64_t> array::impl::grown_size(const format::lun_record& of, byte_count by) const {
  constexpr std::uint64_t most = 1024_TiB;
  if (by.n == 0) return failure(errc::invalid_argument, "nothing to add");
  if (by.n > most || of.size > most - by.n) return failure(errc::too_large, "a LUN has at most 1024 TiB");
  return round_up(of.size + by.n, of.block);
}

result<array::impl::shares> array::impl::growth(const format::lun_record& of, std::uint64_t size,
                                                const std::vector<guid>& drives, bool with_dirty) const {
  auto room = room_on(drives, with_dirty);
  if (!room) return std::move(room).error();
  const bool parity = layout::parity_of(of.type) != 0;
  if (!parity)
    for (auto* list : {&room->given, &room->all})
      for (auto& d : *list) d.journal = 0;
  const auto needs = layout::member_extents(layout::shape_of(of.type, of.plexes, of.groups), size, extent_bytes());
  std::vector<layout::growing_member> members;
  for_each_member(of, [&](const std::vector<layout::run>& column) {
    layout::growing_member m;
    for (const auto& r : column) m.slots.push_back(r.slot);
    const auto has = length(column);
    m.extents = needs > has ? needs - has : 0;
    members.push_back(std::move(m));
  });
  return layout::plan_growth(members, room->given, room->all);
}

rt::task<status> array::impl::grow(guid lun, byte_count by, std::vector<guid> drives, array::change_options how) {
  const auto self = shared_from_this();
  const auto missing = failure(errc::not_found, fmt::format("LUN {}", to_string(lun)));
  if (const auto it = luns_.find(lun); it == luns_.end() || it->second.deleting) co_return missing;
  if (resizing_.contains(lun)) co_return failure(errc::busy, "the LUN is being changed");
  const turn_at mine(resizing_, lun, lun_change::extending);
  std::uint64_t to_wipe = 0, size = 0;
  shares more;
  rt::mutex::held planned;  // from here to the new record nothing moves: it could move to where this goes
  for (;;) {
    auto turn = co_await rebuilding_turn_.take();
    const auto it = luns_.find(lun);
    if (it == luns_.end() || it->second.deleting) co_return missing;
    if (closing_) co_return errc::closing;
    if (how.cancel.requested()) co_return errc::cancelled;
    if (it->second.device->health() == lun_health::failed)
      co_return failure(errc::unavailable, fmt::format("LUN {} has failed", to_string(lun)));
    const auto next = grown_size(*it->second.latest, by);
    if (!next) co_return next.error();
    size = *next;
    auto now = growth(*it->second.latest, size, drives, false);
    if (now) {
      more = std::move(*now);
      planned = std::move(turn);
      break;
    }
    if (now.error() != errc::no_space || !growth(*it->second.latest, size, drives, true))
      co_return std::move(now).error();
    turn.release();
    co_await wait_for_room(to_wipe, how.report);
  }
  const bool parity = layout::parity_of(luns_.at(lun).latest->type) != 0;
  std::vector<std::vector<layout::run>> taken(more.size());
  for (std::size_t m = 0; m < more.size(); ++m)
    for (const auto& share : more[m])
      for (const auto& r : space_.take(share.slot, share.extents)) taken[m].push_back(r);
  const auto undo = [&] {
    for (const auto& runs : taken)
      for (const auto& r : runs) space_.give_back(r);
    space_changed();
  };
  if (parity) {
    for (const auto& runs : taken) {
      for (const auto& r : runs) {
        auto s = co_await need_stripe_journal(r.slot);
        if (s) continue;
        undo();
        co_return s;
      }
    }
  }
  status rest = missing;
  if (const auto it = luns_.find(lun); it != luns_.end() && !it->second.deleting) {
    const auto device = it->second.device;
    if (const auto busy = device->gate().hold()) rest = co_await device->zero_rest();
  }
  const auto it = luns_.find(lun);
  if (rest && (it == luns_.end() || it->second.deleting)) rest = missing;
  if (!rest) {
    undo();
    co_return rest;
  }
  // On top of what was asked for last: while this waited, other things of the LUN may have changed.
  auto next = std::make_shared<format::lun_record>(*it->second.latest);
  next->size = size;
  std::size_t member = 0;
  for_each_member(*next, [&](std::vector<layout::run>& column) {
    for (const auto& r : taken[member]) append_run(column, r);
    ++member;
  });
  if (next->type == lun_type::simple && next->plexes[0].slots().size() > 1) next->type = lun_type::span;
  format::bytes records;
  format::append(records, *next);
  if (how.operation) format::append(records, format::record(format::operation_record{how.operation, lun}));
  if (auto room = journal_->room_for(records.size()); !room) {
    undo();
    co_return std::move(room).error();
  }
  if (how.cancel.requested() || (how.commit && !how.commit())) {
    undo();
    co_return errc::cancelled;
  }
  it->second.latest = next;
  VDS_CO_RETURN_IF_FAILED(co_await journal_->commit(std::move(records)));  // failed: the array is offline
  if (const auto now = journal_->config().luns.find(lun); now != journal_->config().luns.end())
    if (const auto here = luns_.find(lun); here != luns_.end()) here->second.device->set_record(now->second);
  raise(array_event::kind::lun_modified, lun);
  co_return status();
}

// Shrinking ----------------------------------------------------------------------------------------------------------

rt::task<status> array::impl::cut_back(guid lun, byte_count by, array::change_options how) {
  const auto self = shared_from_this();
  const auto missing = failure(errc::not_found, fmt::format("LUN {}", to_string(lun)));
  if (const auto it = luns_.find(lun); it == luns_.end() || it->second.deleting) co_return missing;
  if (resizing_.contains(lun)) co_return failure(errc::busy, "the LUN is being changed");
  const turn_at mine(resizing_, lun, lun_change::shrinking);
  const auto rebuilding = co_await rebuilding_turn_.take();  // nothing moves meanwhile
  const auto it = luns_.find(lun);
  if (it == luns_.end() || it->second.deleting) co_return missing;
  const auto device = it->second.device;
  const auto busy = device->gate().hold();
  if (!busy) co_return missing;
  const std::uint64_t was = it->second.latest->size;
  if (by.n == 0) co_return failure(errc::invalid_argument, "nothing to take away");
  if (by.n >= was)
    co_return failure(errc::invalid_argument, fmt::format("the LUN has only {} bytes: nothing would be left", was));
  const std::uint64_t size = round_up(was - by.n, it->second.latest->block);
  device->limit(size);
  struct lifting {
    engine::lun_device& of;
    ~lifting() { of.limit(std::nullopt); }
  } lifted{*device};
  co_await device->drain();
  if (closing_) co_return errc::closing;
  const auto still = luns_.find(lun);
  if (still == luns_.end() || still->second.deleting) co_return missing;
  auto next = std::make_shared<format::lun_record>(*still->second.latest);
  next->size = size;
  const auto keep =
      layout::member_extents(layout::shape_of(next->type, next->plexes, next->groups), size, extent_bytes());
  std::vector<layout::run> cut;
  for_each_member(*next, [&](std::vector<layout::run>& column) { layout::shorten(column, keep, cut); });
  format::bytes records;
  format::append(records, *next);
  for (const auto& r : cut) format::append(records, format::record(format::dirty_record{r.slot, true, {r}}));
  if (how.operation) format::append(records, format::record(format::operation_record{how.operation, lun}));
  VDS_CO_RETURN_IF_FAILED(journal_->room_for(records.size()));
  if (how.cancel.requested() || (how.commit && !how.commit())) co_return errc::cancelled;
  still->second.latest = next;
  VDS_CO_RETURN_IF_FAILED(co_await journal_->commit(std::move(records)));
  if (const auto now = journal_->config().luns.find(lun); now != journal_->config().luns.end())
    device->set_record(now->second);
  // Background work that began before has ended, and nothing is logged for the part that goes: it must never be
  // repeated on who gets it, nor on this LUN when it grows again. (A replay looks at the record first.)
  co_await device->settle();
  let_go(cut);
  raise(array_event::kind::lun_modified, lun);
  space_changed();
  co_return status();
}

// Asked for ----------------------------------------------------------------------------------------------------------

rt::task<status> array::impl::extend_lun(guid lun, byte_count by, std::vector<guid> drives, array::change_options how) {
  const guid operation = how.operation;
  return once(operation, lun, grow(lun, by, std::move(drives), std::move(how)));
}

rt::task<status> array::impl::shrink_lun(guid lun, byte_count by, array::change_options how) {
  const guid operation = how.operation;
  return once(operation, lun, cut_back(lun, by, std::move(how)));
}

// Does it, unless it was done under that operation id: then its outcome.
rt::task<status> array::impl::once(guid operation, guid lun, rt::task<status> change) {
  const auto self = shared_from_this();
  if (closing_) co_return errc::closing;
  std::shared_ptr<running> mine;
  auto outcome = co_await join_operation(operation, lun, mine);
  if (!outcome) {
    auto s = co_await std::move(change);
    outcome = s ? result<guid>(lun) : result<guid>(std::move(s).error());
    end_operation(operation, mine, *outcome);
  }
  if (!*outcome) co_return std::move(*outcome).error();
  co_return status();
}

result<byte_count> array::impl::max_extension(const guid& lun, const std::vector<guid>& drives) const {
  const auto it = luns_.find(lun);
  if (it == luns_.end()) return failure(errc::not_found, fmt::format("LUN {}", to_string(lun)));
  const auto& r = *it->second.latest;
  const auto fits = [&](std::uint64_t extents) -> result<bool> {
    auto g = growth(r, r.size + extents * extent_bytes(), drives, true);
    if (g) return true;
    if (g.error() == errc::no_space) return false;
    return std::move(g).error();
  };
  std::uint64_t low = 0, high = 0;  // in extents: low fits, above high nothing can
  for (const auto& [slot, d] : journal_->config().drives) high += d.extents;
  high = std::min<std::uint64_t>(high, (1024_TiB - r.size) / extent_bytes());
  if (const auto any = fits(1); !any) return any.error();
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    const auto there = fits(middle);
    if (!there) return there.error();
    if (*there)
      low = middle;
    else
      high = middle - 1;
  }
  return byte_count{low * extent_bytes()};
}

result<lun_plan> array::impl::plan_extension(const guid& lun, byte_count by, const std::vector<guid>& drives) const {
  const auto it = luns_.find(lun);
  if (it == luns_.end()) return failure(errc::not_found, fmt::format("LUN {}", to_string(lun)));
  const auto size = grown_size(*it->second.latest, by);
  if (!size) return size.error();
  auto more = growth(*it->second.latest, *size, drives, true);
  if (!more) return std::move(more).error();
  lun_plan out;
  out.type = it->second.latest->type;
  out.size = byte_count{*size};
  out.survives_drive_losses = it->second.device->tolerates();
  std::map<std::uint32_t, std::uint64_t> extents;
  std::vector<std::uint32_t> slots = it->second.latest->plexes[0].slots();
  for (const auto& member : *more) {
    for (const auto& share : member) {
      extents[share.slot] += share.extents;
      if (std::find(slots.begin(), slots.end(), share.slot) == slots.end()) slots.push_back(share.slot);
    }
  }
  if (out.type == lun_type::simple && slots.size() > 1) out.type = lun_type::span;
  for (const auto& [slot, n] : extents) {
    const std::uint64_t whole = n + (layout::parity_of(out.type) != 0 ? journal_extents(slot) : 0);
    out.drives.push_back({journal_->config().drives.at(slot).id, byte_count{whole * extent_bytes()}});
  }
  return out;
}

}  // namespace vds::array
