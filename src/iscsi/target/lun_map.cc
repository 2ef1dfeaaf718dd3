#include "iscsi/target/lun_map.h"

#include <algorithm>

namespace vds::iscsi {

void lun_map::index(std::uint32_t number, const lun_access& who) {
  if (who.all) for_all_.insert(number);
  for (const std::string& name : who.initiators) by_initiator_[name].insert(number);
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

void lun_map::unindex(std::uint32_t number, const lun_access& who) {
  if (who.all) for_all_.erase(number);
  for (const std::string& name : who.initiators) {
    const auto it = by_initiator_.find(name);
    if (it == by_initiator_.end()) continue;
    it->second.erase(number);
    if (it->second.empty()) by_initiator_.erase(it);
  }
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

status lun_map::insert(std::shared_ptr<lun> unit, lun_access who) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t number = unit->identity().number;
  if (entries_.contains(number)) return errc::already_exists;
  index(number, who);
  by_naa_.emplace(unit->identity().naa, number);
  entries_.emplace(number, entry{std::move(unit), std::move(who)});
  return {};
}

std::shared_ptr<lun> lun_map::remove(std::uint32_t number, lun_access* who) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(number);
  if (it == entries_.end()) return nullptr;
  auto unit = std::move(it->second.unit);
  unindex(number, it->second.who);
  if (who != nullptr) *who = std::move(it->second.who);
  entries_.erase(it);
  if (const auto named = by_naa_.find(unit->identity().naa); named != by_naa_.end() && named->second == number)
    by_naa_.erase(named);
  return unit;
}

std::shared_ptr<lun> lun_map::set_access(std::uint32_t number, lun_access who, lun_access* before) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(number);
  if (it == entries_.end()) return nullptr;
  unindex(number, it->second.who);
  index(number, who);
  *before = std::exchange(it->second.who, std::move(who));
  return it->second.unit;
}

std::shared_ptr<lun> lun_map::find(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(number);
  return it == entries_.end() ? nullptr : it->second.unit;
}

std::shared_ptr<lun> lun_map::find(std::uint32_t number, const std::string& initiator) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(number);
  return it == entries_.end() || !it->second.who.allows(initiator) ? nullptr : it->second.unit;
}

std::shared_ptr<lun> lun_map::find(std::span<const std::uint8_t> naa, const std::string& initiator) const {
  const std::lock_guard lock(mutex_);
  const auto number = by_naa_.find(naa);
  if (number == by_naa_.end()) return nullptr;
  const auto it = entries_.find(number->second);
  return it == entries_.end() || !it->second.who.allows(initiator) ? nullptr : it->second.unit;
}

std::vector<std::uint32_t> lun_map::inventory(const std::string& initiator) const {
  const std::lock_guard lock(mutex_);
  const auto own = by_initiator_.find(initiator);
  std::vector<std::uint32_t> numbers;
  if (own == by_initiator_.end()) {
    numbers.assign(for_all_.begin(), for_all_.end());
  } else {
    std::set_union(for_all_.begin(), for_all_.end(), own->second.begin(), own->second.end(),
                   std::back_inserter(numbers));
  }
  return numbers;
}

bool lun_map::shows_any(const std::string& initiator) const {
  const std::lock_guard lock(mutex_);
  return !for_all_.empty() || by_initiator_.contains(initiator);
}

std::size_t lun_map::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace vds::iscsi
