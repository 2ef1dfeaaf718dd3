#include "iscsi/scsi/persistent_reservations.h"

#include <algorithm>

#include "iscsi/scsi/dispatch.h"

namespace vds::iscsi {
namespace {

using enum reservation_type;
using outcome = persistent_reservations::outcome;
using port_pair = persistent_reservations::port_pair;

bool registrants_only(reservation_type t) {
  return t == write_exclusive_registrants_only || t == exclusive_access_registrants_only;
}
bool covers_all(reservation_type t) {
  return t == write_exclusive_all_registrants || t == exclusive_access_all_registrants;
}
bool keeps_readers_out(reservation_type t) {
  return t == exclusive_access || t == exclusive_access_registrants_only || t == exclusive_access_all_registrants;
}

outcome conflict() { return {.problem = {}, .conflict = true, .notices = {}, .aborts = {}}; }
outcome refused(sense s) { return {.problem = s, .conflict = false, .notices = {}, .aborts = {}}; }

}  // namespace

std::optional<reservation_type> reservation_type_from(std::uint8_t value) {
  switch (value) {
    case 1:
    case 3:
    case 5:
    case 6:
    case 7:
    case 8:
      return static_cast<reservation_type>(value);
    default:
      return std::nullopt;
  }
}

port_pair persistent_reservations::ports_of(const nexus& n) { return {n.port_name(), n.portal_group}; }

persistent_reservations::registrant* persistent_reservations::find(const port_pair& who) {
  const auto it = std::find_if(registrants_.begin(), registrants_.end(), [&](const auto& r) { return r.who == who; });
  return it == registrants_.end() ? nullptr : &*it;
}
const persistent_reservations::registrant* persistent_reservations::find(const port_pair& who) const {
  return const_cast<persistent_reservations*>(this)->find(who);
}

bool persistent_reservations::all_registrants() const { return type_ && covers_all(*type_); }

bool persistent_reservations::holds(const port_pair& who) const {
  if (!type_) return false;
  return all_registrants() ? find(who) != nullptr : holder_ == who;
}

std::uint64_t persistent_reservations::holder_key() const {
  if (!type_ || all_registrants()) return 0;
  const registrant* r = find(*holder_);
  return r == nullptr ? 0 : r->key;
}

bool persistent_reservations::allows(const nexus& from, const operation& op) const {
  if (!type_ || op.reservation == reservation_class::always_allowed) return true;
  if (op.reservation == reservation_class::read && !keeps_readers_out(*type_)) return true;
  const port_pair who = ports_of(from);
  if (holds(who)) return true;
  return (registrants_only(*type_) || covers_all(*type_)) && find(who) != nullptr;
}

// The reservation goes; registrants of the "registrants only" and "all registrants" types hear of it.
void persistent_reservations::end_reservation(const port_pair& by, std::uint16_t code, outcome& out) {
  if (!type_) return;
  if (registrants_only(*type_) || covers_all(*type_))
    for (const registrant& r : registrants_)
      if (r.who != by) out.notices.push_back({r.who, code});
  type_.reset();
  holder_.reset();
}

outcome persistent_reservations::register_key(const port_pair& who, std::uint64_t key, std::uint64_t new_key,
                                              bool ignore_existing) {
  registrant* r = find(who);
  if (!ignore_existing && key != (r != nullptr ? r->key : 0)) return conflict();
  outcome out;
  if (r == nullptr) {
    if (new_key == 0) return out;
    if (registrants_.size() == max_registrants) return refused(illegal(senses::insufficient_registrations));
    registrants_.push_back({who, new_key});
  } else if (new_key != 0) {
    r->key = new_key;
  } else {
    const bool held = holds(who);
    registrants_.erase(registrants_.begin() + (r - registrants_.data()));
    if (held && (!all_registrants() || registrants_.empty())) end_reservation(who, senses::reservations_released, out);
  }
  ++generation_;
  return out;
}

outcome persistent_reservations::register_several(const port_pair& who, std::uint64_t key, std::uint64_t new_key,
                                                  bool ignore_existing, const std::vector<port_pair>& also) {
  persistent_reservations next = *this;
  outcome out = next.register_key(who, key, new_key, ignore_existing);
  if (out.problem || out.conflict) return out;
  for (const port_pair& other : also) {
    if (registrant* r = next.find(other)) {
      // Only who may overwrite its own may overwrite what is there.
      if (!ignore_existing) return conflict();
      r->key = new_key;
      continue;
    }
    if (next.registrants_.size() == max_registrants) return refused(illegal(senses::insufficient_registrations));
    next.registrants_.push_back({other, new_key});
  }
  *this = std::move(next);
  return out;
}

outcome persistent_reservations::move(const port_pair& who, std::uint64_t key, const port_pair& to,
                                      std::uint64_t new_key, bool unregister) {
  const registrant* r = find(who);
  if (r == nullptr || r->key != key) return conflict();
  if (!type_ || all_registrants() || !holds(who)) return conflict();
  if (new_key == 0) return refused(bad_list_field(8));
  if (to == who) return refused(bad_list_field(24));
  if (registrant* known = find(to)) {
    known->key = new_key;
  } else {
    if (registrants_.size() == max_registrants && !unregister)
      return refused(illegal(senses::insufficient_registrations));
    registrants_.push_back({to, new_key});
  }
  if (unregister) std::erase_if(registrants_, [&](const registrant& x) { return x.who == who; });
  holder_ = to;
  ++generation_;
  return {};
}

outcome persistent_reservations::reserve(const port_pair& who, std::uint64_t key, reservation_type type) {
  const registrant* r = find(who);
  if (r == nullptr || r->key != key) return conflict();
  if (type_) return holds(who) && *type_ == type ? outcome{} : conflict();
  type_ = type;
  holder_ = covers_all(type) ? std::nullopt : std::optional(who);
  return {};
}

outcome persistent_reservations::release(const port_pair& who, std::uint64_t key, reservation_type type) {
  const registrant* r = find(who);
  if (r == nullptr || r->key != key) return conflict();
  if (!type_ || !holds(who)) return {};
  if (*type_ != type) return refused(illegal(senses::invalid_release));
  outcome out;
  end_reservation(who, senses::reservations_released, out);
  return out;
}

outcome persistent_reservations::clear(const port_pair& who, std::uint64_t key) {
  const registrant* r = find(who);
  if (r == nullptr || r->key != key) return conflict();
  outcome out;
  for (const registrant& other : registrants_)
    if (other.who != who) out.notices.push_back({other.who, senses::reservations_preempted});
  registrants_.clear();
  type_.reset();
  holder_.reset();
  ++generation_;
  return out;
}

outcome persistent_reservations::preempt(const port_pair& who, std::uint64_t key, std::uint64_t victim,
                                         reservation_type type) {
  const registrant* r = find(who);
  if (r == nullptr || r->key != key) return conflict();
  const bool everybody = all_registrants() && victim == 0;
  if (victim == 0 && !everybody) return refused(bad_list_field(8));
  const bool takes_over = everybody || (type_ && !all_registrants() && holder_key() == victim);
  if (!everybody &&
      std::none_of(registrants_.begin(), registrants_.end(), [&](const auto& x) { return x.key == victim; }))
    return conflict();
  outcome out;
  std::vector<registrant> kept;
  for (registrant& other : registrants_) {
    const bool hit = everybody || other.key == victim;
    if (!hit || other.who == who) {
      kept.push_back(std::move(other));
    } else {
      out.notices.push_back({other.who, senses::registrations_preempted});
      out.aborts.push_back(other.who);
    }
  }
  const bool removes_itself = !takes_over && victim == key;
  registrants_ = std::move(kept);
  if (removes_itself) std::erase_if(registrants_, [&](const registrant& x) { return x.who == who; });
  if (takes_over) {
    if (type_ && *type_ != type)
      for (const registrant& other : registrants_)
        if (other.who != who) out.notices.push_back({other.who, senses::reservations_released});
    type_ = type;
    holder_ = covers_all(type) ? std::nullopt : std::optional(who);
  } else if (all_registrants() && registrants_.empty()) {
    type_.reset();
  }
  ++generation_;
  return out;
}

bool persistent_reservations::restore(std::vector<registrant> registrants, std::optional<reservation_type> type,
                                      std::optional<port_pair> holder) {
  if (registrants.size() > max_registrants) return false;
  for (const registrant& r : registrants)
    if (r.key == 0 ||
        std::count_if(registrants.begin(), registrants.end(), [&](const registrant& x) { return x.who == r.who; }) != 1)
      return false;
  const bool needs_holder = type && !covers_all(*type);
  if (holder.has_value() != needs_holder || (type && registrants.empty())) return false;
  registrants_ = std::move(registrants);
  type_ = type;
  holder_ = std::move(holder);
  if (holder_ && find(*holder_) == nullptr) return false;
  aptpl_ = true;
  return true;
}

}  // namespace vds::iscsi
