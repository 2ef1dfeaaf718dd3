// host.h: the array provider without COM: the reactors, the array on the first of them, its iSCSI side (targets.h), and
// the LUNs that are published there. Every LUN is published, under its persistent number and to those who may see it,
// before anybody is told of it; one that is being deleted is taken from initiators first.
//
// Thread: everything here is for threads that are no reactor (COM callers, main), unless it says "array's executor".
// After close() calls answer closing.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "array/array.h"
#include "io/uring/reactor.h"
#include "providers/array/drive_list.h"
#include "providers/array/job_book.h"
#include "providers/array/lights.h"
#include "providers/array/targets.h"
#include "rt/cancel.h"
#include "rt/sync.h"

namespace vds::array_provider {

struct host_options {
  guid id;                                // of the subsystem; and of the array, when the drives do not carry one yet
  std::string name;                       // shown to people
  std::string portal = "127.0.0.1:3260";  // port 0: the kernel chooses, see portal()
  std::string preferred_portal;           // with port 0: this one, if it is free
  // How long an address or a drive that is taken is waited for: after kill -9 the kernel holds both a little longer.
  monotonic::duration patience = 5s;
  unsigned reactors = 1;
  bool checksums = false;  // drives that join from now on keep checksums of their data
};

// Who wants to hear how a resynchronisation goes on and ends. The callbacks run on the array's executor.
struct recovery {
  guid lun;
  array::progress_callback report;
  std::function<void(const status&)> done;
};

// An order to extend or to shrink a LUN. The callbacks run on the array's executor.
struct resize_order {
  guid lun;
  bool grow = true;
  byte_count by;
  std::vector<guid> drives;  // to be used first
  array::array::change_options how;
  std::function<void(const status&)> done;
};

// An order to make the plexes of another LUN further ones of this, or to take a plex away. The callbacks run on the
// array's executor.
struct plex_order {
  guid lun, other;  // adding: the LUN that ends; otherwise the plex
  bool adding = true;
  array::array::change_options how;
  array::progress_callback report;  // how the new plexes are filled
  std::function<void(const status&)> done;
};

// Whether a LUN could be made at all, as far as can be said before trying.
enum class order_check : std::uint8_t {
  fine,
  invalid,
  no_such_drive,
  drive_unusable,
  not_enough_drives,
  not_supported
};

// An order to make a LUN, and how its giver hears of it. The callbacks run on the array's executor.
struct lun_order {
  // Asked on the reactor before anything else: true when this operation ended long ago. Nothing begins then.
  std::function<bool(const array::array&, const targets&)> ended_before;
  array::lun_spec spec;
  array::progress_callback report;
  rt::cancel_token cancel;
  array::commit_callback commit;  // no return after this; false: done gets cancelled, nobody ever saw the LUN
  std::function<void(result<array::lun_info>)> done;
};

class host {
 public:
  struct events {
    std::vector<array::array_event> objects;
    bool subsystem = false;  // its name or health
  };
  using naa_id = std::array<std::uint8_t, 16>;

  // Opens the listed drives, assembles the array, publishes its LUNs, listens. `drives` outlives the host.
  static result<std::unique_ptr<host>> start(host_options options, drive_list& drives);
  ~host();  // closes
  host(const host&) = delete;
  host& operator=(const host&) = delete;

  // Clean shutdown: initiators are let go, operations end, the drives are marked clean. Idempotent.
  void close();

  const guid& id() const { return options_.id; }
  const std::string& portal() const { return portal_; }  // "127.0.0.1:3260", as bound
  std::string iqn();                                     // of the target that the array has from the beginning
  std::string iscsi_url(const guid& lun);                // iscsi://ADDR:PORT/IQN/N; empty if nobody reaches it

  // The subsystem's name: what somebody called it, kept with the array so that it travels with the drives, or else what
  // the program was started with. An empty one brings that back.
  std::string name();
  status set_name(const std::string& name);

  // The locate lights (lights.h) of a drive, or of all of them when it is nil. not_found: no such drive.
  enum class light : std::uint8_t { off, on, blinking };
  status set_light(guid drive, light to, std::uint32_t times = 0);
  bool lit(const guid& drive);
  // Whether it answers: unavailable, in words, for a drive that does not serve; nil: the subsystem, which does.
  status ping(guid drive);

  // The array's background work: what runs, and how what ran has ended.
  result<std::vector<job>> jobs();
  result<job> find_job(const guid& id);  // not_found
  // scrub.cc: reads all of a LUN on every drive and compares and repairs, as a job, whose id this is; one that runs
  // already is joined. Cancelling: not_supported for jobs of another kind, not_found when it does not run.
  result<guid> begin_scrub(guid lun);
  status cancel_job(const guid& id);

  // All events of one change come in one call, on the array's executor, when the objects can be asked for.
  void listen(std::function<void(const events&)> listener,
              std::function<void(const targets::events&)> iscsi_listener = {});

  // Runs make(array), which yields a task<result<T>>, on the array's executor and waits.
  template <class Make>
  auto call(Make make) {
    using answer =
        decltype(std::declval<typename std::invoke_result_t<Make&, array::array&>::awaiter>().await_resume());
    const std::shared_lock lock(open_mutex_);
    if (!open_) return answer(failure(errc::closing, "the array is shutting down"));
    return rt::block_on(reactor(), [this, &make] { return make(*array_); });
  }
  // The same for a plain function; its value comes back as a result.
  template <class Read>
  auto read(Read f) {
    using value = std::invoke_result_t<Read&, array::array&>;
    return call([&f](array::array& a) -> rt::task<result<value>> { co_return f(a); });
  }

  // The same for the iSCSI side: make(targets) yields a task<result<T>>, read a value.
  template <class Make>
  auto iscsi(Make make) {
    return call([this, &make](array::array&) { return make(*targets_); });
  }
  template <class Read>
  auto read_iscsi(Read f) {
    return read([this, &f](array::array&) { return f(std::as_const(*targets_)); });
  }
  // f(array, targets), in one turn.
  template <class Read>
  auto read_both(Read f) {
    return read([this, &f](array::array& a) { return f(std::as_const(a), std::as_const(*targets_)); });
  }
  status associate(guid lun, std::vector<guid> targets);  // targets::associate

  result<order_check> check_order(const array::lun_spec& spec);
  // When the order is fine and new, its callbacks will tell the rest; otherwise none of them runs.
  result<order_check> begin_lun(lun_order order);
  // recover.cc: follows what makes the LUN's copies equal; done() is called once, when it has ended or cannot.
  status begin_recovery(recovery what);
  // resize.cc. Drives that could not be used, or a LUN that has failed, are refused at once: done() is not called then.
  result<order_check> begin_resize(resize_order order);
  // plex_change.cc. What can be seen to be wrong is refused at once: done() is not called then.
  status begin_plex_change(plex_order order);
  status delete_lun(guid lun);
  status set_mask(guid lun, std::vector<std::string> unmask);
  result<guid> add_drive(const std::string& path, byte_count create, bool force);
  status remove_drive(guid drive);
  result<guid> lun_of_plex(const guid& plex);  // not_found
  result<guid> lun_of_naa(const naa_id& naa);  // not_found

 private:
  struct published {
    std::uint32_t number;
    naa_id naa;
    std::vector<guid> plexes;
  };
  struct naa_hash {
    std::size_t operator()(const naa_id& n) const noexcept { return std::hash<guid>()(guid{n}); }
  };

  host(host_options options, drive_list& drives);
  status open_reactors();
  status assemble();
  status open_portal();
  result<targets::listeners> bind(const std::string& address, monotonic::duration patience);
  void settle_pending(const std::vector<drive_list::entry>& entries);
  void publish_all();
  io::reactor& reactor() { return reactors_.front()->reactor(); }

  // Array's executor.
  order_check check(const array::lun_spec& spec) const;
  static rt::task<void> carry_out(host& h, lun_order order, rt::gate::held held);
  static rt::task<void> carry_out_resize(host& h, resize_order order, rt::gate::held held);
  static rt::task<void> carry_out_plex_change(host& h, plex_order order, rt::gate::held held);
  rt::task<status> absorb(const plex_order& order);
  void note_plexes(const guid& lun);
  static rt::task<void> scrub(host& h, guid lun, rt::gate::held held);
  order_check check_drives(const std::vector<guid>& drives) const;
  static rt::task<void> follow(host& h, recovery what, rt::gate::held held);
  rt::task<status> remove_lun(guid lun);
  rt::task<void> forget_settings(guid lun);  // of a LUN that is gone: what it kept for its initiators
  iscsi::lun_persistence persistence_of(const guid& lun);
  rt::task<status> change_mask(guid lun, std::vector<std::string> unmask);
  rt::task<status> change_targets(guid lun, std::vector<guid> targets);
  void publish(const array::lun_info& lun);
  void forget(const guid& lun);
  void follow_array_id();
  void on_event(const array::array_event& e);
  void subsystem_changed();
  void flush_later();
  void flush_events();
  void add_drive_events(std::vector<array::array_event>& told);
  void watch_work();    // jobs.cc
  bool watch_health();  // whether the subsystem's has changed
  void tell(const targets::events& told);

  const host_options options_;
  drive_list& drives_;
  std::vector<std::unique_ptr<io::reactor_thread>> reactors_;
  std::string portal_;

  // Array's executor.
  std::unique_ptr<array::array> array_;
  std::unique_ptr<rt::gate> jobs_;
  std::unordered_map<guid, published> published_;
  std::unordered_map<guid, guid> lun_of_plex_;
  std::unordered_map<naa_id, guid, naa_hash> lun_of_naa_;
  std::unordered_set<guid> changing_;                    // LUNs with a delete or mask change under way
  std::unordered_map<guid, std::vector<guid>> leaving_;  // drives of LUNs whose departure has not been told yet
  events pending_;
  bool flush_posted_ = false;
  bool whole_ = true;  // every drive works
  std::unique_ptr<lights> lights_;
  job_book book_;
  struct wipe {
    std::uint64_t done = 0, left = 0;
  };
  std::map<guid, wipe> wipes_;  // by drive
  struct scrubbing {
    job shown;
    rt::cancel_source cancel;
  };
  std::map<guid, scrubbing> scrubs_;  // by LUN

  std::unique_ptr<targets> targets_;
  rt::cancel_source closing_;  // who waits for what goes on after a restart waits no longer

  std::mutex listener_mutex_;
  std::function<void(const events&)> listener_;
  std::function<void(const targets::events&)> iscsi_listener_;

  std::shared_mutex open_mutex_;  // shared by calls; close() takes it alone
  bool open_ = false;
  std::mutex drive_mutex_;  // one drive is added or removed at a time
};

}  // namespace vds::array_provider
