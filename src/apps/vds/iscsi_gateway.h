// iscsi_gateway.h: the part of the service that is about iSCSI targets, portals and portal groups, as gateway.h.
// Secrets go in and never come out.
#pragma once

#include <memory>
#include <optional>

#include "apps/vds/views.h"

namespace vds::cli {

class operation;

class iscsi_gateway {
 public:
  virtual ~iscsi_gateway() = default;

  virtual std::vector<target_view> targets() = 0;  // of all subsystems, as the others
  virtual std::unique_ptr<operation> create_target(const guid& subsystem, const std::string& iqn,
                                                   const std::string& name) = 0;
  virtual std::unique_ptr<operation> delete_target(const guid& target) = 0;
  virtual void rename_target(const guid& target, const std::string& name) = 0;
  // No initiator: for all of them. No secret: none any more.
  virtual void set_secret(const guid& target, const std::optional<std::string>& initiator,
                          const std::optional<std::string>& secret) = 0;
  virtual void set_mutual_secret(const guid& target, const std::string& initiator,
                                 const std::optional<std::string>& secret) = 0;
  virtual void associate(const guid& lun, const std::vector<guid>& targets) = 0;

  virtual std::vector<portal_view> portals() = 0;
  virtual guid add_portal(const guid& subsystem, const std::string& address) = 0;
  virtual void remove_portal(const guid& subsystem, const guid& portal) = 0;
  virtual void set_portal_status(const guid& portal, std::uint32_t status) = 0;

  virtual std::vector<portal_group_view> portal_groups() = 0;
  virtual std::unique_ptr<operation> create_portal_group(const guid& target) = 0;
  virtual std::unique_ptr<operation> delete_portal_group(const guid& group) = 0;
  virtual std::unique_ptr<operation> join_portal(const guid& group, const guid& portal) = 0;
  virtual std::unique_ptr<operation> leave_portal(const guid& group, const guid& portal) = 0;
};

}  // namespace vds::cli
