// records.h: what changes of the configuration are, as records of the log: docs/format/config-log.md. Each is absolute
// ("this LUN is now so"), so that applying one twice, or on top of a snapshot that knows it already, changes nothing.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "array/format/codec.h"
#include "array/layout/plex_map.h"
#include "array/types.h"

namespace vds::array::format {

using layout::run;

struct ancestor {  // an epoch that this configuration went through
  std::uint64_t epoch = 0, incarnation = 0, last_sequence = 0;
  bool operator==(const ancestor&) const = default;
};

struct array_record {
  std::uint32_t extent_bytes = 0, next_slot = 0;
  bool operator==(const array_record&) const = default;
};
struct epoch_record {
  std::uint64_t epoch = 0, incarnation = 0;
  std::vector<ancestor> ancestors;  // newest last, at most max_ancestors
};
struct drive_record {
  std::uint32_t slot = 0;
  guid id;
  std::uint64_t bytes = 0;
  std::uint32_t extents = 0, logical_block = 512;
  bool member = true;  // false: failed or left behind; its content is not believed any more
  bool sparse = false;
  std::string why;  // in words, when not a member
  bool operator==(const drive_record&) const = default;
};
struct drive_gone_record {
  std::uint32_t slot = 0;
};
struct dirty_record {  // exactly these extents of the drive are free and dirty; `more`: in addition to those known
  std::uint32_t slot = 0;
  bool more = false;
  std::vector<run> runs;
};
struct wiped_record {
  std::vector<run> runs;
};
struct lun_record {
  guid id;
  std::uint64_t size = 0;
  std::uint32_t block = 512;
  std::uint32_t number = 0;
  lun_type type = lun_type::simple;
  bool offline = false;
  std::string name;
  std::vector<std::string> unmask;
  lun_hints hints;
  std::vector<layout::plex> plexes;
  std::uint32_t groups = 1;  // that the columns of raid50 and raid60 are divided into (layout/shape.h); otherwise 1
  bool filling() const;      // a plex is not filled yet: programs that do not know of this must not open it
  bool operator==(const lun_record&) const = default;
};
struct lun_gone_record {
  guid id;
  std::vector<run> freed;
};
struct operation_record {
  guid id, lun;
};
struct forget_record {
  guid id;
};
struct shutdown_record {
  bool clean = false;
};
struct stripe_journal_record {  // these extents of the drive hold its stripe journal (stripe_batch.h)
  std::uint32_t slot = 0;
  std::vector<run> runs;
};
// Exactly these bytes of the drive's data area (from, to) could not be read from anywhere when they were copied there.
struct unreadable_record {
  std::uint32_t slot = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> bytes;
};
struct setting_record {  // what others keep with the array: reservations, targets, secrets; the array does not look
  std::string key;
  bytes value;
};
struct setting_gone_record {
  std::string key;
};

inline constexpr std::size_t max_ancestors = 64;
inline constexpr std::size_t max_name = 255, max_unmask_entries = 1024, max_unmask_text = 255;
inline constexpr std::size_t max_unreadable = 4096;  // runs of a drive
inline constexpr std::size_t max_setting_key = 255, max_setting_value = 65536;

using record = std::variant<array_record, epoch_record, drive_record, drive_gone_record, dirty_record, wiped_record,
                            lun_record, lun_gone_record, operation_record, forget_record, shutdown_record,
                            setting_record, setting_gone_record, stripe_journal_record, unreadable_record>;

// What a plex is called whose record is from before plexes kept their ids.
guid first_plex_id(const guid& lun, std::size_t ordinal);

void append(bytes& out, const record& r);
// Appends without copying the record first.
void append(bytes& out, const lun_record& r);

// Calls visit(record&&) for each record of a payload, in order. Unknown kinds: skipped when marked as optional,
// too_new otherwise. A record that makes no sense: corrupt. visit returns a status; the first failure ends it.
status for_each(std::span<const std::byte> payload, const std::function<status(record&&)>& visit);

}  // namespace vds::array::format
