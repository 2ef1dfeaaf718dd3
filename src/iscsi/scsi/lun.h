// lun.h: a logical unit: one block device, seen through SCSI. Holds everything that belongs to the LUN and not to one
// session: the task set, range locks, unit attentions per nexus, reservations, mode parameters.
// It knows nothing of iSCSI PDUs, and nobody but it touches the device.
// Thread: the device's executor, except where a function says "any".
// Lifetime: shared between the target's map and the sessions that have touched it. After close() the device is never
// touched again; the object may live on.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/guid.h"
#include "iscsi/scsi/command.h"
#include "iscsi/scsi/copy_results.h"
#include "iscsi/scsi/persistence.h"
#include "iscsi/scsi/port_access.h"
#include "iscsi/scsi/range_lock.h"
#include "iscsi/scsi/target_ports.h"
#include "iscsi/scsi/task_set.h"
#include "rt/sync.h"

namespace vds::iscsi {

// What initiators are told about the LUN; constant.
struct lun_identity {
  std::uint32_t number = 0;
  guid id;
  std::vector<std::uint8_t> naa;
  std::string serial, vendor, product, revision;
  std::string target_name;
  std::shared_ptr<const target_ports> ports{};  // null: one, with tag 1
  block_count atomic{};                         // see lun::atomic_blocks()
};

// What has been asked of the LUN and how much, since it was published (LOG SENSE).
struct lun_statistics {
  std::uint64_t reads = 0, writes = 0, blocks_read = 0, blocks_written = 0;
};

class lun : public std::enable_shared_from_this<lun> {
 public:
  static constexpr std::uint64_t max_transfer_bytes = 8u << 20;  // of one READ or WRITE; VPD page B0h says so
  static constexpr std::uint64_t max_compare_blocks = 255;
  static constexpr std::uint64_t max_unmap_blocks = 1 << 20;
  static constexpr std::uint64_t max_unmap_descriptors = 256;
  static constexpr std::uint64_t max_same_blocks = 65535;  // WRITE SAME

  // `saved` and `keep`: persistence.h; what keep.saved says has become `saved`.
  lun(lun_identity identity, io::block_device& device, lun_settings saved = {}, lun_persistence keep = {});

  // Any thread: constant, or atomic.
  const lun_identity& identity() const noexcept { return identity_; }
  rt::executor& executor() const noexcept { return executor_; }
  block_size block() const noexcept { return geometry_.logical; }
  block_size physical_block() const noexcept { return geometry_.physical; }
  bool can_unmap() const noexcept { return geometry_.can_unmap; }
  // So many blocks of one WRITE survive a loss of power all or not at all; none: the device promises it of no more
  // than each block.
  block_count atomic_blocks() const noexcept;
  block_count blocks() const noexcept { return {blocks_.load(std::memory_order_acquire)}; }
  block_count transfer_limit() const noexcept { return {max_transfer_bytes / block().bytes}; }

  // Takes the command into the task set and says whether it may go on: otherwise the answer (unit attention,
  // reservation conflict, what its plan says, or aborted) is in it. leave() is called in either case.
  bool enter(command& c);
  // Does it. The data-out is all there.
  rt::task<void> execute(command& c);
  void leave(command& c) { tasks_.leave(c); }
  void wake() { tasks_.wake(); }   // a command was marked as aborted by its session
  rt::task<void> run(command& c);  // all three, for commands that wait for no data
  // run() without waiting, for READ and WRITE that nothing stands in the way of on a device that does them at once.
  // True: done or refused, the answer is in it. False: nothing has happened that run() would not do, too.
  bool try_run(command& c);
  // What was begun in an earlier life and is not done goes on. Once, after construction.
  void resume();

  // Task management (SAM-5 7), after the session has dealt with its own commands. Return when every affected command
  // has left the task set, that is, when no write of it can land any more.
  rt::task<void> clear_task_set(const nexus& by);
  rt::task<void> reset();  // LOGICAL UNIT RESET
  // The LUN is masked away from a nexus that is logged in (and unmasked again): its commands have ended when expel()
  // returns, and later ones find no LUN.
  rt::task<void> expel(std::uint64_t nexus_id);
  void readmit(std::uint64_t nexus_id) { expelled_.erase(nexus_id); }
  // The session has ended: its commands are gone when this returns, its reservation is released.
  rt::task<void> nexus_lost(const nexus& of);

  void resized();          // geometry has another size
  rt::task<void> close();  // aborts what runs, waits for it; nothing touches the device afterwards
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }  // any thread

  // For the handlers of commands (dispatch.cc and its like).
  io::block_device& device() noexcept { return device_; }
  range_lock& ranges() noexcept { return ranges_; }
  const persistent_reservations& persistent() const noexcept { return settings_.reservations; }
  const mode_parameters& mode() const noexcept { return mode_; }
  void set_mode(const mode_parameters& m) noexcept { mode_ = m; }
  mode_parameters default_mode() const noexcept { return {.write_cache = geometry_.volatile_cache}; }
  mode_parameters saved_mode() const noexcept { return settings_.mode.value_or(default_mode()); }
  // Whoever changes what is saved holds this from reading it to having put its change in place.
  auto settings_turn() noexcept { return settings_mutex_.take(); }
  bool can_save() const noexcept { return static_cast<bool>(save_); }
  const lun_settings& settings() const noexcept { return settings_; }
  // Durable when it returns without an error; otherwise nothing has changed.
  rt::task<status> change_settings(lun_settings next);
  bool redoes() const noexcept { return identity_.atomic.n == 0 && keep_redo_; }
  rt::task<status> write_with_redo(lba at, block_count count, const std::vector<io::const_buffer>& data,
                                   const command& c);
  copy_results& copies() noexcept { return copies_; }
  port_access& ports_access() noexcept { return port_access_; }
  std::vector<std::uint16_t> port_tags() const;
  lun_statistics& statistics() noexcept { return statistics_; }
  const lun_statistics& statistics() const noexcept { return statistics_; }
  sanitize_state& sanitize() noexcept { return sanitize_; }
  rt::task<void> sanitized(const command& c);  // none is running (any more), or the command was aborted
  void run_sanitize();                         // settings().sanitize, in the background
  bool has_volatile_cache() const noexcept { return geometry_.volatile_cache; }
  // With the write cache off, every write is made durable before it is answered.
  io::durability write_durability(bool fua) const noexcept {
    return fua || !mode_.write_cache ? io::durability::fua : io::durability::cached;
  }
  std::optional<sense> take_attention(const nexus& of);  // the oldest one, once
  void attention_others(const nexus& except, std::uint16_t code);
  void attention_ports(const persistent_reservations::port_pair& who, std::uint16_t code);
  // The initiator ports of that name that have been heard of: what a TransportID without ISID stands for.
  std::vector<std::string> known_ports(const std::string& initiator) const;
  bool reserve(const nexus& by);  // RESERVE(6)
  void release(const nexus& by);
  rt::task<void> abort_ports(const persistent_reservations::port_pair& who);  // PREEMPT AND ABORT
  void flush_in_background();                                                 // SYNCHRONIZE CACHE with IMMED

 private:
  struct nexus_state {
    persistent_reservations::port_pair who;
    std::deque<std::uint16_t> attentions;  // at most one of each kind
  };
  std::optional<sense> not_ready(const command& c) const;
  static rt::task<void> overwrite(std::shared_ptr<lun> self);
  static rt::task<void> replay(std::shared_ptr<lun> self, std::vector<std::byte> redo);
  rt::task<void> forget_redo();
  nexus_state& state_of(const nexus& n);
  static void raise(nexus_state& s, std::uint16_t code);
  bool admit(command& c);

  const lun_identity identity_;
  io::block_device& device_;
  rt::executor& executor_;
  const io::block_geometry geometry_;  // as it was; blocks_ follows it
  std::atomic<std::uint64_t> blocks_;

  task_set tasks_;
  range_lock ranges_;
  rt::gate gate_;  // whoever touches the device
  std::unordered_map<std::uint64_t, nexus_state> nexuses_;
  std::unordered_set<std::uint64_t> expelled_;
  std::atomic<bool> closed_{false};
  std::uint64_t reserved_by_ = 0;  // RESERVE(6); nexus id, 0 for nobody
  mode_parameters mode_;
  lun_settings settings_;  // as last saved, or as last changed without being saved
  const std::function<rt::task<status>(std::vector<std::byte>)> save_;
  rt::mutex settings_mutex_;
  std::vector<std::byte> redo_;  // found kept; until resume()
  const std::function<rt::task<status>(std::vector<std::byte>)> keep_redo_;
  rt::mutex redo_mutex_;
  bool redo_stuck_ = false;  // what is kept could not be forgotten: nothing may be written that it would undo
  copy_results copies_;
  port_access port_access_;
  lun_statistics statistics_;
  sanitize_state sanitize_;
  rt::event sanitize_moved_;
};

}  // namespace vds::iscsi
