// types.h: what the array says about itself and what it is asked for: plain values, copied out, valid on any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "base/units.h"

namespace vds::array {

enum class lun_type : std::uint8_t {
  automatic = 0,                 // the array chooses, by the hints
  automatic_fault_tolerant = 1,  // chooses among types that survive a lost drive
  automatic_plain = 2,           // chooses among the others
  simple = 10,                   // one drive
  span = 11,                     // drives one after the other
  stripe = 12,                   // drives side by side
  mirror = 13,                   // whole copies (plexes) on distinct drives
  parity = 14,                   // RAID 5: one drive may be lost
  raid6 = 19,                    // two
  raid10 = 23,                   // a stripe over mirrors
  raid50 = 26,                   // a stripe over groups with parity
  raid60 = 29,
};
std::string_view to_string(lun_type type) noexcept;

// Wishes. A zero number is no wish; a bit of `mask` says that the same bit of `flags` is one. Bits are VDS's.
struct lun_hints {
  static constexpr std::uint64_t fast_crash_recovery = 0x1, mostly_reads = 0x2, sequential_reads = 0x4,
                                 sequential_writes = 0x8, read_back_verify = 0x10, remap = 0x20, write_through = 0x40,
                                 hardware_checksum = 0x80, yankable = 0x100;
  std::uint64_t mask{}, flags{};
  byte_count expected_maximum_size{};
  std::uint32_t optimal_read_bytes{}, optimal_read_alignment{}, optimal_write_bytes{}, optimal_write_alignment{};
  std::uint32_t maximum_drives{}, stripe_bytes{}, bus_type{};
  std::uint16_t rebuild_priority{};
  bool wants(std::uint64_t flag) const { return (mask & flags & flag) != 0; }
  bool operator==(const lun_hints&) const = default;
};

struct lun_spec {
  guid id;         // nil: the array makes one
  guid operation;  // nil: not recorded. The same id again joins the first call.
  lun_type type = lun_type::automatic;
  byte_count size;                  // rounded up to whole blocks
  std::vector<guid> drives;         // used in this order; empty: the array chooses
  unsigned plexes = 0;              // of a mirror, or of each mirror of raid10; 0: two
  std::uint32_t stripe_bytes = 0;   // 16 KiB to 1 MiB, a power of two; 0: the hint's, or 64 KiB
  std::string name;                 // at most 255 bytes of UTF-8
  std::vector<std::string> unmask;  // initiator names; {"*"}: all; empty: nobody
  lun_hints hints;
};

// States move in one place (engine/state.h), each move an event.
enum class drive_state : std::uint8_t {
  online,   // a member with the newest configuration
  failed,   // present, and not believed any more since a request failed, hung, or a flush did
  missing,  // a member that was not there at assembly
  stale,    // came back after the array went on without it: never read from
  foreign,  // belongs to another array, waiting for the rest of it (import)
};
std::string_view to_string(drive_state state) noexcept;

enum class lun_health : std::uint8_t {
  healthy,
  resyncing,  // redundant data is being made equal again after a crash; all of it is readable
  degraded,   // at least one plex lost, at least one works
  failed,     // data that nobody can read: I/O to it fails
};
std::string_view to_string(lun_health health) noexcept;

// Under way: of its size; reconfiguring: a plex comes, is being filled, or goes.
enum class lun_change : std::uint8_t { none, extending, shrinking, reconfiguring };

struct extent_info {
  guid drive;
  byte_count offset, size;  // on the drive
};
struct plex_info {
  guid id;  // for ever, whichever LUN the plex comes to be of
  lun_type type{};
  byte_count size;
  std::uint32_t stripe_bytes{};  // 0 unless striped
  lun_health health{};           // resyncing also while it is being filled with its LUN's data
  std::vector<guid> drives;
  std::vector<extent_info> extents;
};

inline constexpr std::string_view rebuilding_phase = "rebuilding", scrubbing_phase = "scrubbing";
struct progress {
  std::string_view phase;  // "wiping", "resynchronising", "rebuilding", "scrubbing"
  byte_count done, total;
};

struct lun_info {
  guid id;
  lun_type type{};  // a concrete one
  byte_count size;
  block_size block;
  std::string name;
  std::uint32_t number{};            // the LUN number on the target; persistent
  std::string serial;                // 32 upper-case hexadecimal digits of the id
  std::array<std::uint8_t, 16> naa;  // NAA type 6 designator, from the id: the same for ever, on any host
  std::vector<std::string> unmask;
  lun_hints hints;
  lun_health health{};
  bool offline = false;  // by request: fails I/O
  bool checked = false;  // all of its working drives keep checksums of their data
  std::vector<plex_info> plexes;
  std::vector<guid> drives;            // each once
  unsigned survives_drive_losses = 0;  // from now on
  byte_count unreadable;               // of members: lost when they were to be rebuilt, until they are written
  std::optional<progress> work;
  lun_change change{};
};

struct scrub_report {
  byte_count checked, mismatched, unreadable, repaired;  // of members, that is, of what is on drives
  std::vector<guid> suspects;  // drives that could not read, or were proven to differ from the rest
};

struct drive_info {
  guid id;
  std::string path;         // the device's name; empty when missing
  byte_count size;          // of the device
  byte_count capacity;      // what LUNs can use of it
  byte_count free, wiping;  // wiping: free, but still to be zeroed; not contained in `free`
  drive_state state{};
  std::string why;       // in words, when not online
  std::uint32_t slot{};  // number within the array, never used twice
  bool in_use = false;   // LUNs have extents here
  bool spare = false;    // takes what other drives lose, and nothing else; in use: it did
  // Its data has checksums. Blocks of 4096 bytes that were found not to be what was written, since the array was
  // opened, and those of them that were written again.
  bool checked = false;
  std::uint64_t corrupt_blocks = 0, repaired_blocks = 0;
  struct use {
    guid lun;
    byte_count size;
  };
};

// What became of an operation id that came with a change.
struct operation_outcome {
  enum class state : std::uint8_t { unknown, running, done } is = state::unknown;
  std::optional<failure> failed;  // done without success (kept in memory only: nothing was changed on the drives)
  guid lun;                       // what it was about
};

struct array_event {
  enum class kind : std::uint8_t {
    lun_arrived,
    lun_departed,
    lun_modified,
    drive_arrived,
    drive_departed,
    drive_modified
  } what;
  guid object;
};

// A device that was offered at assembly and is not a member.
struct left_out {
  std::string path;
  failure why;
};

}  // namespace vds::array
