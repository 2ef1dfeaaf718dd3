// lun_map.h: which LUN numbers are taken by what, and who may see them. Looking up one LUN and listing those of one
// initiator cost what they return, however many others there are.
// Thread: any; a mutex inside. Sessions ask only when the generation has grown.
#pragma once

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "iscsi/scsi/lun.h"

namespace vds::iscsi {

struct lun_access {
  bool all = false;
  std::set<std::string> initiators;  // normalised
  bool allows(const std::string& initiator) const { return all || initiators.contains(initiator); }
};

class lun_map {
 public:
  status insert(std::shared_ptr<lun> unit, lun_access who);  // already_exists
  // What was there; null if nothing was.
  std::shared_ptr<lun> remove(std::uint32_t number, lun_access* who = nullptr);
  std::shared_ptr<lun> set_access(std::uint32_t number, lun_access who, lun_access* before);

  std::shared_ptr<lun> find(std::uint32_t number) const;  // whoever may see it
  std::shared_ptr<lun> find(std::uint32_t number, const std::string& initiator) const;
  std::shared_ptr<lun> find(std::span<const std::uint8_t> naa, const std::string& initiator) const;
  std::vector<std::uint32_t> inventory(const std::string& initiator) const;
  bool shows_any(const std::string& initiator) const;
  std::size_t size() const;
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

 private:
  struct entry {
    std::shared_ptr<lun> unit;
    lun_access who;
  };
  void index(std::uint32_t number, const lun_access& who);
  void unindex(std::uint32_t number, const lun_access& who);

  mutable std::mutex mutex_;
  std::unordered_map<std::uint32_t, entry> entries_;
  struct by_bytes {
    bool operator()(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) const {
      if (a.size() != b.size()) return a.size() < b.size();
      return !a.empty() && std::memcmp(a.data(), b.data(), a.size()) < 0;
    }
  };
  std::map<std::span<const std::uint8_t>, std::uint32_t, by_bytes> by_naa_;  // the bytes are those of the units

  std::set<std::uint32_t> for_all_;
  std::unordered_map<std::string, std::set<std::uint32_t>> by_initiator_;
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace vds::iscsi
