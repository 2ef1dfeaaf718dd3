// array_impl.h: the array from inside. Split by what it is about: array.cc (opening, closing, background work),
// array_drives.cc, array_luns.cc. Coroutines hold it shared, so that it outlives what is in flight.
#pragma once

#include <bitset>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "array/array.h"
#include "array/assembly/probe.h"
#include "array/engine/journal.h"
#include "array/engine/lun_device.h"
#include "array/engine/stripe_journal.h"
#include "array/layout/planner.h"

namespace vds::array {

class array::impl final : public engine::pool, public std::enable_shared_from_this<array::impl> {
 public:
  impl(rt::executor& ex, array_options o);
  ~impl() override;

  // engine::pool
  rt::executor& executor() override { return executor_; }
  std::uint32_t extent_bytes() const override { return journal_->config().array.extent_bytes; }
  std::shared_ptr<engine::drive> find_drive(std::uint32_t slot) const override { return journal_->find(slot); }
  bool gives_back_space(std::uint32_t slot) const override;
  rt::task<status> fail_drive(std::uint32_t slot, failure why) override;
  bool recorded_as_lost(std::uint32_t slot) const override;
  void health_changed(const guid& lun) override { raise(array_event::kind::lun_modified, lun); }
  void marks_appeared(std::shared_ptr<engine::lun_device> lun) override;
  void needs_resync(std::shared_ptr<engine::lun_device> lun) override;
  engine::stripe_journal& stripes() override { return *stripes_; }
  rt::task<status> need_stripe_journal(std::uint32_t slot) override;  // array_stripes.cc

  // array.cc
  void start();  // once it is shared
  rt::task<status> take_over(std::vector<assembly::probed> drives, bool force);
  rt::task<status> close();
  void abandon();

  // array_drives.cc
  rt::task<result<drive_info>> add_drive(std::unique_ptr<io::block_device> device, add_options options);
  rt::task<status> remove_drive(guid id);
  rt::task<status> declare_failed(guid id);
  rt::task<result<drive_info>> rejoin_drive(guid id);
  std::vector<drive_info> drives() const;
  result<drive_info> drive(const guid& id) const;
  std::vector<drive_info::use> uses(const guid& id) const;

  // array_luns.cc
  rt::task<result<lun_info>> create_lun(lun_spec spec, progress_callback report, rt::cancel_token cancel,
                                        commit_callback commit);
  rt::task<status> delete_lun(guid lun, guid operation);
  rt::task<status> change_lun(guid lun, guid operation, std::function<status(format::lun_record&)> change);
  result<byte_count> max_lun_size(const lun_spec& spec) const;
  result<layout::plan> plan(const lun_spec& spec, bool with_dirty) const;
  result<lun_info> lun(const guid& id) const;
  lun_info describe(const engine::lun_device& device) const;
  operation_outcome operation(const guid& id) const;

  // array_resize.cc
  rt::task<status> extend_lun(guid lun, byte_count by, std::vector<guid> drives, array::change_options how);
  rt::task<status> shrink_lun(guid lun, byte_count by, array::change_options how);
  result<byte_count> max_extension(const guid& lun, const std::vector<guid>& drives) const;
  result<lun_plan> plan_extension(const guid& lun, byte_count by, const std::vector<guid>& drives) const;

  // array_plexes.cc
  rt::task<status> join_plexes(guid lun, guid source, array::change_options how);
  rt::task<status> drop_plex(guid lun, guid plex, array::change_options how);
  rt::task<status> wait_filled(guid lun, progress_callback report, rt::cancel_token cancel);
  status may_add_plexes(const guid& lun, const guid& source) const;
  void filled_some();  // who waits for it looks again
  rt::task<status> once(guid operation, guid lun, rt::task<status> change);

  // array_scrub.cc
  rt::task<result<scrub_report>> scrub_lun(guid lun, bool repair, progress_callback report, rt::cancel_token cancel);

  // array_stripes.cc
  std::uint64_t journal_extents(std::uint32_t slot) const;  // that a first parity group would take besides its own

  // array_rebuild.cc
  rt::task<status> set_spare(guid drive, bool on);
  rt::task<status> replace_drive(guid source, guid target);
  status may_replace(const guid& source, const guid& target) const;
  static array::setting_change replacing_order(const guid& source, const guid& target);
  // One drive is no spare any more, another one is; either may be nil.
  rt::task<status> change_spares(const guid& drop, const guid& add);
  rt::task<status> recover_lun(guid lun, progress_callback report, rt::cancel_token cancel);
  bool is_spare(const guid& drive) const;

  // array_settings.cc
  rt::task<status> change_settings(std::vector<array::setting_change> changes, guid operation);

  struct lun_entry {
    std::shared_ptr<engine::lun_device> device;
    std::shared_ptr<const format::lun_record> latest;  // of the last change asked for; the device's once it is durable
    bool deleting = false;
  };
  struct parked {  // a device that is here and not believed
    std::unique_ptr<io::block_device> device;
    drive_state state = drive_state::stale;
    std::string why;
  };
  struct running {
    explicit running(rt::executor& ex) : done(ex) {}
    guid lun;
    std::optional<failure> failed;
    rt::event done;
  };

  rt::executor& executor_;
  array_options options_;
  random_source& random_;
  guid id_;
  std::shared_ptr<engine::journal> journal_;
  std::shared_ptr<engine::stripe_journal> stripes_;
  layout::allocator space_;
  std::unordered_map<guid, lun_entry> luns_;
  std::bitset<assembly::max_luns> numbers_;
  std::size_t first_free_number_ = 0;  // none below is free
  std::unordered_set<guid> creating_;
  std::map<guid, parked> parked_;                          // by drive
  std::map<guid, std::vector<assembly::probed>> foreign_;  // by array, waiting for their fellows
  std::vector<left_out> left_out_;
  std::unordered_map<guid, std::shared_ptr<running>> running_;
  std::unordered_map<guid, progress> rebuilding_;  // LUNs that are being given other places
  std::unordered_set<guid> resynchronised_;        // LUNs that are being made equal; some may be done
  std::unordered_map<guid, std::pair<failure, guid>> failed_operations_;
  std::deque<guid> failed_order_;

 private:
  void raise(array_event::kind what, const guid& object);
  void drive_failed(engine::drive& d);
  void start_journal(assembly::config c);
  void set_operation_limit();
  bool stopped() const { return closing_ || journal_->offline(); }

  // array_stripes.cc
  rt::task<status> open_stripes(bool clean);
  std::uint64_t reserved(std::uint32_t slot) const;  // extents that no LUN can have: the stripe journal's
  bool has_luns(const format::drive_record& d) const {
    return space_.clean(d.slot) + space_.dirty(d.slot) + reserved(d.slot) < d.extents;
  }

  drive_info describe(const format::drive_record& d) const;
  rt::task<result<drive_info>> join(std::unique_ptr<io::block_device> device, add_options options, bool clean);
  rt::task<result<drive_info>> import_drive(assembly::probed p, bool force);

  rt::task<result<guid>> make_lun(lun_spec spec, progress_callback report, rt::cancel_token cancel,
                                  commit_callback commit);
  rt::task<result<layout::plan>> find_room(const lun_spec& spec, const progress_callback& report,
                                           rt::cancel_token cancel);
  // Until some deleted data is wiped. `to_wipe`: the most there was to do since this began, for `report`.
  rt::task<void> wait_for_room(std::uint64_t& to_wipe, const progress_callback& report);
  struct rooms {
    std::vector<layout::drive_room> given, all;
  };
  // Of the drives named, which must be working and no spares, and of all that LUNs may be on.
  result<rooms> room_on(const std::vector<guid>& drives, bool with_dirty) const;
  // Joins a repeated operation: an outcome, or null and `mine` is registered.
  rt::task<std::optional<result<guid>>> join_operation(guid operation, guid lun, std::shared_ptr<running>& mine);
  void end_operation(const guid& operation, const std::shared_ptr<running>& mine, const result<guid>& outcome);

  rt::task<status> write_settings(std::vector<array::setting_change> changes, guid operation);

  // array_resize.cc
  using shares = std::vector<std::vector<layout::plan::share>>;  // by member, as the groups follow each other
  result<std::uint64_t> grown_size(const format::lun_record& of, byte_count by) const;
  result<shares> growth(const format::lun_record& of, std::uint64_t size, const std::vector<guid>& drives,
                        bool with_dirty) const;
  rt::task<status> grow(guid lun, byte_count by, std::vector<guid> drives, array::change_options how);
  rt::task<status> cut_back(guid lun, byte_count by, array::change_options how);
  struct turn_at {  // one change of a LUN's size or plexes at a time; those who find another one refuse
    turn_at(std::unordered_map<guid, lun_change>& of, const guid& lun, lun_change what) : all(of), id(lun) {
      all.emplace(id, what);
    }
    ~turn_at() { all.erase(id); }
    turn_at(const turn_at&) = delete;
    turn_at& operator=(const turn_at&) = delete;
    std::unordered_map<guid, lun_change>& all;
    const guid id;
  };
  std::unordered_map<guid, lun_change> resizing_;

  // array_plexes.cc
  status may_join(const format::lun_record& target, const format::lun_record& source) const;
  void doubt_unfilled(const format::lun_record& of);
  // The plex that can be filled now.
  std::optional<guid> first_unfilled(const format::lun_record& of) const;
  rt::task<status> fill_some(std::shared_ptr<engine::lun_device> device, guid plex);
  std::uint64_t bytes_to_fill(const engine::lun_device& device) const;
  std::shared_ptr<rt::event> fill_event_;
  std::unordered_map<guid, failure> unfilled_;  // LUNs a plex of which could not be filled, until it is tried again

  // array_rebuild.cc
  struct place {  // of a member: one run of its column, and which ordinal that begins with
    std::size_t group = 0, member = 0;
    std::uint64_t ordinal = 0;
    layout::run run;
  };
  std::optional<place> first_on(const engine::lun_device& device,
                                const std::function<bool(const layout::run&)>& wanted) const;
  std::optional<place> first_lost(const engine::lun_device& device) const;
  std::optional<std::uint32_t> target_for(const engine::lun_device& device, const place& p, bool any_drive) const;
  rt::task<status> restore_all(guid lun, progress_callback report, rt::cancel_token cancel);
  // A batch of that run, to the drive given or the best there is. ok: done, or worth looking again. One at a time
  // (rebuilding_turn_).
  rt::task<status> move_some(std::shared_ptr<engine::lun_device> device, place from, std::optional<std::uint32_t> given,
                             bool any_drive);
  rt::task<status> mark_dirty(std::vector<layout::run> runs);  // of one drive; given back when it fails
  rt::task<status> switch_places(std::shared_ptr<engine::lun_device> device, place from, std::uint32_t count,
                                 std::vector<layout::run> taken);
  std::uint64_t bytes_to_move(const engine::lun_device& device, std::uint32_t slot) const;
  progress rebuild_progress(const engine::lun_device& device) const;
  void forget_progress(const guid& lun);
  rt::task<void> pace(std::uint64_t bytes);
  void rebuild_later();
  static rt::task<void> rebuild_loop(std::shared_ptr<impl> self);
  // Drives that are being replaced, by their slots.
  struct order {
    std::string key;
    guid source;
    std::uint32_t from = engine::no_slot, to = engine::no_slot;
    std::set<guid> given_up;        // LUNs that could not be moved
    std::optional<failure> failed;  // the first of it
  };
  std::vector<order> orders() const;
  bool has_work(const guid& lun, const std::vector<order>& replacing) const;
  std::pair<std::optional<place>, std::size_t> from_replaced(const engine::lun_device& device,
                                                             const std::vector<order>& replacing) const;
  rt::task<void> rebuild_pass(std::vector<order>& replacing);
  // A batch of what the LUN needs: from a drive that is replaced, lost, a plex that is not filled. not_found: nothing
  // (more) to do. The turn is the caller's.
  rt::task<status> rebuild_some(guid lun, std::vector<order>& replacing);
  rt::task<void> end_orders(const std::vector<order>& replacing);
  unsigned weight_of(const guid& lun) const;  // by its rebuild priority

  std::set<std::pair<guid, std::uint32_t>> avoided_;  // LUN, drive: it did not work; until a drive changes
  rt::mutex rebuilding_turn_;
  monotonic::time_point next_copy_{};
  bool rebuild_running_ = false, again_ = false;

  // Background work: started when there is some, ends when there is none; a timer delays it.
  void wipe_later(std::uint32_t slot);
  static rt::task<void> wipe_loop(std::shared_ptr<impl> self, std::uint32_t slot);
  void sweep_later();
  void watch_checks(engine::drive& d);
  static rt::task<void> sweep(std::shared_ptr<impl> self);
  static rt::task<void> resync_loop(std::shared_ptr<impl> self);
  void space_changed();
  // array_unreadable.cc
  void watch_unreadable(const std::shared_ptr<engine::drive>& d);
  static rt::task<status> record_unreadable(std::shared_ptr<impl> self, std::uint32_t slot);  // as it is now
  // Appends what of the drive cannot be read, if there is, or was, anything. too_large: more than is kept.
  status append_unreadable(std::uint32_t slot, format::bytes& records) const;
  std::uint64_t unreadable_bytes(const format::lun_record& of) const;
  void let_go(const std::vector<layout::run>& runs);  // durably free and dirty, and out of everybody's use

  std::unordered_map<guid, std::weak_ptr<engine::lun_device>> marked_;
  std::deque<std::weak_ptr<engine::lun_device>> to_resync_;
  std::unordered_set<std::uint32_t> wiping_, wipe_timers_;
  std::shared_ptr<rt::event> space_event_;
  std::size_t space_waiters_ = 0;
  bool sweeping_ = false, resyncing_ = false;
  rt::mutex drives_change_, settings_change_, stripes_change_;
  rt::gate background_;
  bool closing_ = false, closed_ = false;
};

}  // namespace vds::array
