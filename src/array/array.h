// array.h: a set of drives that keeps LUNs. Its truth is on the drives: identity in superblocks, configuration in a log
// that every drive carries. A change is acknowledged when it is durable on every working member.
//
// Thread: everything on one executor, the drives' own; the event callback runs there too, after the change, and must
// not call back into the array (post it). Ownership: the array owns its devices; a LUN's block_device is valid until
// delete_lun() of it returns or the array dies. Destroy only after close() returned (or on a simulated crash, when
// nothing runs any more: see abandon()).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "array/plan.h"
#include "array/types.h"
#include "base/random.h"
#include "io/block_device.h"
#include "rt/cancel.h"
#include "rt/executor.h"
#include "rt/task.h"

namespace vds::array {

struct array_options {
  guid id;  // what an empty array is called; nil: random. Drives that carry an array bring their own.
  random_source* random = nullptr;  // null: the system's
  std::function<void(const array_event&)> on_event;
  // A drive that does not answer within this is failed, and I/O goes on without it.
  monotonic::duration request_deadline = 30s;
  // How long a written region stays marked before its mark is cleared (fewer marks: shorter resync after a crash).
  monotonic::duration intent_idle = 2s;
  // Run although most of the members are missing. Only when the missing ones are known to run nowhere else.
  bool force = false;
  // What rebuilding and replacing may copy at most; 0: no limit but the drives'.
  std::uint64_t rebuild_bytes_per_second = 0;
  // What is copied of a LUN before it is somebody else's turn, and before how far it came is recorded.
  std::uint64_t rebuild_batch_bytes = 64 << 20;
  // Drives that join from here on get checksums of their data (a thousandth of their room); those that joined otherwise
  // stay as they are.
  bool checksums = true;
  std::size_t cached_regions = 8192;     // of each drive: 4 KiB of memory for 4 MiB of data
  std::uint32_t extent_bytes = 1 << 20;  // of an array made from here on; a power of two, 64 KiB to 1 GiB
};

struct add_options {
  bool force = false;   // overwrite what the drive carries
  bool zeroed = false;  // the caller just made it: it reads as zeros, so nothing needs wiping
  bool sparse = false;  // freed space is given back (holes) rather than kept
};

using progress_callback = std::function<void(const progress&)>;
using commit_callback = std::function<bool()>;

class array {
 public:
  // Opens what the devices carry. None of them, or only blank ones: an empty array. Refuses, without having written
  // anything, when two carry the same identity (duplicate), when the devices belong to several arrays (not_ours), when
  // not more than half of the members of the newest configuration are here (unavailable), when that configuration
  // is damaged on all of them (corrupt), or when it is of a later version (too_new).
  static rt::task<result<std::unique_ptr<array>>> assemble(rt::executor& ex,
                                                           std::vector<std::unique_ptr<io::block_device>> devices,
                                                           array_options options);
  ~array();

  guid id() const;
  rt::executor& executor() const;

  // Drives. A device with an array of its own is imported when this one has no drives and all of the other's members
  // have been added (until then it is listed as foreign); it is never overwritten without force. Content that is not
  // ours (anything but zeros in the first or last MiB) is not_ours without force.
  rt::task<result<drive_info>> add_drive(std::unique_ptr<io::block_device> device, add_options options);
  rt::task<status> remove_drive(guid drive);  // busy when a LUN is on it
  // As if it had failed by itself: recorded on the others before this returns, never read from again. Failed already:
  // nothing happens. busy: it is the last that works; unavailable: it is not one that works or failed.
  rt::task<status> fail_drive(guid drive);
  // A drive that was left behind (stale) is used again: it joins anew, under an id of its own, and what LUNs have lost
  // with it is rebuilt there, from the others, also over restarts; the record of the old one goes when nothing is on it
  // any more. busy: a LUN has failed, and what the drive holds may be all that is left of it; unavailable: it is not
  // stale.
  rt::task<result<drive_info>> rejoin_drive(guid drive);
  std::vector<drive_info> drives() const;
  result<drive_info> drive(const guid& id) const;
  std::vector<drive_info::use> drive_uses(const guid& id) const;  // which LUNs are on it; nil: none known
  const std::vector<left_out>& left_out_devices() const;

  // A hot spare takes no LUNs; what a lost drive held is rebuilt on it, at once and by itself. Not with LUNs on it:
  // busy.
  rt::task<status> set_spare(guid drive, bool on);
  // Moves all that LUNs have on `source`, healthy or lost, to `target`, which has none: ordered when this returns, done
  // in the background, also over restarts (drive_uses() of the source tells what is left). The target is too small:
  // no_space.
  rt::task<status> replace_drive(guid source, guid target);
  status may_replace(const guid& source, const guid& target) const;  // what that would be refused with
  // Rebuilds what the LUN has lost, on spares or on any other drives with room. invalid_argument: nothing is lost;
  // unavailable: too much is; no_space: no drive can take it.
  rt::task<status> recover_lun(guid lun, progress_callback report = {}, rt::cancel_token cancel = {});

  // LUNs. create: reads zeros from the start. Cancel is honoured until the change is being committed; `commit`, asked
  // right before that, may still call it off (false: cancelled, nothing was written). Either may be empty. delete:
  // waits for I/O in flight; the space is wiped in the background before it is used again.
  rt::task<result<lun_info>> create_lun(lun_spec spec, progress_callback report = {}, rt::cancel_token cancel = {},
                                        commit_callback commit = {});
  rt::task<status> delete_lun(guid lun, guid operation = {});
  rt::task<status> set_mask(guid lun, std::vector<std::string> unmask, guid operation = {});
  rt::task<status> set_name(guid lun, std::string name, guid operation = {});
  rt::task<status> set_hints(guid lun, lun_hints hints, guid operation = {});
  rt::task<status> set_offline(guid lun, bool offline, guid operation = {});

  // Larger and smaller, at the end, while initiators go on. extend: on the drives given first, in that order, then on
  // those the LUN is on, then on others; what is added reads zeros. no_space: the LUN is as it was. shrink: what is
  // cut off is wiped before it is used again; invalid_argument: that would be all of it. busy: it is being extended or
  // shrunk already.
  struct change_options {
    progress_callback report;  // extend: what is waited for
    rt::cancel_token cancel;   // honoured until the change is being committed
    commit_callback commit;    // as of create_lun
    guid operation;
  };
  rt::task<status> extend_lun(guid lun, byte_count by, std::vector<guid> drives, change_options how);
  rt::task<status> shrink_lun(guid lun, byte_count by, change_options how);
  result<byte_count> max_extension(const guid& lun, const std::vector<guid>& drives) const;
  result<lun_plan> plan_extension(const guid& lun, byte_count by, const std::vector<guid>& drives) const;

  // Plexes, while initiators go on. add: all plexes of `source`, which ends as a LUN with this, become further plexes
  // of the LUN; what they held is overwritten with the LUN's data in the background, also over restarts
  // (wait_filled()). What the source has beyond the LUN's size becomes free. remove: the plex goes, its room is wiped
  // before it is used again. invalid_argument: add: the source is smaller, striped otherwise, or on a drive of the
  // LUN's; remove: there is no other plex. not_supported: parity. unavailable: the source, or what would be left, does
  // not work. busy: the LUN is being changed, or its plexes are being made equal after a crash.
  rt::task<status> add_plexes(guid lun, guid source, change_options how);
  rt::task<status> remove_plex(guid lun, guid plex, change_options how);
  status may_add_plexes(const guid& lun, const guid& source) const;  // what that would be refused with
  // Until every plex holds the LUN's data. unavailable: one is on a drive that was lost; closing: so it is, or `cancel`
  // says so, which is looked at when something is filled and when look_again() is called. What it failed with
  // otherwise is tried again when a drive changes.
  rt::task<status> wait_filled(guid lun, progress_callback report = {}, rt::cancel_token cancel = {});
  void look_again();

  // Reads all of the LUN on every drive and compares; with `repair` makes the members agree and rewrites what cannot be
  // read. Paced as rebuilding is. A LUN without redundancy is only read.
  rt::task<result<scrub_report>> scrub_lun(guid lun, bool repair, progress_callback report = {},
                                           rt::cancel_token cancel = {});
  result<byte_count> max_lun_size(const lun_spec& spec) const;  // spec.size is not looked at; 0: none would fit

  // What create_lun() would take, deleted data that is still to be wiped counted as room; its failure, if it would
  // fail.
  result<lun_plan> plan_lun(lun_spec spec) const;

  std::vector<guid> luns_at_work() const;  // whose lun_info has `work`; cheap, however many LUNs there are
  std::vector<lun_info> luns() const;
  std::vector<guid> lun_ids() const;
  std::size_t lun_count() const;
  result<lun_info> lun(const guid& id) const;
  io::block_device* device(const guid& lun);  // null: no such LUN

  // Settings: small values that others keep with the array, so that they travel with the drives (reservations,
  // targets). A change is durable on every working member when it returns, and all of it or nothing. Keys: 1 to 255
  // bytes, by convention "owner/what/which"; values: up to 64 KiB; 4 MiB in all (less on small drives: no_space).
  // Replacing a value by an equal one, or erasing what is not there, writes nothing (unless it has an operation to
  // record).
  using bytes = std::vector<std::byte>;
  struct setting_change {
    std::string key;
    std::optional<bytes> value;  // none: erase it
  };
  rt::task<status> put_setting(std::string key, bytes value, guid operation = {});
  rt::task<status> erase_setting(std::string key, guid operation = {});
  rt::task<status> change_settings(std::vector<setting_change> changes, guid operation = {});
  std::optional<bytes> setting(std::string_view key) const;
  std::map<std::string, bytes> settings(std::string_view prefix) const;  // by their whole keys

  // What became of an operation id handed to a change above. Successes are in the configuration log: they survive the
  // process. The newest 16,384 are kept.
  operation_outcome operation(const guid& id) const;
  rt::task<status> forget_operation(guid id);

  // Waits for what runs, flushes, clears the marks of written regions. Afterwards everything answers closing.
  rt::task<status> close();
  // For the simulator: the process is gone. Nothing is written, waited for or freed that a request in flight may touch.
  void abandon();

 private:
  class impl;
  explicit array(std::shared_ptr<impl> i);
  std::shared_ptr<impl> impl_;
};

}  // namespace vds::array
