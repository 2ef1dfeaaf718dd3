// target.h: an iSCSI target: a name, its logical units, who may see which of them, through which portals, and what they
// have to prove. It knows nothing of where the blocks come from: a logical unit is any io::block_device. One may be
// attached to several targets. portal_server.h lets initiators reach it.
//
// A logical unit that is not unmasked to an initiator does not exist for it: not in REPORT LUNS, not for any command; a
// target with nothing unmasked to an initiator is neither discovered nor logged into by it.
// Masks compare normalised iSCSI names (case-insensitive).
// Thread: any, unless said otherwise. The device of a logical unit is touched on the device's executor only.
// Lifetime: outlives the portal servers that it was added to; devices stay valid until unpublish() returned.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "io/block_device.h"
#include "iscsi/scsi/persistence.h"
#include "iscsi/target/authentication.h"
#include "rt/task.h"

namespace vds::iscsi {

class lun;
class target_core;
class target_ports;

inline constexpr std::uint32_t max_lun_number = 0xffffff;  // extended flat space addressing (SAM-5 4.7.7.5.4)

struct target_options {
  std::string iqn;
  std::string alias;
};

// A target is reached through the portals of its groups; a portal is in at most one group of a target.
struct portal_group {
  std::uint16_t tag = 1;
  std::vector<guid> portals;
};

// What an initiator sees of a LUN; stable for the LUN's life, or multipath would corrupt data.
struct logical_unit {
  std::uint32_t number = 0;
  guid id;
  io::block_device& device;
  std::vector<std::uint8_t> naa;  // 8 or 16 bytes, NAA 5 or 6: VPD page 83h as given
  std::string serial;             // VPD page 80h as given, at most 252 characters of ASCII
  std::string vendor = "VDS";
  std::string product = "VIRTUAL-DISK";
  std::string revision = "0001";
  block_count atomic{};           // one write of up to so many blocks survives a loss of power all or not at all
  lun_persistence persistence{};  // what initiators ask to be kept (scsi/persistence.h); empty: nothing can be
};

struct access {
  bool all = false;
  std::vector<std::string> initiators;  // iSCSI names
};
// From VDS's unmasking list: "*" unmasks to all.
access access_from(const std::vector<std::string>& unmask);

// A logical unit that several targets may show; `ports`: the target ports through which they do, that is, the tags of
// their portal groups, which then differ. Call where device.geometry() may be called. invalid_argument for a number,
// serial or NAA id that cannot be; corrupt or too_new for what it brought along (a reservation that cannot be read must
// not be taken for none).
result<std::shared_ptr<lun>> make_unit(logical_unit lu, const std::string& target_name,
                                       std::shared_ptr<const target_ports> ports = {});
// Nothing touches its device any more when this returns. Resumes on the device's executor.
rt::task<void> close_unit(std::shared_ptr<lun> unit);
// Its device has another size: initiators get a unit attention (capacity data has changed), once.
void unit_resized(const std::shared_ptr<lun>& unit);

class target {
 public:
  explicit target(target_options options);
  ~target();
  target(const target&) = delete;
  target& operator=(const target&) = delete;

  const std::string& iqn() const noexcept { return options_.iqn; }

  void set_alias(std::string alias);
  // From the beginning, every portal is in group 1. Sessions that came by a portal that is taken away are asked
  // to log out, and ended if they do not in time (limits.h).
  void set_groups(std::vector<portal_group> groups);
  // For logins from now on; invalid_argument when a secret would be its own answer (target_secrets::reflects).
  status set_secrets(target_secrets secrets);

  // already_exists if the number is taken, corrupt or too_new for what the LUN brought along (a reservation that cannot
  // be read must not be taken for none), invalid_argument for a number, serial or NAA id that cannot be. Initiators
  // that may see it get a unit attention (reported LUNs data has changed). Call where device.geometry() may be called.
  status publish(logical_unit lu, access who);

  // The same for a unit that other targets may show, too. already_exists if its number is taken.
  status attach(std::shared_ptr<lun> unit, access who);
  // It vanishes at once; none of its commands that came through this target runs when this returns. not_found.
  rt::task<status> detach(std::uint32_t number);

  // detach() for a unit that no other target shows: returns when no command touches the device any more, and none ever
  // will. not_found. Resumes its awaiter on the device's executor.
  rt::task<status> unpublish(std::uint32_t number);

  // Who loses the LUN: its commands have ended when this returns. Resumes its awaiter on the device's executor.
  rt::task<status> set_access(std::uint32_t number, access who);

  // The device has another size: initiators get a unit attention (capacity data has changed).
  status resized(std::uint32_t number);

  bool published(std::uint32_t number) const;
  std::size_t size() const;                     // logical units
  std::size_t sessions() const;                 // normal sessions now
  std::vector<std::string> initiators() const;  // names logged in now

  const std::shared_ptr<target_core>& core() const noexcept { return core_; }  // for portal_server

 private:
  const target_options options_;
  std::shared_ptr<target_core> core_;  // a connection that is logging in may hold it a little longer
};

}  // namespace vds::iscsi
