// quorum.h: which of the configurations that the drives carry is the truth, and whether enough of its members are here
// to act on it. Pure: values in, a choice or words out.
//
// While it runs, one process owns all members; a change that reaches at least half of the members may go on without the
// rest, after the survivors durably know them as lost. At assembly, more than half of the members of the newest
// configuration must be present and must not know of anything newer. Two such sets always share a drive; so two parts
// of one array can never both run, and what was acknowledged is never forgotten. docs/design/array-log.md proves it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "array/format/batch.h"
#include "array/format/records.h"

namespace vds::array::assembly {

struct candidate {  // a present drive of this array
  guid drive;
  std::string name;
  std::uint64_t superblock_epoch = 0;
  std::optional<format::area_scan::witness> witness;  // the newest batch anywhere in its log
  // The configuration that its log describes, when it does:
  bool loadable = false;
  std::uint64_t sequence = 0;
  format::epoch_record epoch;
  std::vector<guid> members;
};

struct choice {
  std::size_t from = 0;              // whose configuration
  std::vector<std::size_t> members;  // present members that may be believed
};

result<choice> choose(const std::vector<candidate>& drives, bool force);

}  // namespace vds::array::assembly
