// model.h: the sim's array: drives that have a size and LUNs that take it up. It keeps its own books right whatever the
// objects in front of it say. In memory: a new process begins with what the script says. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/guid.h"
#include "base/random.h"
#include "base/result.h"
#include "com/com.h"
#include "providers/sim/script.h"

namespace vds::sim {

struct drive_state {
  guid id;
  unsigned slot = 0;
  std::uint64_t size = 0;
  std::uint64_t used = 0;
};

struct lun_state {
  guid id;
  std::uint64_t size = 0;
  VDS_LUN_TYPE type = VDS_LT_SIMPLE;
  std::string name;
  std::string unmasking_list;
  std::map<guid, std::uint64_t> taken;  // from which drive how much
};

struct lun_wish {
  VDS_LUN_TYPE type = VDS_LT_SIMPLE;
  std::uint64_t size = 0;
  std::vector<guid> drives;  // empty: any
  std::string unmasking_list;
};

class model {
 public:
  // Ids of drives and of the first LUNs follow from the provider's, so that they are the same in every life.
  model(const guid& provider, const script& begin, random_source& random);

  const guid& subsystem() const { return subsystem_; }
  std::vector<drive_state> drives() const;
  std::vector<lun_state> luns() const;
  std::optional<drive_state> drive(const guid& id) const;
  std::optional<lun_state> lun(const guid& id) const;

  // What would be refused, without doing it: type, size, drives, space. create() asks again.
  status check(const lun_wish& wish) const;
  result<lun_state> create(const lun_wish& wish);
  status remove(const guid& id);
  status set_mask(const guid& id, std::string list);
  std::uint64_t max_size(VDS_LUN_TYPE type, const std::vector<guid>& drives) const;

 private:
  result<std::map<guid, std::uint64_t>> place(const lun_wish& wish) const;  // with the lock held

  random_source& random_;
  const guid subsystem_;
  mutable std::mutex mutex_;
  std::vector<drive_state> drives_;
  std::map<guid, lun_state> luns_;
};

}  // namespace vds::sim
