// iscsi_config.h: what the array's iSCSI side is configured to be, as values, and how it is kept among the array's
// settings (docs/format/iscsi-settings.md): a record for each target (with its portal groups and secrets), portal, and
// LUN that was associated with targets by somebody. What has no record is as an array begins: one automatic target
// with one group, which holds the portal that the program was started with, and every LUN on it.
// Records come from the drives and may be anything: decoding answers with a failure, never more.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "iscsi/target/authentication.h"

namespace vds::array_provider {

using setting_bytes = std::vector<std::byte>;

struct iscsi_group {
  guid id;
  std::uint16_t tag = 1;
  std::vector<guid> portals;  // ids; nil: the portal that the program was started with
};

struct iscsi_target {
  guid id;
  std::string iqn, name;
  bool deleted = false;  // only the automatic one leaves a record when it goes
  std::vector<iscsi_group> groups;
  iscsi::target_secrets secrets;
};

struct iscsi_portal {
  guid id;              // nil: the one that the program was started with
  std::string address;  // "10.0.0.1:3260"; not of that one
  bool offline = false;
};

// An operation that ended well, for whoever asks after the process has gone.
struct iscsi_operation {
  guid id, object;         // object: what it made, or nil
  std::uint32_t type = 0;  // a VDS_ASYNC_OUTPUT_TYPE
};

inline constexpr std::size_t max_targets = 256, max_groups = 64, max_portals = 64, max_target_secrets = 1024,
                             kept_operations = 64, max_lun_targets = 64;
inline constexpr std::string_view targets_prefix = "iscsi/target/", portals_prefix = "iscsi/portal/",
                                  associations_prefix = "iscsi/association/", operations_key = "iscsi/operations";

setting_bytes encode(const iscsi_target& t);
setting_bytes encode(const iscsi_portal& p);
setting_bytes encode(const std::vector<guid>& targets_of_a_lun);
setting_bytes encode(const std::vector<iscsi_operation>& operations);

// too_new for a later version, corrupt for what cannot be.
result<iscsi_target> decode_target(std::span<const std::byte> record);
result<iscsi_portal> decode_portal(std::span<const std::byte> record);
result<std::vector<guid>> decode_association(std::span<const std::byte> record);
result<std::vector<iscsi_operation>> decode_operations(std::span<const std::byte> record);

// The id behind a prefix.
std::optional<guid> id_of_key(std::string_view key, std::string_view prefix);

}  // namespace vds::array_provider
