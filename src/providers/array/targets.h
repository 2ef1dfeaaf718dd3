// targets.h: the array's iSCSI side: its targets, portal groups, portals and secrets, kept among the array's settings,
// and which LUN is shown by which target. A change is durable on the drives before initiators see it, except that what
// is taken away is taken away before the caller is told (sessions are asked to log out, docs/iscsi.md). Ids are
// permanent; those of the objects that an array begins with follow from its own.
//
// A LUN that nobody associated is shown by the automatic target; AssociateTargets makes it a LUN of the named targets
// and of no other.
// Thread: the array's executor, but for the constructor and what says otherwise. Changes are done one after the other.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "array/array.h"
#include "io/uring/reactor.h"
#include "iscsi/scsi/target_ports.h"
#include "iscsi/target/portal_server.h"
#include "iscsi/target/target.h"
#include "providers/array/iscsi_config.h"
#include "rt/sync.h"

namespace vds::array_provider {

// What a LUN calls itself in INQUIRY, and so in VDS_LUN_INFORMATION.
inline constexpr std::string_view inquiry_vendor = "VDS", inquiry_product = "VIRTUAL-DISK", inquiry_revision = "0001";

struct iscsi_event {
  enum class kind : std::uint8_t { target, portal, portal_group, lun } of;
  enum class change : std::uint8_t { arrived, departed, modified } what;
  guid object;
};

class targets {
 public:
  using events = std::vector<iscsi_event>;
  struct target_info {
    guid id;
    std::string iqn, name;
    bool authenticates = false;
    bool automatic = false;
    std::vector<guid> groups, luns;
  };
  struct group_info {
    guid id, target;
    std::uint16_t tag = 0;
    std::vector<guid> portals;
  };
  enum class portal_state : std::uint8_t { online, offline, failed };
  struct portal_info {
    guid id;
    std::string address;  // as bound, when it is
    portal_state state = portal_state::failed;
    bool automatic = false;  // the one that the program was started with
    std::vector<guid> groups;
  };
  using listeners = std::vector<std::unique_ptr<io::listener>>;  // one for each reactor
  using binder = std::function<result<listeners>(const std::string& address)>;

  // `tell` hears each change, in one call, when it can be asked about. `bind` opens an address on every reactor.
  targets(array::array& array, std::vector<rt::executor*> reactors, std::string name, binder bind,
          std::function<void(const events&)> tell);
  ~targets();

  // Before start(): the portal that the program was started with. Any thread.
  void first_portal(listeners bound);
  void load();   // the settings become objects; portals that cannot be opened now are tried again
  void start();  // initiators may come
  rt::task<void> stop();
  // The array has taken another's identity, with that one's settings, before it had LUNs of its own.
  void follow_array();

  // LUNs, as they come and go; the host sees to it that a LUN is in one such call at a time. publish() is repeatable.
  void publish(const array::lun_info& lun, io::block_device& device, iscsi::lun_persistence persistence);
  rt::task<void> unpublish(guid lun);
  void resized(const guid& lun);  // its device has another size: initiators are told
  rt::task<status> set_access(guid lun, iscsi::access who);
  // Of a LUN that has been deleted: forgets with whom it was associated.
  rt::task<void> forget_lun(guid lun);
  bool published(const guid& lun) const { return units_.contains(lun); }
  std::string url(const guid& lun) const;  // iscsi://ADDR:PORT/IQN/N; empty if no target shows it
  std::string automatic_iqn() const;

  // What there is.
  std::vector<target_info> all_targets() const;
  result<target_info> target(const guid& id) const;
  std::vector<group_info> groups_of(const guid& target) const;
  result<group_info> group(const guid& id) const;
  std::vector<portal_info> all_portals() const;
  result<portal_info> portal(const guid& id) const;
  std::vector<guid> targets_of(const guid& lun) const;
  result<std::vector<std::string>> initiators_of(const guid& target) const;
  bool has_automatic() const;
  std::optional<iscsi_operation> past(const guid& operation) const;

  // Changes. not_found: the object is gone. Those with an operation leave what became of it.
  struct named_operation {
    guid id;
    std::uint32_t type = 0;
  };
  rt::task<result<guid>> create_target(std::string iqn, std::string name, named_operation op);  // already_exists
  rt::task<status> delete_target(guid id, named_operation op);                                  // busy: LUNs
  rt::task<status> rename_target(guid id, std::string name);
  // No initiator: everybody's. No secret: there is none any more. invalid_argument: it would reflect.
  rt::task<status> set_secret(guid id, std::optional<std::string> initiator, std::optional<iscsi::chap_secret> secret);
  rt::task<status> set_own_secret(guid id, std::string initiator, std::optional<iscsi::chap_secret> secret);
  rt::task<result<guid>> create_group(guid target, named_operation op);        // too_large: no more
  rt::task<status> delete_group(guid group, named_operation op);               // busy: it has portals
  rt::task<status> join_portal(guid group, guid portal, named_operation op);   // out_of_range: no such portal; busy: it
  rt::task<status> leave_portal(guid group, guid portal, named_operation op);  // is in another group of the target
  rt::task<result<guid>> add_portal(std::string address);
  rt::task<status> remove_portal(guid id);  // busy: it is in groups; not_supported: the one we were started with
  rt::task<status> set_portal_offline(guid id, bool offline);
  rt::task<status> associate(guid lun, std::vector<guid> targets);  // out_of_range: no such target

 private:
  struct live_target {
    iscsi_target config;
    bool going = false;
    std::unique_ptr<iscsi::target> object;
  };
  struct live_portal {
    iscsi_portal config;
    std::string bound;  // empty: it is not open
  };
  struct unit {
    std::uint32_t number = 0;
    std::shared_ptr<iscsi::lun> lun;
    std::shared_ptr<iscsi::target_ports> ports;
    iscsi::access who;
    std::vector<guid> shown_by;
  };

  guid automatic_target() const;
  guid portal_object(const guid& config_id) const;  // the nil id of a record is the first portal's
  guid portal_config(const guid& object_id) const;
  std::vector<guid> wanted(const guid& lun) const;  // by which targets it is to be shown
  live_target* find(const guid& id);
  const live_target* find(const guid& id) const;
  bool tag_taken(std::uint16_t tag) const;
  live_target* of_group(const guid& group, iscsi_group** which);
  iscsi_target automatic_config() const;
  void load_targets();
  void load_portals();
  void bring_up(iscsi_target config);
  void take_down(live_target t);
  void apply(live_target& t);
  void tell_ports(const unit& u) const;
  void open(const guid& config_id, listeners bound);
  rt::task<void> close(guid config_id);
  void retry_later();
  rt::task<status> save(const iscsi_target& t, named_operation op, guid made);
  rt::task<status> save(std::vector<array::array::setting_change> changes, named_operation op, guid made);
  rt::task<status> change_target(guid id, named_operation op, guid made, std::function<status(iscsi_target&)> change,
                                 events told);

  array::array& array_;
  const std::vector<rt::executor*> reactors_;
  const std::string name_;
  const binder bind_;
  const std::function<void(const events&)> tell_;
  rt::executor& executor_;
  rt::mutex one_;
  rt::gate gate_;

  guid array_id_;  // whose the automatic ids are
  std::map<guid, live_target> targets_;
  std::map<guid, live_portal> portals_;  // by their ids in the configuration
  std::unordered_map<guid, std::vector<guid>> associated_;
  std::vector<iscsi_operation> operations_;
  std::unordered_map<guid, unit> units_;
  std::vector<std::unique_ptr<iscsi::target>> retired_;  // sessions may hold them to the end
  std::unique_ptr<iscsi::portal_server> server_;
  rt::executor::timer_id retry_ = 0;
  bool started_ = false, stopped_ = false;
};

}  // namespace vds::array_provider
